"""How examples are read from pages and compared."""

from __future__ import annotations

import pytest

from tests.support.doc_examples import Command, File, LeftOut, agrees, compared, steps_of

PAGE = """Text.

<!-- setup:
mkdir src
touch src/a
-->
<!-- not run: it would take a day -->
```console
$ sleep 1d
```

<!-- file: a.yaml -->
```yaml
jobs: []
```

```console
$ cat <<END
> one
> END
one
> two
$ true
```
"""


def test_steps_of_a_page() -> None:
    assert steps_of(PAGE) == [
        Command(3, "mkdir src\ntouch src/a", None),
        LeftOut(8, "it would take a day"),
        File(13, "a.yaml", "jobs: []\n"),
        Command(18, "cat <<END\none\nEND", ("one", "> two")),
        Command(23, "true", ()),
    ]


def test_a_comment_about_nothing_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="line 2"):
        steps_of("<!-- not run: why -->\ntext\n")


def test_an_example_without_a_command_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="begins with a command"):
        steps_of("```console\nout\n```\n")


@pytest.mark.parametrize(
    ("expected", "output", "same"),
    [
        (["a", "b"], "a\nb\n", True),
        (["a", "b"], "a\nb", True),
        (["a", "b"], "b\na\n", False),
        (["a"], "a\nb\n", False),
        ([], "", True),
        ([], "a\n", False),
        (["a", "…"], "a\n", True),
        (["a", "…", "z"], "a\nb\nc\nz\n", True),
        (["a …c"], "a b c\n", True),
        (["a …c"], "a b\nc\n", False),
        (["b1: 2 succeeded in 0.1 s"], "b1: 2 succeeded in 12.0 s\n", True),
        (["b1: 2 succeeded in 0.1 s"], "b1: 3 succeeded in 0.1 s\n", False),
        (["b1: 2 succeeded in 0.1 s"], "b2: 2 succeeded in 0.1 s\n", False),
        (["at 2026-01-01 10:00:00 b"], "at 2031-11-21 23:59:59 b\n", True),
        (["a.c"], "abc\n", False),
    ],
)
def test_agreement(expected: list[str], output: str, same: bool) -> None:
    assert agrees(expected, output) is same


def test_what_differs_is_told_with_its_line() -> None:
    todo = [Command(3, "echo a", ("b",)), Command(5, "false", None), Command(9, "echo c", ("c",))]
    output = (
        "\n=====example===== 0 0\na\n\n=====example===== 1 0\n\n=====example===== 2 1\nc\n\n=====example===== 3 0\n"
    )
    assert compared(todo, output) == [
        "line 3: $ echo a\n--- the page:\nb\n--- the program:\na\n",
        "line 5: could not be prepared:\n",
    ]
    assert len(compared(todo, "")) == 3
