"""More invocations that are compared with GNU parallel: about how jobs run, and those that we answer otherwise."""

from __future__ import annotations

from tests.acceptance.gnu_parallel_cases import HARD, LINES, SIX, Case, Different

EXITS = "'echo {}; exit {}'"
SLEEPS = "'sleep {}; echo {}'"

OUTPUT = [
    Case("--tag", "--tag echo ::: a b ::: 1 2"),
    Case("--tag of hard arguments", "--tag echo ::: \"a'b\" '$x' '' 'a\tb'"),
    Case("--tag on both streams", "--tag 'echo e{} >&2; echo {}' ::: a b", stderr=True),
    Case("--tag of columns", "--tag --colsep , echo {2}", b"a, b\n"),
    Case("--tagstring", "--tagstring 'T-{}-{#}' echo ::: a 'b c'"),
    Case("--tagstring by number", "--tagstring '{2}:{1/.}' echo ::: d/a.x ::: b c"),
    Case("--tagstring with escapes", r"--tagstring 'a\tb' echo ::: a"),
    Case("--tagstring before --tag", "--tagstring X --tag echo ::: a"),
    Case("order of ends", f"-j2 {SLEEPS} ::: 0.6 0.1", ordered=False),
    Case("--keep-order with many", "-j8 'echo {}; echo {} >&2' ::: 1 2 3 4 5 6 7 8 9", stderr=True),
    Case("--line-buffer", "--line-buffer --tag 'echo x{}; echo y' ::: a b"),
    Case("--lb, no order", "--lb -j2 'echo {}; sleep 0.1; echo {}' ::: a b", ordered=False),
    Case("--ungroup", "-u -j1 'printf' ::: a b"),
    Case("--dry-run", "--dry-run echo {} '>' {.}.out ::: 'a b.c' \"it's\""),
    Case("--dry-run of commands", "--dry-run", b"echo a | b\nx y\n"),
    Case("--dry-run -X", "--dry-run -j1 -X echo x{} ::: a 'b c'"),
    Case("--dry-run logs nothing", "--dry-run --joblog jl 'exit 3;' ::: a"),
    Case("--verbose", "--verbose echo ::: 'a b' c", stderr=True),
    Case("-t", "-t -j1 echo ::: 'a b' c", stderr=True),
    *(Case(f"{option} on stdout", f"{option} echo ::: a b") for option in ("--eta --progress", "--bar")),
    Case("--total-jobs", "--total-jobs 5 --bar echo ::: a b"),
    Case("options that change nothing", "--will-cite --gnu --plain --silent echo ::: a"),
]

