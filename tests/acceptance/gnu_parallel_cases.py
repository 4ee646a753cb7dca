"""Invocations of which GNU parallel 20221122 and `parallel-runner run` must make the same.

Each line is what a user types behind `parallel`, as a shell would split it (no expansions). `-k` is put in front
unless the case says that the order does not matter. Here are those about what a command line stands for; those
about how jobs run are in `gnu_parallel_runs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """One invocation, compared in standard output, exit code, files made, and what the log of jobs says."""

    name: str
    line: str
    stdin: bytes = b""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """What is there beforehand: name to content. A name that ends in a slash is a directory."""
    before: tuple[str, ...] = ()
    """Invocations that run before, in the same directory; not compared by themselves."""
    ordered: bool = True
    """False: no `-k`, and the lines of standard output are compared as a set."""
    stderr: bool = False
    """True: each line that GNU parallel's jobs and options put on standard error must be on ours as well."""
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Different:
    """One invocation that we answer in another way on purpose, with what we answer."""

    case: Case
    reason: str
    code: int
    stdout: bytes
    files: Mapping[str, bytes] | None = None
    """What was made, all of it; None: not looked at."""
    always: bool = True
    """False: where GNU parallel has all that it needs, it may answer the same."""


F12 = {"f": b"1\n2\n", "g": b"a\nb\nc\n"}
LINES = b"1\n2\n3\n4\n5\n"
SIX = b"1\n2\n3\n4\n5\n6\n"
TABLE = b"n,v\na/x.y,1\nb,2\n"
HARD = "'a b' \"c'd\" \"'\" '\"' '$HOME' '$(id)' '`id`' 'e\\f' '*' '?' '[a]' '~' '#h' '!x' '^' '|' ';' '&' '&&' "
HARD += "'(' ')' '<' '>' '{' '}' '{a,b}' '=' 'A=b' ',' '@' '%' '+' ':' '--' '-n' '\t' 'a\tb' ' lead' 'trail ' "
HARD += "'' 'é' \"''\" '\\'"
PATHS = "a.b a a.b.c d/e.f d.e/f d/.x .rc x. /r/s /r d/ d/e/ ./a ../b.c a//b 'd e/f g.h i'"

