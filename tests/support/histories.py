"""Histories of a service that is only simulated, and their verdict by trying every order."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, permutations

from tests.torture.one_secret import Answer, Asked, Operation, State, after, tags_of

_ANY = "any"  # condition: which one is chosen when the operation happens


def simulated(rng: random.Random, length: int, clients: int, lost: float) -> list[Operation]:
    """What clients are told by a service that does one thing after the other.

    Each operation happens at some moment between its two; some of them get no answer, and of these
    some happen much later, or never.
    """
    drawn = [_drawn(rng, i, clients, lost) for i in range(length)]
    state, tags, shown = State(), dict[str, tuple[int, str]](), list[str]()
    history = []
    for _, one in sorted(drawn, key=lambda pair: pair[0]):
        asked = one.asked
        if asked.if_tag is not None:
            asked = replace(asked, if_tag=rng.choice(shown[-2:]) if shown else "none yet")
        if asked.if_version is not None:
            asked = replace(asked, if_version=state.version * state.live + rng.choice((0, 0, 1)))
        state, answer = _answered(state, asked, tags)
        if one.answer is not None and answer.tag is not None:
            shown.append(answer.tag)  # nobody insists on a tag that nobody was told
        history.append(replace(one, asked=asked, answer=answer if one.answer else None))
    return history


def _drawn(rng: random.Random, number: int, clients: int, lost: float) -> tuple[int, Operation]:
    """When it happens, and the operation with any answer."""
    text = f"v{number}"
    asked = rng.choice(
        [
            *(Asked("read"), Asked("read"), Asked("delete"), Asked("delete", if_tag=_ANY)),
            *(
                Asked("set", text),
                Asked("set", text, if_tag=_ANY),
                Asked("set", text, if_version=0),
            ),
            *(Asked("set", text, only_new=True), Asked("patch", text)),
            *(Asked("patch", text, if_tag=_ANY), Asked("patch", label=text, if_tag=_ANY)),
        ]
    )
    invoked = 10 * number
    returned = invoked + 1 + rng.randrange(20 * clients)
    if rng.random() < lost:
        late = invoked + rng.randrange(200 * clients)
        return late, Operation("somebody", "db", asked, None, invoked, returned)
    moment = rng.randint(invoked, returned)
    return moment, Operation("somebody", "db", asked, Answer("done"), invoked, returned)


def _answered(state: State, asked: Asked, tags: dict[str, tuple[int, str]]) -> tuple[State, Answer]:
    """What it does, and answers."""
    for answer in (Answer("absent"), Answer("refused")):
        if after(state, asked, answer, tags) is not None:
            return state, answer
    left = state if asked.verb == "read" else after(state, asked, None, tags)
    assert left is not None
    if asked.verb == "delete":
        return left, Answer("done")
    tag = f"t{left.version}{left.label}"
    tags[tag] = (left.version, left.label)
    value = left.value if asked.verb == "read" else None
    created = not state.live if asked.verb == "set" else None
    return left, Answer("done", left.version, value, left.label, tag, created)


def explained(history: Sequence[Operation]) -> bool:
    """The same verdict, from the definition: try every order."""
    contents, wrong = tags_of(history)
    return not wrong and any(_happens(order, contents) for order in _orders(history))


def _orders(history: Sequence[Operation]) -> Iterator[Sequence[Operation]]:
    """All orders of what was answered and any of the rest, where what ended before another began
    comes before it."""
    unanswered = [one for one in history if one.answer is None]
    for count in range(len(unanswered) + 1):
        for left_out in combinations(unanswered, count):
            for order in permutations([one for one in history if one not in left_out]):
                if not any(
                    later.answer is not None and later.returned < one.invoked
                    for place, one in enumerate(order)
                    for later in order[place + 1 :]
                ):
                    yield order


def _happens(order: Sequence[Operation], contents: dict[str, tuple[int, str]]) -> bool:
    state = State()
    for one in order:
        left = after(state, one.asked, one.answer, contents)
        if left is None and one.answer is not None:
            return False
        state = left or state
    return True
