"""Jobs of one template, made of rows of values as they come. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Protocol

import msgspec

from parallel_runner.model.job import JobSpec, job_key
from parallel_runner.tools.bash import BashPayload
from parallel_runner.workflows.grouping import Grouper, Grouping
from parallel_runner.workflows.placeholders import Reader, Renames
from parallel_runner.workflows.rows import Row, RowReader, Unique
from parallel_runner.workflows.template import Maker, Template, as_text, compile_template

_encode = msgspec.msgpack.Encoder().encode
_CHUNK = 1000


class SpecSource(Protocol):
    """Makes jobs of the records of an input."""

    def records(self, records: Sequence[bytes]) -> list[JobSpec]:
        """The jobs that some more records complete."""
        ...

    def end(self) -> list[JobSpec]:
        """The jobs that the end of the input completes."""
        ...


@dataclass(frozen=True)
class Recipe:
    """How rows become jobs."""

    template: Template
    digest: bytes
    """Of the terms that the jobs have."""
    sources: int | None = 1
    """Values in a row; None: it varies."""
    grouping: Grouping | None = None
    no_values: bool = False
    """`-N0`: one job for each row, with nothing of it."""
    unique: bool = False
    wanted: Callable[[Row], bool] | None = None
    """`--filter`."""
    keep_values: bool = False
    """The jobs carry their values, for tags, results and the like."""
    plus: bool = False
    renames: Renames = ()
    names: tuple[bytes, ...] = ()

    def reader(self, names: Sequence[bytes]) -> Reader:
        """Knows the placeholders when the columns have these names."""
        return Reader(names, renames=self.renames, plus=self.plus)


@dataclass
class JobMaker:
    """Makes jobs; place and names of columns are counted and kept here."""

    recipe: Recipe
    rows_of: RowReader
    _seq: int = 0
    _make: Maker | None = None
    _prefix: bytes = b""
    _unique: Unique = field(default_factory=Unique)
    _grouper: Grouper | None = None

    def __post_init__(self) -> None:
        template = self.recipe.template
        flags = b"%d%d" % (template.repeat, template.whole_words)
        # No flags where none is set: keys of batches from before there were any stay what they are.
        extra = [] if flags == b"00" else [flags]
        self._prefix = b"\0".join([template.shell.encode(), *template.words, *extra]) + b"\0\0"
        if template.words and not self.rows_of.named_later:
            self._compile()

    def _compile(self) -> Maker:
        recipe = self.recipe
        names = recipe.names or tuple(self.rows_of.names)
        template = replace(recipe.template, reader=recipe.reader(names))
        grouped = recipe.grouping is not None or recipe.no_values
        make = compile_template(template, None if grouped else recipe.sources)
        if recipe.grouping is not None:
            self._grouper = Grouper(recipe.grouping, lambda rows: len(as_text(make(tuple(chain(*rows)), 1))))
        self._make = make
        return make

    def records(self, records: Sequence[bytes]) -> list[JobSpec]:
        """The jobs that some more records complete; without a template each record is a command line."""
        if not self.recipe.template.words and self.rows_of.plain and not self.recipe.unique:
            return self._lines(records)
        return self.rows(self.rows_of.take(records))

    def rows(self, rows: Iterable[Row]) -> list[JobSpec]:
        """The jobs that some more rows complete."""
        recipe = self.recipe
        if recipe.unique:
            rows = filter(self._unique, rows)
        if recipe.wanted is not None:
            rows = filter(recipe.wanted, rows)
        if not recipe.template.words:
            return self._lines([b" ".join(row) for row in rows])
        make = self._make or self._compile()
        if recipe.no_values:
            rows = (() for _ in rows)
        elif self._grouper is not None:
            rows = self._grouper.take(rows)
        return [self._spec(make, row) for row in rows]

    def end(self) -> list[JobSpec]:
        """The jobs that the end of the input completes."""
        specs = self.rows(self.rows_of.end())
        if self._grouper is not None and self._make is not None:
            specs += [self._spec(self._make, row) for row in self._grouper.end()]
        return specs

    def jobs(self, rows: Iterable[Row]) -> Iterator[JobSpec]:
        """All jobs of all rows."""
        left = iter(rows)
        while chunk := list(islice(left, _CHUNK)):
            yield from self.rows(chunk)
        yield from self.end()

    def _spec(self, make: Maker, row: Row) -> JobSpec:
        self._seq += 1
        payload = make(row, self._seq)
        if self.recipe.keep_values:
            payload = msgspec.structs.replace(payload, values=row)
        key = job_key(self.recipe.digest, self._prefix + b"\0".join(row))
        return JobSpec(payload=_encode(payload), key=key)

    def _lines(self, lines: Sequence[bytes]) -> list[JobSpec]:
        digest, prefix, template = self.recipe.digest, self._prefix, self.recipe.template
        sh, keep = template.shell == "sh", self.recipe.keep_values
        specs = []
        for line in lines:
            if not line or line.isspace():
                continue
            payload = BashPayload(command=line, shell="sh") if sh else BashPayload(command=line)
            if keep:
                payload = msgspec.structs.replace(payload, values=(line,))
            specs.append(JobSpec(payload=_encode(payload), key=job_key(digest, prefix + line)))
        self._seq += len(specs)
        return specs