SOURCES = [
    Case("one source", "echo ::: a b c"),
    Case("commands as arguments", "::: 'echo 1' 'exit 3' 'echo \"a  b\" | cat'"),
    Case("commands on stdin", "", b"echo 1\nexit 3\necho $((1+1)) | cat\nX=5; echo $X"),
    Case("comments and empty lines are no commands that fail", "", b"# comment\n\necho x\n"),
    Case("commands in a file", ":::: f", files={"f": b"echo 1\ntrue\nfalse\n"}),
    Case("commands keep their braces", "::: 'echo {}' 'echo {#} {1}'"),
    Case("stdin", "echo", LINES),
    Case("empty lines are arguments", "echo 'x{}x'", b"a\n\nb\n \n"),
    Case("product of two", "echo ::: a b ::: 1 2 3"),
    Case("product of three", "echo {1}{2}{3} ::: a b ::: 1 2 ::: x y"),
    Case("linked", "echo ::: a b c :::+ 1 2 3"),
    Case("linked stops at the shortest", "echo ::: a b c :::+ 1 2"),
    Case("linked pairs in a product", "echo ::: a b :::+ 1 2 ::: X Y :::+ 11 22"),
    Case("three linked", "echo {3}{2}{1} ::: a b :::+ 1 2 :::+ x y"),
    Case("link wraps around", "--link echo ::: a b c ::: 1 2"),
    Case("link of three lengths", "--link echo ::: a b c ::: 1 2 ::: X"),
    Case("link with linked", "--link echo ::: a b c :::+ 1 2 3 ::: X Y"),
    Case("files linked", "echo :::: f ::::+ g", files=F12),
    Case("file and arguments", "echo ::: x y :::: f ::: z", files=F12),
    Case("-a twice", "-a f -a g echo", files=F12),
    Case("-a is the first source", "-a f echo ::: x y", files=F12),
    Case("--arg-file", "--arg-file f echo", files=F12),
    Case("-a twice, linked", "--link -a f -a g echo", files=F12),
    Case("-a -", "-a - -a f echo", b"a\nb\n", files=F12),
    Case("stdin among files", "echo :::: f -", b"a\nb\n", files=F12),
    Case("stdin is not read beside arguments", "cat ::: /dev/null", b"a\nb\n"),
    Case("jobs have no stdin", "'echo {}; cat' ::: a b", b"x\ny\n"),
    Case("jobs have no stdin beside a file", "-j1 -a f 'echo {}; cat'", b"x\ny\n", files=F12),
    Case("no input with -r", "-r echo x"),
    Case("one empty line with -r", "--no-run-if-empty echo x", b"\n"),
    Case("blank lines with -r", "-r echo 'x{}x'", b"a\n  \n\t\nb\n"),
    Case("empty arguments with -r", "-r echo x ::: '' a ' '"),
    Case("empty argument", "echo x ::: ''"),
    Case("--arg-sep", "--arg-sep ,, echo ::: ,, a b"),
    Case("--arg-sep linked", "--arg-sep ,, echo ,, a b ,,+ 1 2"),
    Case("--arg-file-sep", "--arg-file-sep // echo // f", files=F12),
    Case("options end at the command", "echo -j1 {} ::: a -k"),
    Case("--shuf", "--shuf echo", LINES, ordered=False),
    Case("-E", "-E 3 echo", LINES),
    Case("-e and --eof", "-e3 echo ::: 1 2 3 4", before=("--eof=3 echo ::: 1",)),
    Case("-E ends each source", "-E 2 echo ::: 1 2 3 ::: a b"),
]

SEPARATORS = [
    Case("-0", "-0 echo 'x{}x'", b"a\tb\0new\nline\0\0x\0"),
    Case("-0 with a last newline", "-0 echo", b"a\0b\n"),
    Case("--null from a file", "--null -a f echo", files={"f": b"a\nb\0c\0"}),
    Case("-d", "-d _ echo", b"a_b_c"),
    Case("-d keeps the newline", "-d _ echo", b"a_b\n"),
    Case("-d TAB", r"-d '\t' echo", b"a\tb\tc"),
    Case("-d octal", r"-d '\072' echo", b"a:b"),
    Case("--delimiter newline", r"--delimiter '\n' echo", b"a\nb\n"),
    Case("--colsep", "--colsep , echo {2} {1}", b"a,b\nc,d\n"),
    Case("--colsep, braces are all columns", "--colsep , 'echo {} x{}'", b"a,b\nc\n"),
    Case("--colsep, columns beyond", "--colsep , 'echo {1}-{2}-{3}'", b"a,b\nc\n\n"),
    Case("--colsep, empty columns", "--colsep , 'printf \"<%s>\" {1} {2} {3} {4} {5}'", b"a,,c,\n"),
    Case("--colsep of a regular expression", "--colsep '[0-9]+' echo {3} {2} {1}", b"a1b22c\n"),
    Case("-C bar", r"-C '\|' echo {2} {1}", b"a|b\n"),
    Case("-C alternatives", "-C '[,;]' echo {3} {2} {1}", b"a,b;c\n"),
    Case("--colsep of two sources", "--colsep : echo {1}-{2}-{3} ::: a:b c:d ::: x:y"),
    Case("--colsep trims", "--colsep , 'printf \"<%s>\" {1} {2} {}'", b" a , b \n"),
    Case("--colsep and --trim n", "--colsep , --trim n 'printf \"<%s>\" {1} {2}'", b" a , b \n"),
    *(
        Case(f"--trim {how}", f"--trim {how} 'printf \"<%s>\" {{}}'", b" \ta  b \t\n")
        for how in ("n", "l", "r", "lr", "rl")
    ),
    Case("--trim of arguments", "--trim lr 'printf \"<%s>\" {.} {}' ::: ' x.y ' '\tz\t'"),
    Case("--header : with columns", "--colsep , --header : echo {n} {v} {n.} {n/} {n//} {n/.}", TABLE),
    Case("--header : by number", "--colsep , --header : echo {2} {1/}", TABLE),
    Case("--header : splits at TAB", "--header : echo {b} {a}", b"a\tb\n1\t2\n"),
    Case("--header : linked", "--header : echo {x} {y} ::: x 1 2 :::+ y 3 4"),
    Case("--header : --link", "--header : --link echo {x} {y} ::: x 1 2 ::: y 3"),
    Case("--header : unknown name", "--header : echo {z} ::: x 1 2"),
    Case("--header : in --tagstring", "--header : --tagstring '{x}' echo {x/} ::: x a/b c"),
    Case("--header takes one line", "--header 1 echo {h1}", b"h1\na\n"),
    Case("--header 0 names files", "--header 0 echo {g} {f} :::: f g", files=F12),
]

