"""Who waits for whom in a batch file: ids become places; groups, phases and the last jobs become dependencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from parallel_runner.ids import GROUP_BASE
from parallel_runner.model.batch import Group
from parallel_runner.model.job import Need
from parallel_runner.workflows.checking import Checker, Complain, nearest
from parallel_runner.workflows.cycles import find_cycle
from parallel_runner.workflows.entries import Draft

_LONGEST = 200
"""Characters of an id."""
_SUGGESTIONS = 20
"""Unknown ids for which the nearest one is looked for."""


@dataclass
class Graph:
    """Jobs in the order of their places, from 1, and the groups that they form."""

    drafts: Sequence[Draft]
    checker: Checker
    suspects: frozenset[str] = frozenset()
    """Ids as they stand in entries with mistakes, for which alone what they stand for may be missing."""
    groups: list[Group] = field(default_factory=list)
    needs: list[dict[int, Need]] = field(default_factory=list)
    """By job: what it waits for, by place."""

    def __post_init__(self) -> None:
        self._jobs: dict[str, int] = {}
        self._named: dict[str, int] = {}
        """Groups with ids."""
        self._members: dict[int, list[int]] = {}
        self._unknown = 0
        self._suspected = frozenset(one.partition("{")[0] if "{" in one else f"{one}." for one in self.suspects)
        """How ids of jobs begin that such entries may stand for."""

    # -- groups

    def group(self, name: str, kind: str, members: Sequence[int]) -> int:
        """Make a group of some jobs; returns its place."""
        place = GROUP_BASE + len(self.groups)
        self.groups.append(Group(name, kind))  # type: ignore[arg-type]
        self._members[place] = list(members)
        for member in members:
            self.drafts[member - 1].groups.append(place)
        return place

    def named_group(self, name: str, members: Sequence[int]) -> None:
        """Make a group that jobs may wait for by its id."""
        if name in self._named:
            self._complain(members[0], "id", f"the id {name!r} is taken by the jobs on line {self._line(name)}")
            return
        self._named[name] = self.group(name, "foreach", members)

    # -- ids

    def check_ids(self) -> None:
        """Complain about ids that are given twice."""
        for place, draft in enumerate(self.drafts, 1):
            if not draft.name:
                continue
            if draft.name in self._jobs:
                line = self._line(draft.name)
                self._complain(place, "id", f"the id {draft.name!r} is taken by the job on line {line}")
            elif draft.name in self._named and draft.fan_out is None:
                self._complain(place, "id", f"the id {draft.name!r} is taken by the jobs of a foreach")
            else:
                self._jobs[draft.name] = place

    def place_of(self, name: str) -> int | None:
        """The place of a group, or a job, by its id."""
        return self._named.get(name) or self._jobs.get(name)

    def source_of(self, name: str) -> int | None:
        """The place of the single job whose result is read, by its id."""
        return None if name in self._named else self._jobs.get(name)

    def members_of(self, name: str) -> Sequence[int]:
        """The places of the jobs that an id stands for; none for an unknown one."""
        place = self.place_of(name)
        return () if place is None else self._members.get(place, (place,))

    def no_such_job(self, name: str) -> str:
        """What to say of an id that nothing has; nothing where that may follow from another mistake."""
        if name in self.suspects or any(
            name[:end] in self._suspected for end in range(min(len(name), _LONGEST) + 1)
        ):
            return ""
        self._unknown += 1
        hint = nearest(name, (*self._named, *self._jobs)) if self._unknown <= _SUGGESTIONS else ""
        return f"there is no job {name!r}{hint}"

    # -- who waits for whom

    def resolve(self) -> None:
        """Find what each job waits for."""
        for place, draft in enumerate(self.drafts, 1):
            found: dict[int, Need] = {}
            for name, when in draft.needs:
                needed = self.place_of(name)
                if needed is None:
                    key = "foreach" if name == draft.source else "needs"
                    if told := self.no_such_job(name):
                        self._complain(place, key, told)
                else:
                    found[needed] = Need(needed, when)
            self.needs.append(found)

    def wait(self, job: int, group: int) -> None:
        """Let a job wait for the end of a group."""
        self.needs[job - 1].setdefault(group, Need(group, "finished"))

    def check_cycles(self) -> None:
        """Complain about jobs that wait for each other."""
        edges: dict[int, Sequence[int]] = {place: list(found) for place, found in enumerate(self.needs, 1) if found}
        cycle = find_cycle({**edges, **self._members})
        if cycle:
            told = " → ".join(map(self._called, cycle))
            first = next(place for place in cycle if place < GROUP_BASE)
            self._complain(first, "needs", f"jobs wait for each other: {told}")

    def _called(self, place: int) -> str:
        if place < GROUP_BASE:
            draft = self.drafts[place - 1]
            return draft.name or f"the job on line {draft.entry.document.line_of(draft.entry.path)}"
        return self.groups[place - GROUP_BASE].name

    def _line(self, name: str) -> int:
        entry = self.drafts[self.members_of(name)[0] - 1].entry
        return entry.document.line_of((*entry.path, "id"))

    def _complain(self, place: int, key: str, message: str) -> None:
        entry = self.drafts[place - 1].entry
        self.checker.at(entry.document, entry.path)((key,), message)


def finale_of(drafts: Sequence[Draft]) -> tuple[int, int] | None:
    """The first and the last place of the jobs under `finally`, which stand at the end."""
    count = sum(draft.entry.finale for draft in drafts)
    return (len(drafts) - count + 1, len(drafts)) if count else None


def add_phases(graph: Graph, phases: Sequence[Sequence[str]], at: Complain) -> None:
    """Let the jobs of each phase wait for the end of the one before; `at` complains at keys of the whole file."""
    taken: dict[int, int] = {}
    before: int | None = None
    for index, names in enumerate(phases):
        members: list[int] = []
        for name in names:
            places = graph.members_of(name)
            if not places and (told := graph.no_such_job(name)):
                at(("phases", index), told)
            for place in places:
                if graph.drafts[place - 1].entry.finale:
                    at(("phases", index), f"{name!r} stands under `finally`, which is after all phases")
                elif place in taken:
                    at(("phases", index), f"{name!r} is in phase {taken[place]} already")
                else:
                    taken[place] = index + 1
                    members.append(place)
        for place in members if before is not None else ():
            graph.wait(place, before)  # type: ignore[arg-type]
        if members:
            before = graph.group(f"phase {index + 1}", "phase", members)


def add_finale(graph: Graph) -> tuple[int, int] | None:
    """Let the jobs under `finally` wait for all others; returns their first and last place."""
    finale = finale_of(graph.drafts)
    if finale is not None:
        group = graph.group("all jobs before `finally`", "main", range(1, finale[0]))
        for place in range(finale[0], finale[1] + 1):
            graph.wait(place, group)
    return finale
