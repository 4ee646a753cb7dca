"""bash itself reads what was quoted for it."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

from parallel_runner.workflows.template import Template, compile_template

PLACES = (
    b"printf '%s\\0' {} 'a{}b' \"c{}d\" $'e{}f' x{}y;",
    b'printf \'%s\\0\' "$(printf %s {}x)" "$(printf %s "p{}")"; # {}\n',
)
HARD = [
    b"$(touch pwned)",
    b"`touch pwned`",
    b"'; touch pwned; '",
    b'"; touch pwned; "',
    b"\\",
    b"a\nb",
    b"!x",
    b"\xff\xfe",
]
HARD += [b"\ntouch pwned\n", b"${HOME}", b"$'x'", b"\\'", b'\\"', b"*", b"~", b" ", b"-n", b"%s", b"a\\\nb"]


def test_nothing_is_executed_and_every_byte_arrives(tmp_path: Path) -> None:
    chance = random.Random(1)
    alphabet = b"$`'\"\\ \n\t;&|<>(){}[]*?~#!=%a0\xe9"
    values = HARD + [bytes(chance.choices(alphabet, k=chance.randint(1, 8))) for _ in range(300)]
    for place in PLACES:
        make = compile_template(Template((place,)), 1)
        script = b"\n".join(make([value], 1).command for value in values)
        done = subprocess.run(["bash", "-c", script], capture_output=True, cwd=tmp_path, check=True, timeout=60)
        got = done.stdout.split(b"\0")[:-1]
        if place is PLACES[0]:
            wanted = [
                one
                for value in values
                for one in (value, b"a%bb" % value, b"c%bd" % value, b"e%bf" % value, b"x%by" % value)
            ]
        else:
            # A command substitution drops newlines at its end.
            wanted = [one for value in values for one in (value + b"x", (b"p" + value).rstrip(b"\n"))]
        assert got == wanted
    assert os.listdir(tmp_path) == []