ENDS = [
    Case("failures are counted", f"{EXITS} ::: 0 1 2 0 9"),
    Case("a hundred", "-j4 false", b"\n" * 100),
    Case("a hundred and one", "-j4 false", b"\n" * 102),
    Case("log of exits", "-j1 --joblog jl 'exit {}' ::: 0 1 2 101 255"),
    Case("log of signals", "-j1 --joblog jl 'kill -{} $$; sleep 1' ::: 9 TERM SEGV HUP"),
    Case("log of a signal to the program", "--joblog jl 'sh -c \"kill -9 \\$\\$; :\"' ::: a"),
    Case("command not found", "-j1 --joblog jl nosuchprogram ::: a b"),
    Case("not executable", "-j1 --joblog jl ./x ::: a", files={"x": b"echo hi\n"}),
    Case("a directory", "-j1 --joblog jl /etc ::: a"),
    Case("log of hard commands", f"-j1 --joblog jl 'echo {{}}; true' ::: {HARD}"),
    Case("log of newlines", "-0 -j1 --joblog jl 'echo {};:'", b"a\nb\0c\0"),
    Case("log in order", "-j2 --joblog jl sleep ::: 0.3 0.1"),
    Case("log out of order", "-j2 --joblog jl sleep ::: 0.5 0.1", ordered=False),
    Case("log is appended to", "-j1 --joblog +jl echo ::: b", before=("--joblog jl echo ::: a",)),
    Case("timeout", f"-j2 --joblog jl --timeout 0.4 {SLEEPS} ::: 0.1 7"),
    Case("timeout keeps what was printed", "--timeout 0.4 'echo {}; sleep {}' ::: 0 7"),
    Case("timeout in percent", f"-j1 --timeout 300% {SLEEPS} ::: 0.2 0.2 9"),
    Case("timeout 0", "--timeout 0 'sleep 0.1; echo' ::: a"),
    Case("retries", "-j1 --joblog jl --retries 3 'echo x{} | tee -a t; [ $(wc -l <t) = 3 ]; exit $?;' ::: a"),
    Case("retries used up", "-j1 --joblog jl --retries 2 'echo x{}; echo x >> t{}; exit 4' ::: a b"),
    Case("retries after a timeout", "-j1 --joblog jl --retries 2 --timeout 0.2 'echo x >> t; sleep 9; true' ::: a"),
    Case("delay auto", "--delay 0.1auto echo ::: a b"),
    *(
        Case(f"halt {how} on {exits}", f"-j1 --joblog jl --halt {how} {EXITS} ::: {exits}")
        for how, exits in [
            ("never", "0 3 1"),
            ("now,fail=1", "0 3 1"),
            ("soon,fail=1", "0 3 1"),
            ("soon,fail=2", "0 3 1 0"),
            ("now,fail=2", "3 0 1 0"),
            ("soon,fail=50%", "0 3 1 0 4 5"),
            ("now,fail=30%", "1 0 0 1 1 1"),
            ("now,success=1", "3 0 1 0"),
            ("soon,success=2", "3 0 1 0 1"),
            ("soon,success=3", "1 0 0 1"),
            ("soon,success=50%", "0 3 1 0 4 5"),
            ("now,done=1", "5 6"),
            ("now,done=2", "3 0 1"),
            ("soon,done=2", "3 4 1"),
            ("now,done=50%", "0 3 1 0 4 5"),
            ("2", "0 3 1"),
            ("-1", "3 0 1"),
            ("50%", "0 3 1 0 4 5"),
        ]
    ),
    Case("halt of a signal", "-j1 --joblog jl --halt now,fail=1 'kill -9 $$; true' ::: a b"),
    Case(
        "halt counts the last attempt", "-j1 --halt now,fail=1 --retries 2 'echo x >> t{}; echo {}; exit 3' ::: a b"
    ),
    Case("halt now ends what runs", "-j2 --joblog jl --halt now,fail=1 'sleep {}; echo {}; exit 3' ::: 0.3 7 8"),
    Case(
        "halt soon waits for what runs",
        "-j2 --joblog jl --halt soon,fail=1 'sleep {}; echo {}; exit 3' ::: 0.2 0.6 0.1",
    ),
    Case("halt on success ends what runs", "-j2 --joblog jl --halt now,success=1 'sleep {}; echo {}' ::: 0.3 7"),
]

