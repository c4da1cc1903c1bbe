"""What an event says besides who and when: with whom, which versions, from where to where; which of
many names was refused; and in whose trails a grantee's act is."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from models.event_details import FIELDS, LONGEST, from_text, to_text
from models.times import utcnow
from tests.support.api_tokens import Machine, made
from tests.support.chains import faults
from tests.support.damage import plant
from tests.support.people import Person
from tests.support.purging import RETENTION, purge_here
from tests.support.shared import refusal
from tests.test_audit_api import events
from utils.vault import Vault

Introduce = Callable[[str], Person]


def told(vault: Vault, whose: Person, action: str) -> list[tuple[Any, Any, Any]]:
    """Name, problem and detail of each event of this kind, in their order."""
    found = events(vault, whose, action=action)[::-1]
    return [(one["name"], one["problem"], one["detail"]) for one in found]


def write(person: Person, *names: str) -> None:
    """Secrets with these names, or another version of them."""
    for name in names:
        assert person.put(f"/secrets/{name}", json={"secret": "v"}).status_code < 300


# --- details -----------------------------------------------------------------------------------


def test_what_was_done_is_told_with_what_to_whom(vault: Vault, alice: Person, bob: Person) -> None:
    """A share without the name of the other, or a move without where to, would tell half."""
    write(alice, "a", "a", "a")
    grant = {"username": bob.username, "permission": "read"}
    for path, body in (
        ("a:share", grant),
        ("a:share", grant | {"permission": "write"}),
        ("a:unshare", {"username": "bob"}),
        ("a:rollback", {"version": 1}),
        ("a:destroy", {"versions": [1, 3]}),
        ("a:move", {"to": "b"}),
        ("b:destroy", {"all": True}),
    ):
        assert alice.post(f"/secrets/{path}", json=body).status_code < 300
    assert told(vault, alice, "secret.share") == [
        ("a", None, {"grantee": "bob", "permission": "read"}),
        ("a", None, {"grantee": "bob", "permission": "write"}),
    ]
    assert told(vault, alice, "secret.unshare") == [("a", None, {"grantee": "bob"})]
    assert told(vault, alice, "secret.rollback") == [("a", None, {"version": 1})]
    assert told(vault, alice, "secret.destroy") == [
        ("a", None, {"versions": [1, 3]}),
        ("b", None, {"all": True}),
    ]
    moved = {"from": "a", "to": "b"}
    assert told(vault, alice, "secret.move") == [("a", None, moved), ("b", None, moved)]
    assert told(vault, alice, "secret.write")[0] == ("a", None, None)
    assert faults(vault) == {}


def test_a_refusal_tells_what_was_tried(vault: Vault, alice: Person) -> None:
    """But not a name that was typed and is nobody's: it may be anything."""
    write(alice, "a")
    assert alice.post("/secrets/a:rollback", json={"version": 7}).status_code == 404
    assert alice.post("/secrets/a:destroy", json={"versions": [7]}).status_code == 404
    grant = {"username": "my-secret-password", "permission": "read"}
    assert alice.post("/secrets/a:share", json=grant).status_code == 422
    assert told(vault, alice, "secret.rollback") == [("a", "not-found", {"version": 7})]
    assert told(vault, alice, "secret.destroy") == [("a", "not-found", {"versions": [7]})]
    assert told(vault, alice, "secret.share") == [("a", "invalid-fields", None)]


def test_an_import_and_a_dry_run_are_told_apart(vault: Vault, alice: Person) -> None:
    """With each name that was touched, and what became of it, or would have."""
    write(alice, "same", "other")
    for query in ("dry_run=true", "on_conflict=skip"):
        body = {"same": "v", "other": "w", "new": "v"}
        assert alice.post(f"/secrets:import?{query}", json=body).status_code == 200
        vault.audit.flush()
    assert alice.post("/secrets:import", json={"other": "w", "new": "v"}).status_code == 409
    dry = {"on_conflict": "fail", "dry_run": True}
    done = {"on_conflict": "skip", "dry_run": False}
    assert told(vault, alice, "secret.import") == [
        ("new", None, dry | {"result": "created"}),
        ("other", None, dry | {"result": "conflict"}),
        ("same", None, dry | {"result": "unchanged"}),
        ("new", None, done | {"result": "created"}),
        ("other", None, done | {"result": "skipped"}),
        ("same", None, done | {"result": "unchanged"}),
        ("other", "import-conflict", {"on_conflict": "fail", "dry_run": False}),
    ]
    assert faults(vault) == {}


