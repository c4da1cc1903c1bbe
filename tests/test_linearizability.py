"""The checker of histories (:mod:`tests.torture.linearizability`): what it must accept and find."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from tests.support.histories import explained, simulated
from tests.torture import linearizability
from tests.torture.linearizability import Search
from tests.torture.one_secret import Answer, Asked, Operation

ABSENT, REFUSED, BUSY = Answer("absent"), Answer("refused"), Answer("busy")
READ, DELETE = Asked("read"), Asked("delete")


def at(invoked: int, returned: int, asked: Asked, answer: Answer | None) -> Operation:
    """Somebody's operation between two moments."""
    return Operation("somebody", "db", asked, answer, invoked, returned)


def put(value: str, **condition: str | int | bool) -> Asked:
    """A PUT."""
    return Asked("set", value, **condition)  # type: ignore[arg-type]


def label(text: str, tag: str) -> Asked:
    """A PATCH of the labels alone, with If-Match."""
    return Asked("patch", label=text, if_tag=tag)


def wrote(version: int, tag: str = "", text: str = "", *, created: bool | None = None) -> Answer:
    """What a write is told."""
    return Answer("done", version, label=text, tag=tag or f"t{version}", created=created)


def saw(version: int, value: str, tag: str = "", text: str = "") -> Answer:
    """What a reader is told."""
    return Answer("done", version, value, text, tag or f"t{version}")


GONE = Answer("done")  # what a DELETE is told
LOST = None  # the connection broke

LINEARIZABLE = {
    "one after the other": [
        at(0, 1, READ, ABSENT),
        at(2, 3, put("a"), wrote(1, created=True)),
        at(4, 5, READ, saw(1, "a")),
        at(6, 7, put("b", if_tag="t1"), wrote(2, created=False)),
        at(8, 9, put("c", if_tag="t1"), REFUSED),
        at(10, 11, label("x", "t2"), wrote(2, "t2x", "x")),
        at(12, 13, put("d", if_version=2), Answer("done", 3, label="x")),
        at(14, 15, READ, saw(3, "d", text="x")),
        at(16, 17, DELETE, GONE),
        at(18, 19, DELETE, ABSENT),
        at(20, 21, put("e", only_new=True), wrote(4, created=True)),
        at(22, 23, READ, saw(4, "e")),
    ],
    "reads beside a write see what was before or after": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 9, put("b"), wrote(2)),
        at(3, 4, READ, saw(1, "a")),
        at(5, 6, READ, saw(2, "b")),
    ],
    "of two at once one wins": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 8, put("b", if_tag="t1"), wrote(2)),
        at(2, 8, put("c", if_tag="t1"), REFUSED),
    ],
    "the later request may come first": [
        at(0, 9, put("a"), wrote(2, created=False)),
        at(1, 8, put("b"), wrote(1, created=True)),
        at(10, 11, READ, saw(2, "a")),
    ],
    "moments that are equal may be either way round": [
        at(0, 5, put("a"), wrote(1)),
        at(5, 6, READ, ABSENT),
    ],
    "an unanswered write that never took effect": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 3, put("b"), LOST),
        at(4, 5, READ, saw(1, "a")),
        at(6, 7, put("c"), wrote(2)),
    ],
    "an unanswered write that took effect late": [
        at(0, 1, put("a"), LOST),
        at(2, 3, READ, ABSENT),
        at(4, 5, put("b"), wrote(1)),
        at(6, 7, READ, saw(1, "b")),
        at(8, 9, READ, saw(2, "a")),
    ],
    "an unanswered write that nobody ever saw": [
        at(0, 1, put("a"), LOST),
        at(2, 3, put("b"), wrote(2, created=False)),
    ],
    "a write that was not carried out, as it was told": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 3, put("b"), BUSY),
        at(4, 5, READ, saw(1, "a")),
        at(6, 7, put("c", if_tag="t1"), wrote(2)),
    ],
    "an unanswered deletion": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 3, DELETE, LOST),
        at(4, 5, READ, saw(1, "a")),
        at(6, 7, READ, ABSENT),
    ],
    "unanswered: a deletion, and then a write": [
        at(0, 1, put("a", if_version=0), wrote(1)),
        at(2, 3, put("b", only_new=True), LOST),
        at(4, 5, DELETE, LOST),
        at(6, 7, READ, saw(2, "b")),
    ],
}