RESULTS = [
    Case("results in a directory", "--results r 'echo {}; echo e >&2' ::: a 'b c'"),
    Case("directory of hard names", r"--results r echo ::: a/b 'c\d' '/' 'e	f' '=' é '$x' '*'"),
    Case("directory of newlines", "-0 --results r echo", b"a\nb\0c\0"),
    Case("directory with names", "--header : --results r 'echo {y}{x}' ::: y a ::: x 1 2"),
    Case("directory of columns", "--colsep , --results r echo {1}", b"a,b\nc,d\n"),
    Case("directory of groups", "-n2 --results r echo {1} ::: 1 2 3"),
    Case("directory is not tagged", "--tag --results r echo ::: a"),
    Case("directory for commands", "--results r ::: 'echo a' 'echo b >&2'"),
    Case("file by placeholder", "--results 'o_{}' 'echo {}; echo e >&2' ::: a b"),
    Case("file by number", "--results 'o-{1}/{2}.txt' echo ::: a b ::: c"),
    Case("directory by placeholder", "--results 'r/{/}/' 'echo {}; echo e >&2' ::: d/x e/y"),
    Case("file by name", "--header : --results 'o-{x}' echo ::: x b c"),
    Case("csv", "--results r.csv 'echo {}; echo \"e,f\" >&2; exit 3' ::: 'x y' 'a\"b' c"),
    Case("csv with names", "--header : --results r.csv echo {y} ::: y 1 2 ::: x 'a b'"),
    Case("csv of groups", "-n2 --results r.csv echo ::: 1 2 3"),
    Case("csv of newlines", "-0 --results r.csv echo", b"a\nb\0c\0"),
    Case("csv with a tag", "--tag --results r.csv echo ::: a"),
    Case("tsv", r"--results r.tsv 'printf %s {}; echo x >&2' ::: 'x	y' 'a\"b' c,d"),
    Case("json", "--results r.json 'echo {}; echo \"e\" >&2; exit 3' ::: 'x y' 'a\"b' '\\' 'c\td'"),
    Case("directory and log", "--results r --joblog jl echo ::: a b"),
]

_FAIL_B = "--joblog jl -j1 'echo {}; test {} != b' ::: a b c"
_SECOND = "--joblog jl -j1 'echo {}; ! mkdir d{} 2>&1' ::: a b"
RESUME = [
    Case("resume with more", "--resume --joblog jl -j1 'echo {}; test {} != b' ::: a b c d e", before=(_FAIL_B,)),
    Case("resume-failed", "--resume-failed " + _FAIL_B, before=(_FAIL_B,)),
    Case("resume-failed that succeeds", "--resume-failed " + _SECOND, before=(_SECOND,)),
    Case("resume-failed without a log yet", "--resume-failed " + _FAIL_B),
    Case("resume after a halt", "--resume " + _FAIL_B, before=("--halt now,fail=1 " + _FAIL_B,)),
    Case("resume-failed after a halt", "--resume-failed " + _FAIL_B, before=("--halt now,fail=1 " + _FAIL_B,)),
    Case("resume results", "--resume --results r echo ::: a b", before=("--results r echo ::: a",)),
    Case("resume twice", "--resume " + _FAIL_B + " d e", before=(_FAIL_B, "--resume " + _FAIL_B + " d")),
]