PLACEHOLDERS = [
    Case("braces", "echo {} {} ::: a b"),
    Case("within a word", "echo a{}b{}c ::: 1 'x y'"),
    Case("paths", f"echo x{{.}}x y{{/}}y z{{//}}z v{{/.}}v ::: {PATHS} / //a"),
    Case("by number", "echo {2}-{1}-{2} ::: a b ::: 1 2"),
    Case(
        "by number with forms", "echo {1.} {1/} {1//} {1/.} {2.} {2/} {2//} {2/.} {-1} {-2/.} ::: d/a.x ::: e.f/b.y"
    ),
    Case("all forms of all sources", "echo {.} {/} {//} {/.} ::: d/a.x ::: e/b.y"),
    Case("sequence number in words", "echo {#}.{}.{#} ::: a b"),
    Case("slot alone", "-j1 echo {%} ::: a b"),
    Case("slots of two", "-j2 'echo {%}; sleep 0.2; true {}' ::: a b", ordered=False),
    Case("variables of a job", "-j1 'echo $PARALLEL_SEQ $PARALLEL_JOBSLOT' ::: a b"),
    Case("what is none is text", "echo {a} '{ }' {,} {} ::: x"),
    Case("braces of the shell", "'echo {a,b}{}; for i in 1 2; do echo $i; done' ::: x"),
    Case("-I", "-I ,, echo ,, {} x,,x ::: a b"),
    Case("-I leaves the others", "-I ,, echo ,, {.} {#} ::: a.b"),
    Case("--replace", "--replace=X echo X {} ::: a b"),
    Case("--er", "--er ,, echo ,, {.} ::: a.b"),
    Case("--bnr --dnr --bner", "--bnr ,, --dnr // --bner .. echo ,, // .. ::: d/a.b"),
    Case("--seqreplace --slotreplace", "--seqreplace ,, --slotreplace // -j1 echo ,, // ::: a b"),
    Case("--plus", "--plus 'echo {+/} {+.} {..} {...} {+..} {+...} {/..} {/...} {##}' ::: d/a.b.c.d e f/g.h"),
    Case("--plus numbers with zeros", "--plus echo {0#} {} ::: a b c d e f g h i j"),
]

