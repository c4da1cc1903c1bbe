"""Whether a program that does one thing after the other could have given these answers.

A history is *linearizable* if each operation can be given one moment between its request and its
answer, so that all of them, in the order of these moments, answer as
:mod:`tests.torture.one_secret` says. An operation whose answer never came may take effect at any
moment after its request, or never. A stale read, a lost update, a compare-and-set that let two
through, a write that came back from the dead: in each of them no such order exists. Nothing has to
be known of how the service works.

The search is Wing and Gong's [1] with what Lowe [2] made of it: go through the history in the order
of time, and place an operation only when its answer comes ("just in time"), trying all orders of
those that are under way; remember each pair of a state and what was placed to reach it (a
:class:`Configuration`), and go no way twice. Each secret is searched alone, because a history is
linearizable if the history of each object is (locality [3]); an operation on two of them would have
no place in it. What is remembered is the frontier alone, a handful of configurations, so a history
may be as long as it likes.

Four rules, none of which loses a solution, keep that handful small, whatever was left unanswered:

* What changes nothing (a read, a refusal) is placed at the first moment where it fits: placed
  later, it would make no other operation possible.
* Versions never go down. So no order goes on beyond the version that the next answer tells.
* Of one version there is one value. So an unanswered write makes no version of which an answer
  told another value.
* Two unanswered writes that ask for the same, but for values that nobody ever read, are one and
  the same: one of them is tried. And of two ways to one state the one that used fewer unanswered
  writes can still do all that the other can.

[1] J. M. Wing, C. Gong: Testing and verifying concurrent objects. J. Parallel and Distributed
Computing 17 (1993).
[2] G. Lowe: Testing for linearizability. Concurrency and Computation: Practice and Experience 29(4)
(2017).
[3] M. P. Herlihy, J. M. Wing: Linearizability: a correctness condition for concurrent objects. ACM
TOPLAS 12(3) (1990).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from tests.torture.one_secret import Asked, Operation, State, after, tags_of

MOST_CONFIGURATIONS = 100_000  # between two answers; beyond, the search gives up and says so
_UNTOLD = "?"  # stands for all values and labels that no answer ever told
_SHOWN = 3


class Undecided(Exception):
    """The search would take too long. Never a pass: the row counts it as a fault."""


class Configuration(NamedTuple):
    """One way in which what was answered so far can have happened."""

    state: State
    ahead: frozenset[int] = frozenset()  # placed, and the answer is still to come
    used: frozenset[int] = frozenset()  # placed, and no answer will ever come


def faults(history: Iterable[Operation]) -> list[str]:
    """For each secret whose history no order explains, where it becomes impossible."""
    found = []
    secrets: dict[str, list[Operation]] = {}
    for operation in history:
        secrets.setdefault(operation.secret, []).append(operation)
    for name, operations in sorted(secrets.items()):
        try:
            fault = Search(operations).run()
        except Undecided as error:
            fault = str(error)
        if fault:
            found.append(f"{name}: {fault}")
    return found


class Search:
    """Over the history of one secret."""

    def __init__(self, history: Iterable[Operation]) -> None:
        self.history = sorted(history, key=lambda one: one.invoked)
        self.tags, self.tag_faults = tags_of(self.history)
        self.under_way: dict[int, Operation] = {}
        self.unanswered: dict[int, Asked] = {}
        self.makes: dict[int, str] = {}  # the value of each version that an answer tells of
        self.told: set[str | None] = set()  # values and labels in answers
        for one in self.history:
            if (told := one.answer) is not None:
                self.told |= {told.value, told.label}
                value = one.asked.value if told.value is None else told.value
                if told.version is not None and value is not None:
                    self.makes.setdefault(told.version, value)

    def run(self) -> str:
        """In words, where the history becomes impossible; empty if it never does.

        Raises Undecided.
        """
        if self.tag_faults:
            return self.tag_faults[0]
        frontier, answered = {Configuration(State())}, 0
        for place, is_answer in self._moments():
            operation = self.history[place]
            if not is_answer:
                self._begin(place, operation)
                continue
            reached = self._place(frontier, place)
            if not reached:
                states = [one.state for one in sorted(frontier)[:_SHOWN]]
                return f"nothing explains {operation}, in {states}, {answered} answers on"
            del self.under_way[place]
            frontier, answered = reached, answered + 1
        return ""

    def _moments(self) -> Iterator[tuple[int, bool]]:
        """Requests and answers in the order of time. Of equal times the request comes first: what
        is not known to be earlier must be allowed to overlap."""
        moments = [(one.invoked, False, place) for place, one in enumerate(self.history)]
        moments += [
            (one.returned, True, place)
            for place, one in enumerate(self.history)
            if one.answer is not None
        ]
        return ((place, is_answer) for _, is_answer, place in sorted(moments))

    def _begin(self, place: int, operation: Operation) -> None:
        if operation.answer is not None:
            self.under_way[place] = operation
        elif operation.changes:
            asked = operation.asked
            self.unanswered[place] = replace(
                asked, value=self._as_told(asked.value), label=self._as_told(asked.label)
            )

    def _as_told(self, text: str | None) -> str | None:
        return text if text is None or text in self.told else _UNTOLD

    def _place(self, frontier: Iterable[Configuration], target: int) -> set[Configuration]:
        """All ways on from *frontier* in which the operation *target* has happened."""
        reached, seen, waiting = set(), set(), list(frontier)
        while waiting:
            here = self._settled(waiting.pop())
            if here in seen:
                continue
            seen.add(here)
            if len(seen) > MOST_CONFIGURATIONS:
                raise Undecided(f"gave up at {self.history[target]}")
            if target in here.ahead:
                reached.add(here._replace(ahead=here.ahead - {target}))
            else:
                waiting += self._next(here, self.history[target])
        return _fewest(reached)

    def _settled(self, here: Configuration) -> Configuration:
        """With all placed that fits here and changes nothing."""
        fitting = [
            place
            for place, one in self.under_way.items()
            if not one.changes
            and place not in here.ahead
            and after(here.state, one.asked, one.answer, self.tags) is not None
        ]
        return here._replace(ahead=here.ahead.union(fitting)) if fitting else here

    def _next(self, here: Configuration, target: Operation) -> Iterator[Configuration]:
        """What may have changed the state next, towards the answer of *target*."""
        last = None if target.answer is None else target.answer.version
        for place, one in self.under_way.items():
            if one.changes and place not in here.ahead:
                state = after(here.state, one.asked, one.answer, self.tags)
                if state is not None and (last is None or state.version <= last):
                    yield Configuration(state, here.ahead | {place}, here.used)
        tried: set[Asked] = set()
        for place, asked in self.unanswered.items():
            if place not in here.used and asked not in tried:
                tried.add(asked)
                state = after(here.state, asked, None, self.tags)
                if state is None or (last is not None and state.version > last):
                    continue
                if asked.value is None or self.makes.get(state.version, state.value) == state.value:
                    yield Configuration(state, here.ahead, here.used | {place})


def _fewest(reached: Iterable[Configuration]) -> set[Configuration]:
    """Without those that used more unanswered writes than another to come to the same."""
    kept: dict[tuple[State, frozenset[int]], list[Configuration]] = {}
    for one in sorted(reached, key=lambda one: len(one.used)):
        rivals = kept.setdefault((one.state, one.ahead), [])
        if not any(rival.used <= one.used for rival in rivals):
            rivals.append(one)
    return {one for rivals in kept.values() for one in rivals}