PIPE = [
    Case("pipe", "--pipe cat", LINES),
    Case("pipe nothing", "--pipe 'echo x; cat'"),
    Case("pipe -N", "--pipe -N2 'echo -; cat'", LINES),
    Case("pipe --spreadstdin -n", "--spreadstdin -n2 'echo -; cat'", LINES),
    Case("pipe --block", "--pipe --block 5 'echo -; cat'", b"".join(b"%d\n" % n for n in range(1, 11))),
    Case("pipe --block k", "--pipe --block 1k wc", b"".join(b"%d\n" % n for n in range(1, 1001))),
    Case("pipe a record over the block", "--pipe --block 2 'cat; echo'", b"aaaaaaaaaa\nb\nc\n"),
    Case("pipe without an end of line", "--pipe -N2 'cat; echo .'", b"1\n2\n3"),
    Case("pipe --recend", "--pipe --recend ';' -N1 'cat; echo'", b"a;b;c;"),
    Case("pipe --recend with escapes", r"--pipe --recend '\n\n' -N1 'echo -; cat'", b"1\n2\n\n3\n"),
    Case("pipe --recend nothing", "--pipe --recend '' --block 4 'cat; echo'", SIX),
    Case("pipe --recend and --block", "--pipe --recend ';' --block 4 'cat; echo'", b"a;b;c;d;ee;f"),
    Case("pipe --recstart", "--pipe --recstart '>' -N1 'echo -; cat'", b">a\nx\n>b\ny\n"),
    Case(
        "pipe --recstart and --recend", r"--pipe --recstart '>' --recend '\n' -N1 'echo -; cat'", b">a>\nx\n>b\ny\n"
    ),
    *(
        Case(f"pipe {edges} --block {size}", f"--pipe {edges} --block {size} 'cat; echo \"|\"'", text)
        for edges, text in (
            ("--recend END", b"xENDabSTARTyENDqqSTARTzENDw"),
            ("--recend END --recstart START", b"xENDabSTARTyENDqqSTARTzENDw"),
            ("--recstart ST", b"xENDabSTARTyENDqqSTARTzENDw"),
            ("--recend aba --recstart ab", b"aabaabaabaab"),
            (r"--recend '\n\n'", b"a\n\n\nb\n\nc\n"),
        )
        for size in (2, 5, 7)
    ),
    Case("pipe --regexp --recend", "--pipe --regexp --recend '[0-9]+' -N1 'cat; echo'", b"a1b22c333"),
    Case("pipe --rrs", "--pipe --rrs --recend ';' -N1 'cat; echo'", b"a;b;c;"),
    Case("pipe --remove-rec-sep --recstart", "--pipe --remove-rec-sep --recstart S -N1 'cat; echo'", b"aSbSc"),
    Case("pipe -L and -N", "--pipe -L2 -N2 'echo -; cat'", SIX),
    Case("pipe --header 2", "--pipe --header 2 -N2 'echo -; cat'", b"h\ng\n1\n2\n3\n"),
    Case("pipe with placeholders", "--pipe -N2 'cat; echo x{}x {#}'", SIX),
    Case("pipe --tag", "--pipe -N2 --tag cat", LINES),
    Case("pipe with failures and log", "--pipe -j1 -N2 --joblog jl 'cat; exit {#}'", SIX),
    Case("pipe --dry-run", "--pipe -N2 --dry-run 'cat {}'", LINES),
    Case("pipe --results csv", "--pipe -j1 -N2 --results r.csv cat", LINES),
    Case("pipe --results file", "--pipe -N2 --results 'r{#}' cat", LINES),
    Case("pipe --halt", "--pipe -j1 -N2 --halt now,fail=1 'cat; exit {#}'", SIX),
    Case("pipe --retries", "--pipe -j1 -N2 --retries 2 'cat; echo x >> t{#}; test $(wc -l < t{#}) = 2'", SIX),
    Case("pipe --quote", "--pipe -N2 --quote sh -c 'cat; echo \"*  $0\"'", LINES),
    Case("pipe -r", "--pipe -N1 -r 'echo -; cat'", b"a\n\nb\n"),
    Case("pipe bytes", "--pipe -N1 cat", b"a\0b\xff\n\n\r\nc"),
]

PLACES = [
    *(
        Case(f"-j {jobs}", f"{option} echo ::: a b c")
        for jobs, option in [
            ("0", "-j0"),
            ("100%", "-j 100%"),
            ("--max-procs", "--max-procs 2"),
        ]
    ),
    Case("--jobs 1", "--jobs 1 echo {%} ::: a b"),
    Case("-j of a small share", "-j1% echo {%} ::: a b"),
    Case("-j from a file", "-j n echo {%} ::: a b", files={"n": b"1\n"}),
    Case("--wd", "--wd d 'echo > f{}; basename \"$PWD\"' ::: a", files={"d/": b""}),
    Case("--env", "--env X 'echo $X' ::: a", env={"X": "1 2"}),
    Case("--nice", "--nice 5 'nice;:' ::: a"),
    Case("--load in percent", "--load 100000% echo ::: a"),
    Case("--memfree", "--memfree 1k echo ::: a"),
    Case("--tmpdir", "--tmpdir t echo ::: a", files={"t/": b""}),
]