IMPOSSIBLE = {
    "a stale read": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 3, put("b"), wrote(2)),
        at(4, 5, READ, saw(1, "a")),
    ],
    "a read that goes back, beside the write": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 9, put("b"), wrote(2)),
        at(3, 4, READ, saw(2, "b")),
        at(5, 6, READ, saw(1, "a")),
    ],
    "a lost update": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 8, put("b"), wrote(2, "one")),
        at(2, 8, put("c"), wrote(2, "other")),
    ],
    "a lost update of the labels": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 8, label("x", "t1"), wrote(1, "one", "x")),
        at(2, 8, label("y", "t1"), wrote(1, "other", "y")),
    ],
    "two successes of one If-Match": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 8, put("b", if_tag="t1"), wrote(2)),
        at(2, 8, put("c", if_tag="t1"), wrote(3)),
    ],
    "two successes of one if_version": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 8, put("b", if_version=1), Answer("done", 2)),
        at(2, 8, put("c", if_version=1), Answer("done", 3)),
    ],
    "two successes of one deletion": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 8, DELETE, GONE),
        at(2, 8, DELETE, GONE),
    ],
    "two successes of create only": [
        at(0, 8, put("a", only_new=True), wrote(1)),
        at(0, 8, put("b", only_new=True), wrote(2)),
    ],
    "a refusal though the condition held": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 3, put("b", if_tag="t1"), REFUSED),
    ],
    "a value from the future": [
        at(0, 1, READ, saw(1, "a")),
        at(2, 3, put("a"), wrote(1)),
    ],
    "an unanswered write that was seen before it was sent": [
        at(0, 1, READ, saw(1, "a")),
        at(2, 3, put("a"), LOST),
    ],
    "a value that nobody wrote": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 3, READ, saw(1, "b")),
    ],
    "a deleted value that is back": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 3, DELETE, GONE),
        at(4, 5, READ, saw(1, "a")),
    ],
    "absent though nobody deleted it": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 3, READ, ABSENT),
    ],
    "created though it was there": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 3, put("b"), wrote(2, created=True)),
    ],
    "numbers that begin anew": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 3, DELETE, GONE),
        at(4, 5, put("b"), wrote(1)),
    ],
    "labels that outlive a deletion": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 3, label("x", "t1"), wrote(1, "t1x", "x")),
        at(4, 5, DELETE, GONE),
        at(6, 7, put("b"), wrote(2, text="x")),
    ],
    "a write that was carried out, though it was told that it was not": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 3, put("b"), BUSY),
        at(4, 5, READ, saw(2, "b")),
    ],
    "a deletion that took effect twice": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 3, READ, saw(1, "a")),
        at(4, 5, DELETE, GONE),
        at(6, 7, put("b"), wrote(2)),
        at(8, 9, READ, ABSENT),
    ],
    "an unanswered write that took effect twice": [
        at(0, 1, put("a"), LOST),
        at(2, 3, READ, saw(1, "a")),
        at(4, 5, put("b"), wrote(2)),
        at(6, 7, READ, saw(3, "a")),
    ],
    "an unanswered write against its condition": [
        at(0, 1, put("a"), wrote(1)),
        at(2, 3, put("b"), wrote(2)),
        at(4, 5, put("c", if_tag="t1"), LOST),
        at(6, 7, READ, saw(3, "c")),
    ],
    "one unanswered write for two versions": [
        at(0, 1, put("a"), LOST),
        at(2, 3, put("b"), wrote(3)),
    ],
    "a tag of two states": [
        at(0, 1, put("a"), wrote(1, "same")),
        at(2, 3, put("b"), wrote(2, "same")),
    ],
    "two tags of one state": [
        at(0, 1, put("a"), wrote(1, "one")),
        at(2, 3, READ, saw(1, "a", "other")),
    ],
}


@pytest.mark.parametrize("name", LINEARIZABLE)
def test_one_order_explains_what_may_happen(name: str) -> None:
    """What may happen is no fault, however odd it looks."""
    assert linearizability.faults(LINEARIZABLE[name]) == []


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_no_order_explains_what_may_not_happen(name: str) -> None:
    """Each is found, whatever happens to another secret at the same time; and it is named."""
    other = [replace(one, secret="other") for one in LINEARIZABLE["one after the other"]]
    (fault,) = linearizability.faults([*other, *IMPOSSIBLE[name]])
    assert fault.startswith("db: ")


def test_a_search_that_takes_too_long_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a fault that says so."""
    monkeypatch.setattr(linearizability, "MOST_CONFIGURATIONS", 1)
    (fault,) = linearizability.faults(LINEARIZABLE["the later request may come first"])
    assert fault.startswith("db: gave up")


# --- histories of a simulated service -----------------------------------------------------------


def test_the_search_agrees_with_trying_every_order() -> None:
    """On short histories, as they were and with one answer exchanged for another's."""
    rng, verdicts = random.Random(1), Counter[bool]()
    for _ in range(1500):
        history = simulated(rng, rng.randint(2, 5), 3, 0.3)
        if rng.random() < 0.9:
            one, other = rng.choice(history), rng.choice(history)
            place = history.index(one)
            history[place] = replace(one, answer=other.answer)
        verdict = explained(history)
        assert (Search(history).run() == "") is verdict, history
        verdicts[verdict] += 1
    assert min(verdicts[True], verdicts[False]) > 300


def test_a_long_history_is_explained_and_one_wrong_answer_in_it_found() -> None:
    """With dozens of operations that got no answer."""
    history = simulated(random.Random(2), 5_000, 5, 0.01)
    assert sum(one.answer is None for one in history) > 40
    assert linearizability.faults(history) == []
    reads = [i for i, one in enumerate(history) if one.answer and one.answer.value]
    wrong = replace(history[reads[-1]], answer=history[reads[-50]].answer)
    history[reads[-1]] = wrong
    assert len(linearizability.faults(history)) == 1