def test_a_purge_is_told_to_whose_secrets_are_gone(
    vault: Vault, alice: Person, bob: Person, person: Introduce
) -> None:
    """How many and why, in the transaction that removes them; to nobody else, and not again."""
    carol = person("carol")
    write(alice, "many", "many", "many", "gone", "left")
    write(bob, "gone", "many", "many")
    write(carol, "many")
    for owner in (alice, bob):
        assert owner.delete("/secrets/gone").status_code == 200
    soon = (utcnow() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert alice.patch("/secrets/left", json={"expires_at": soon}).status_code == 200
    for _ in range(2):
        purge_here(vault, utcnow() + RETENTION + timedelta(days=1), kept=1)
    assert told(vault, alice, "secret.purge") == [
        (None, None, {"reason": "excess", "versions": 2}),
        (None, None, {"reason": "deleted", "secrets": 1}),
        (None, None, {"reason": "expired", "secrets": 1}),
    ]
    assert told(vault, bob, "secret.purge") == [
        (None, None, {"reason": "excess", "versions": 1}),
        (None, None, {"reason": "deleted", "secrets": 1}),
    ]
    (one, *_) = events(vault, bob, action="secret.purge")
    assert (one["via"], one["username"], one["credential_id"]) == ("command", None, None)
    assert told(vault, carol, "secret.purge") == []
    assert faults(vault) == {}


def test_a_purge_that_is_rolled_back_is_not_told(
    vault: Vault, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what cannot be told is not purged: one transaction."""
    write(alice, "a", "a")

    def fail(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr("utils.purge.audit.append", fail)
    with pytest.raises(LookupError):
        purge_here(vault, utcnow(), kept=1)
    monkeypatch.undo()
    assert alice.get("/secrets/a?version=1").status_code == 200


def test_a_detail_is_under_the_mac(vault: Vault, alice: Person, bob: Person) -> None:
    """Who changes with whom it was shared is found; what is no detail of ours is not shown."""
    write(alice, "a")
    grant = {"username": bob.username, "permission": "read"}
    assert alice.post("/secrets/a:share", json=grant).status_code == 201
    vault.audit.flush()
    forged = {"grantee": "carol", "permission": "read"}
    texts: dict[str, Any] = {json.dumps(forged): forged}
    for text in ('{"value":"x"}', '{"grantee":["bob"]}', "[" * 2000, "{}", "7", "{"):
        texts[text] = None
    for text, shown in texts.items():
        plant(vault, "UPDATE audit_events SET detail = ? WHERE action = 'secret.share'", text)
        assert told(vault, alice, "secret.share") == [("a", None, shown)]
        assert len(faults(vault)) == 1, text


@pytest.mark.parametrize(
    ("action", "detail"),
    [
        ("secret.read", {"version": 1}),
        ("secret.rollback", {"version": "1"}),
        ("secret.rollback", {"version": True}),
        ("secret.destroy", {"versions": ["1"]}),
        ("secret.share", {"grantee": "bob", "value": "x"}),
        ("secret.move", {"from": "a" * LONGEST, "to": "b"}),
    ],
)
def test_no_event_says_what_is_not_listed(action: str, detail: dict[str, Any]) -> None:
    """An allow-list with types and a length: a value cannot get in by a mistake."""
    with pytest.raises(ValueError, match="an event"):
        to_text(action, detail)


def test_the_longest_details_fit() -> None:
    """All that the requests allow: 100 numbers of versions, two names."""
    largest: dict[str, dict[str, Any]] = {
        "secret.destroy": {"versions": [2**31 - 1] * 100},
        "secret.move": {"from": "a" * 255, "to": "b" * 255},
    }
    for action, detail in largest.items():
        assert from_text(action, to_text(action, detail)) == detail
    assert set(largest) <= set(FIELDS)


# --- which name --------------------------------------------------------------------------------


def test_the_name_that_was_refused_is_told(vault: Vault, app: Flask, alice: Person) -> None:
    """Of a batch and of a move: not whichever came last."""
    write(alice, "a", "b", "c", "c")
    job = Machine(app, made(alice, scopes=["read", "write"], prefixes=["a", "c"])["token"])
    writes: list[dict[str, Any]] = [{"name": one, "secret": "w"} for one in ("a", "b", "c")]
    assert job.post("/secrets:batchWrite", json={"writes": writes}).status_code == 403
    assert job.post("/secrets:import", json={"a": "v", "b": "v", "c": "v"}).status_code == 403
    assert job.post("/secrets/a:move", json={"to": "b"}).status_code == 403
    assert job.post("/secrets/b:move", json={"to": "a"}).status_code == 403
    assert job.post("/secrets/a:move", json={"to": "c"}).status_code == 409
    assert job.post("/secrets/absent:move", json={"to": "c"}).status_code == 404
    assert alice.post("/secrets", json={"name": "b", "secret": "v"}).status_code == 409
    writes = [one | {"if_version": 1} for one in writes]
    writes += [{"name": "d", "secret": "w", "if_version": 1}, {"name": "e", "secret": "w"}]
    assert alice.post("/secrets:batchWrite", json={"writes": writes}).status_code == 412
    refused = events(vault, alice, outcome="refused")[::-1]
    assert [(one["action"], one["name"], one["problem"]) for one in refused] == [
        ("secret.write", "b", "missing-power"),
        ("secret.import", "b", "missing-power"),
        ("secret.move", "b", "missing-power"),
        ("secret.move", "b", "missing-power"),
        ("secret.move", "c", "already-exists"),
        ("secret.move", "absent", "not-found"),
        ("secret.create", "b", "already-exists"),
        ("secret.write", "c", "precondition-failed"),
        ("secret.write", "d", "precondition-failed"),
    ]


# --- in whose trail ----------------------------------------------------------------------------


def test_what_a_grantee_does_is_told_to_both(vault: Vault, alice: Person, bob: Person) -> None:
    """The owner: who did what with my secret. The grantee: what I did. Refusals too, once it is
    sure that there is something that was shared."""
    write(alice, "a", "b", "c")
    for name, permission in (("a", "write"), ("b", "read")):
        grant = {"username": bob.username, "permission": permission}
        assert alice.post(f"/secrets/{name}:share", json=grant).status_code == 201
    value, stale = {"secret": "w"}, {"If-Match": '"no-such-tag"'}
    assert bob.get("/shared/alice/a").status_code == 200
    vault.audit.flush()
    assert bob.patch("/shared/alice/a", json=value).status_code == 200
    assert bob.patch("/shared/alice/a", json=value, headers=stale).status_code == 412
    assert bob.patch("/shared/alice/b", json=value).status_code == 403
    for whose in (alice, bob):
        found = events(vault, whose, prefix="")[::-1]
        shared = [one for one in found if one["action"].startswith("shared.")]
        assert [(one["action"], one["name"], one["problem"]) for one in shared] == [
            ("shared.read", "a", None),
            ("shared.write", "a", None),
            ("shared.write", "a", "precondition-failed"),
            ("shared.write", "b", "read-only"),
        ]
        for one in shared:
            assert (one["username"], one["detail"]) == ("bob", {"owner": "alice"})
    assert faults(vault) == {}


def test_what_is_not_shared_is_told_to_the_caller_alone(
    vault: Vault, alice: Person, bob: Person
) -> None:
    """What is there and what is not leave the same: one event, in the trail of who asked."""
    write(alice, "there")
    before = len(events(vault, alice))
    for path in ("alice/there", "alice/absent", "nobody/there"):
        assert refusal(bob.get(f"/shared/{path}")) == (404, "not-found")
        answer = bob.patch(f"/shared/{path}", json={"secret": "w"})
        assert refusal(answer) == (404, "not-found")
    assert len(events(vault, alice)) == before
    found = events(vault, bob, outcome="refused")
    assert len(found) == 6
    assert {(one["problem"], one["detail"]) == ("not-found", None) for one in found} == {True}