_OWN_CODES = "our own exit codes are above 101, so that a count of failures cannot be taken for them"
_IN_QUOTES = "an argument within the template's quotes stays one argument; GNU parallel's text breaks the quotes"
_QUOTED = "an argument is never read by the shell, in the name of the command neither; {:raw} says otherwise"
_STDOUT = "standard output carries nothing but what jobs print; -v tells on standard error, as --verbose does"
_CONTENT = "what has ended is known by its content, not by its place in the input"
_NO_TEXT_CSV = "GNU parallel needs a Perl module for it, which is not everywhere"
DIFFERENT = [
    Different(Case("number beyond the sources", "echo {3} ::: a"), "it can only be a mistake", 102, b""),
    Different(Case("argument in the command's name", "{}x y ::: 'echo a'"), _QUOTED, 1, b""),
    Different(Case("argument as the command's name", "{} 'a  b' ::: echo 'echo x'"), _QUOTED, 1, b"a b\n"),
    Different(Case("input file missing", "echo :::: nosuch"), _OWN_CODES, 104, b""),
    Different(Case("-a missing", "-a nosuch echo"), _OWN_CODES, 104, b""),
    Different(Case("unknown option", "--nosuch echo ::: a"), _OWN_CODES, 102, b""),
    Different(Case("bad --trim", "--trim x echo ::: a"), _OWN_CODES, 102, b""),
    Different(Case("bad --halt", "--halt now echo ::: a"), _OWN_CODES, 102, b""),
    Different(Case("bad --timeout", "--timeout x echo ::: a"), _OWN_CODES, 102, b""),
    Different(Case("bad -j", "-j x echo ::: a"), _OWN_CODES, 102, b""),
    Different(Case("line too long", "-s 5 echo ::: 1"), _OWN_CODES, 103, b""),
    Different(Case("log in no directory", "--joblog nosuch/x echo ::: a"), _OWN_CODES, 102, b""),
    Different(
        Case("an empty source among others", "echo x ::: a b ::: "),
        "a job with an empty value that nobody gave, `rm -r {1}/{2}` say, does harm",
        0,
        b"",
    ),
    Different(
        Case(
            "--workdir by placeholder", "--workdir {} 'basename \"$PWD\";:' ::: a b", files={"a/": b"", "b/": b""}
        ),
        "a batch has one directory",
        102,
        b"",
    ),
    Different(
        Case("-j below one", "-j -100 echo {%} ::: a b"),
        "its manual says that 1 is used then; it refuses",
        0,
        b"1\n1\n",
    ),
    Different(
        Case("--filter", "--filter '{1} < {2}' echo ::: 1 2 3 ::: 1 2 3"),
        "a job left out did not fail",
        0,
        b"1 2\n1 3\n2 3\n",
    ),
    Different(
        Case("double quotes", "'echo \"{}\"' ::: 'a  b' '$HOME' 'x\"y'"), _IN_QUOTES, 0, b'a  b\n$HOME\nx"y\n'
    ),
    Different(Case("single quotes", "echo \"'{}'\" ::: 'a  b' \"x'y\""), _IN_QUOTES, 0, b"a  b\nx'y\n"),
    Different(
        Case("dry run makes no results", "--dry-run --results r echo ::: a"),
        "a dry run makes no file",
        0,
        b"echo a\n",
        {},
    ),
    Different(
        Case(
            "resume with other input",
            "--resume --joblog jl -j1 echo ::: x a b",
            before=("--joblog jl -j1 echo ::: a b",),
        ),
        _CONTENT,
        0,
        b"x\n",
    ),
    Different(
        Case("--csv", "--csv 'printf \"<%s>\" {1} {2}'", b'"a ""q"" b",c\n"x\ny",z\n'),
        _NO_TEXT_CSV,
        0,
        b'<a "q" b><c><x\ny><z>',
        always=False,
    ),
    Different(
        Case("--csv --header", "--csv --header : echo {v} {n}", b'n,v\n"a,b",1\n'),
        _NO_TEXT_CSV,
        0,
        b"1 a,b\n",
        always=False,
    ),
    Different(
        Case("newline in an argument", "'printf \"<%s>\"' ::: 'a\nb' c"),
        "an argument is one value; GNU parallel splits it as if it were read from a file",
        0,
        b"<a\nb><c>",
    ),
    Different(Case("--unique", "--unique echo ::: a b a c b"), "GNU parallel has no such option", 0, b"a\nb\nc\n"),
]