QUOTING = [
    Case("hard arguments, dry run", f"--dry-run echo {{}} ::: {HARD}"),
    Case("hard arguments one by one", f'\'set -- {{}}; echo $#; printf "%s|" "$@"\' ::: {HARD}'),
    Case("hard arguments, many in one job", f"-j1 -X printf '\"<%s>\"' ::: {HARD}"),
    Case("newlines through -0", "-0 'printf \"<%s>\"'", b"a\nb\0\n\0 \n c\0"),
    Case("bytes that are no text", "-0 printf %s", b"\xff\xfe\0\x80a\0"),
    Case("template is read by a shell", "echo $HOME '\"a  b\"' '*' '|' tr a-z A-Z '#' ::: x", env={"HOME": "/h"}),
    Case("variable set from an argument", "'X={}; echo \"$X\"' ::: 'a  b' '$y'"),
    Case("several commands", "'echo {}; echo {.} | cat && false || echo {#}' ::: 'a;b.c'"),
    Case("redirection", "echo {} '>' {.}.out ::: a.x 'b c.y'"),
    Case("spaces in words of the template", "echo '  {}  ' x '' ::: a"),
    Case("the command is an argument", "{} ::: 'echo a  b' 'exit 2' 'echo {}'"),
    Case("shell as the command", "sh -c {} ::: 'echo a  b; echo c' 'exit 3'"),
    Case("bash is the shell", "'[[ {} == a* ]] && echo ${BASH_VERSION:+bash}' ::: abc"),
    Case("exported function", "fun ::: a", env={"BASH_FUNC_fun%%": '() {  echo "fun $1"\n}'}),
    Case("--quote", "--quote echo '$HOME  {}' \"it's\" '*' ';' '>' ::: a 'b  c'"),
    Case("--quote of a program text", "--quote perl -e 'print \"x $ARGV[0] y\\n\"' ::: 'a b' '$c'"),
    Case("--quote quotes each word", "--quote 'echo a' ::: b"),
    Case("--quote, dry run", "--quote --dry-run echo '$x  y' {} 'z{}' '' ::: 'a b'"),
]

GROUPS = [
    Case("--max-args", "--max-args 2 echo ::: 1 2 3"),
    Case("-n in words", "-n2 echo a{}b", LINES),
    Case("-n by number", "-n2 'echo {2}-{1}'", LINES),
    Case("-n0", "-n0 echo x ::: 1 2 3"),
    Case("-N with braces", "-N2 echo {} x {}", LINES),
    Case("-N repeats words", "-N2 echo a{}b {1} {2}x{-1}", LINES),
    Case("-N of products", "-N2 echo ::: 1 2 3 ::: a b"),
    Case("-N0", "-N0 echo x {} ::: 1 2"),
    Case("--max-replace-args", "--max-replace-args 2 echo {2}", LINES),
    Case("-X repeats words", "-j1 -X echo pre-{}-{.}-post {} {/} {#} ::: a.x b.y"),
    Case("-X spreads over slots", "-j2 -X echo", LINES),
    Case("-X spreads over three slots", "-j3 -X echo ::: 1 2 3 4 5 6 7"),
    Case("-X with -n", "-j1 -X -n2 echo a{}b", LINES),
    Case("-m on one slot", "-j1 -m echo a{}b {} pre-{}-{.}-post ::: 1.x 2 3"),
    Case("-m spreads over slots", "-j2 -m echo", LINES),
    Case("--xargs does not spread", "-j2 --xargs echo", LINES),
    Case("--xargs of many", "-j1 --xargs 'echo {} | wc -w'", b"".join(b"%d\n" % n for n in range(3000))),
    Case("-s with -X", "-j1 -s 20 -X echo", b"".join(b"%d\n" % n for n in range(1, 21))),
    Case("-s with --xargs", "-j2 --max-chars 20 --xargs echo", b"".join(b"%d\n" % n for n in range(1, 21))),
    Case("-s with -n", "-j1 -s 20 -n 4 echo", b"".join(b"%d\n" % n for n in range(8, 21))),
    Case("-L joins lines that end in a blank", "-L1 echo", b"a b \nc d\ne f\n"),
    Case("-L repeats words", "-L2 'echo a{}b {1}+{2}'", LINES),
    Case("-l", "-l2 echo", LINES),
    Case("--tag of groups", "--tag -n2 echo ::: a b c"),
]
