"""One secret as a program that does one thing after the other would keep it.

This is the specification that a history of many clients at once is held against (see
:mod:`tests.torture.linearizability`): what each operation answers in which state, and what it
leaves. It is written from the API's documentation, in a page, and shares no code with the service.

An ETag is random, so nobody can say beforehand which one a write will answer. But it names a state:
version and label together never come back, as each value is a new version and each label of a
history is used once. So the tags are read off the answers first, and If-Match compares states.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

Verb = Literal["read", "set", "patch", "delete"]
Status = Literal["done", "absent", "refused", "busy"]
Content = tuple[int, str]  # version and label: what an ETag stands for


class State(NamedTuple):
    """Of one secret. Its version outlives a deletion: a name used again goes on counting."""

    live: bool = False
    version: int = 0
    value: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client wants, and on which condition."""

    verb: Verb
    value: str | None = None
    label: str | None = None
    if_tag: str | None = None  # If-Match
    if_version: int | None = None  # of a batch; 0: there must be none
    only_new: bool = False  # If-None-Match: *, or a POST

    def __str__(self) -> str:
        return _in_short(self)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client was told. None is what this kind of answer does not tell.

    Busy is a promise too: nothing was changed, whatever was asked, in any state.
    """

    status: Status
    version: int | None = None
    value: str | None = None
    label: str | None = None
    tag: str | None = None
    created: bool | None = None

    def __str__(self) -> str:
        return _in_short(self)


@dataclass(frozen=True, slots=True)
class Operation:
    """One request, between two moments of one clock. Without an answer it may have been carried
    out, then or later, or never."""

    client: str
    secret: str
    asked: Asked
    answer: Answer | None
    invoked: int
    returned: int

    @property
    def changes(self) -> bool:
        """Whether a state comes after it that was not there before."""
        if self.asked.verb == "read":
            return False
        return self.answer is None or self.answer.status == "done"

    def __str__(self) -> str:
        return f"{self.client}: {self.asked}, answered {self.answer or 'by nobody'}"


def _in_short(one: Any) -> str:
    """What is said, and nothing of what is not."""
    said = ((part.name, getattr(one, part.name)) for part in fields(one))
    return " ".join(f"{name}={value}" for name, value in said if value not in {None, False})


def tags_of(history: Iterable[Operation]) -> tuple[dict[str, Content], list[str]]:
    """Which state each tag stands for, by the answers that showed both; and what is wrong with
    them: a tag of two states lets a stale If-Match through, two of one state refuse a good one.
    """
    contents: dict[str, Content] = {}
    tags: dict[Content, str] = {}
    faults: list[str] = []
    for one in history:
        told = one.answer
        if told is None or told.tag is None or told.version is None or told.label is None:
            continue
        content = (told.version, told.label)
        if contents.setdefault(told.tag, content) != content:
            faults.append(f"{one}: the tag stands for {contents[told.tag]} too")
        elif tags.setdefault(content, told.tag) != told.tag:
            faults.append(f"{one}: the same state has the tag {tags[content]} too")
    return contents, faults


def after(
    state: State, asked: Asked, answer: Answer | None, tags: Mapping[str, Content]
) -> State | None:
    """The state after an operation that was answered so. None if in *state* it can't have been.

    Without an answer: the state after it was carried out; None if it would have changed nothing.
    """
    if answer is not None and answer.status == "busy":
        return state
    left = _carried_out(state, asked, tags)
    if answer is None:
        return None if isinstance(left, str) else left
    if isinstance(left, str):
        return state if answer.status == left else None
    return left if answer.status == "done" and _is_told(state, left, answer) else None


def _carried_out(
    state: State, asked: Asked, tags: Mapping[str, Content]
) -> State | Literal["absent", "refused"]:
    """What the operation leaves, or why it leaves everything as it is."""
    if not state.live and asked.verb != "set":
        return "absent"
    if asked.verb == "read":
        return state
    if not _is_allowed(state, asked, tags):
        return "refused"
    if asked.verb == "delete":
        return State(version=state.version)
    return State(
        live=True,
        version=state.version + (asked.value is not None),
        value=state.value if asked.value is None else asked.value,
        label=state.label if asked.label is None else asked.label,
    )


def _is_allowed(state: State, asked: Asked, tags: Mapping[str, Content]) -> bool:
    if asked.only_new and state.live:
        return False
    if asked.if_version is not None and asked.if_version != (state.version if state.live else 0):
        return False
    return asked.if_tag is None or (
        state.live and tags.get(asked.if_tag) == (state.version, state.label)
    )


def _is_told(before: State, left: State, answer: Answer) -> bool:
    """Whether everything that the answer tells is so."""
    told = (answer.version, answer.value, answer.label, answer.created)
    true = (left.version, left.value, left.label, not before.live)
    return all(one is None or one == other for one, other in zip(told, true, strict=True))
