"""Behind a batch: a constant number of statements, one transaction, the rows of single writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import chain

import pytest
from flask import Flask

from models.times import utcnow
from routes import context
from routes.batch import MOVED_IN_PASSING
from tests.support.batches import get_batch, numbered, write_batch
from tests.support.dump import delta, dump
from tests.support.people import Person
from tests.support.race import at_once
from tests.support.rotation import assert_sound, number, run
from tests.support.wrapped import Crash, Crashing, Recording
from utils.store import keys
from utils.vault import Vault

STALE = (
    "SELECT count(*) FROM secret_versions v JOIN user_keys k ON k.id = v.key_id "
    "WHERE k.state = 'retired'"
)


@pytest.fixture
def recorded(app: Flask, vault: Vault) -> Recording:
    """Every statement that the application runs from now on."""
    recording = Recording(vault.db)
    context.install(app, replace(vault, db=recording))
    return recording


def statements(recording: Recording) -> int:
    """How many have been run since this was asked last."""
    count = len(recording.statements)
    recording.statements.clear()
    return count


def switch_key(vault: Vault) -> None:
    """Let every stored value be stale."""
    with vault.db.write() as tx:
        (owner,) = tx.all("SELECT id FROM users")
        assert keys.switch(tx, vault.master, owner[0], utcnow())


def test_a_hundred_names_take_as_many_statements_as_one(alice: Person, recorded: Recording) -> None:
    """To create, to change, to do both, to refuse and to read; and so few that they can be named:
    who is calling, and then (owner, find, count, store, key, versions), (owner, find, store, key,
    versions), the first of these again, (owner, find), and (read)."""
    counts: dict[int, list[int]] = {}
    assert alice.get("/account").status_code == 200  # the first time, the signing key is asked for
    for count in (1, 100):
        names = [f"{count}/{write['name']}" for write in numbered(count)]
        writes = [{"name": name, "secret": "value"} for name in names]
        more = [{"name": f"{name}/new", "secret": "value"} for name in names[: max(1, count // 2)]]
        statements(recorded)
        for batch in (writes, writes, writes[: len(more)] + more[: 100 - len(more)]):
            assert write_batch(alice, *batch).status_code == 200
            counts.setdefault(count, []).append(statements(recorded))
        refused = [{**write, "if_version": 0} for write in writes]
        assert write_batch(alice, *refused).status_code == 412
        counts[count].append(statements(recorded))
        assert len(get_batch(alice, *names)["secrets"]) == count
        counts[count].append(statements(recorded))
    who, told = counts[1][-1] - 1, 4  # the audit trail: its head, locked and moved, and the events
    assert counts[1] == [who + 6 + told, who + 5 + told, who + 6 + told, who + 2, who + 1]
    assert counts[100] == counts[1]


def test_a_batch_leaves_the_rows_of_single_writes(vault: Vault, alice: Person) -> None:
    """Whatever is stored of a PUT is stored of a write in a batch: also by whom, and when."""
    before = dump(vault.db, vault.master)
    body = {"secret": "x", "labels": {"b": "2", "a": "1"}, "expires_at": "2199-12-31T23:59:59Z"}
    for _ in range(2):
        assert alice.put("/secrets/one", json=body).status_code in {200, 201}
    between = dump(vault.db, vault.master)
    for _ in range(2):
        assert write_batch(alice, {"name": "two", **body}).status_code == 200
    after = assert_sound(vault)
    assert delta(between, after) == delta(before, between)
    rows = [
        {k: v for k, v in row.items() if k not in {"id", "name", "tag", "created_at", "updated_at"}}
        for row in after["secrets"]
    ]
    assert rows[0] == rows[1]
    assert {row["author"] for row in after["secret_versions"]} == {"alice"}


@pytest.mark.invariant(number=9)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_leaves_all_or_nothing(app: Flask, vault: Vault, alice: Person, when: str) -> None:
    """One transaction: a batch is never half there."""
    alice.put("/secrets/n/000", json={"secret": "old"})
    crashing = Crashing(vault.db, 1, when)  # type: ignore[arg-type]
    context.install(app, replace(vault, db=crashing))
    with pytest.raises(Crash):
        write_batch(alice, *numbered(10))
    found = assert_sound(vault)
    assert len(found["secrets"]) == (1 if when == "before" else 10)
    assert len(found["secret_versions"]) == (1 if when == "before" else 11)


def test_of_many_batches_that_insist_one_wins(app: Flask, vault: Vault, alice: Person) -> None:
    """Compare-and-set over several names: who loses has written none of them."""
    clients = [Person(app, alice.username) for _ in range(8)]
    assert [client.login().status_code for client in clients] == [200] * 8
    for version in (0, 1):

        def write(client: Person, version: int = version) -> int:
            # In another order each: whoever locks row by row would wait in a circle.
            batch = numbered(20, if_version=version)
            turn = clients.index(client)
            return write_batch(client, *batch[turn:], *batch[:turn]).status_code

        statuses = Counter(at_once([partial(write, client) for client in clients]))
        assert statuses == {200: 1, 412: 7}
    found = assert_sound(vault)
    assert Counter(row["number"] for row in found["secret_versions"]) == {1: 20, 2: 20}


def test_batches_and_single_writes_leave_no_gap(app: Flask, vault: Vault, alice: Person) -> None:
    """Every acknowledged write is a version, and a key switch in between loses none."""
    clients = [Person(app, alice.username) for _ in range(6)]
    assert [client.login().status_code for client in clients] == [200] * 6

    def batches(client: Person) -> set[int]:
        return {write_batch(client, *numbered(5)).status_code for _ in range(5)}

    def singles(client: Person) -> set[int]:
        path = "/secrets/n/003"
        return {client.put(path, json={"secret": "x"}).status_code for _ in range(5)}

    def switches() -> set[int]:
        for _ in range(5):
            switch_key(vault)
        return {200}

    jobs: list[Callable[[], set[int]]] = [partial(batches, client) for client in clients[:3]]
    jobs += [partial(singles, client) for client in clients[3:]]
    assert set(chain.from_iterable(at_once([*jobs, switches]))) <= {200, 201}
    found = assert_sound(vault)
    by_name = {row["id"]: row["name"] for row in found["secrets"]}
    written = Counter(by_name[row["secret_id"]] for row in found["secret_versions"])
    assert written == {f"n/{i:03}": 30 if i == 3 else 15 for i in range(5)}
    versions = {row["name"]: row["version"] for row in found["secrets"]}
    assert versions == dict(written)


def test_what_does_not_open_is_an_error_of_its_own(
    vault: Vault, alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged value does not hide the others; the operator learns which row it is."""
    write_batch(alice, *numbered(3))
    run(
        vault,
        "UPDATE secret_versions SET ciphertext = 'damaged' WHERE secret_id = "
        "(SELECT id FROM secrets WHERE name = 'n/001')",
    )
    found = get_batch(alice, *(write["name"] for write in numbered(3)))
    assert [secret["name"] for secret in found["secrets"]] == ["n/000", "n/002"]
    (error,) = found["errors"]
    single = alice.get("/secrets/n/001").json
    assert single is not None
    assert error == {"name": "n/001"} | {k: single[k] for k in ("type", "status", "detail")}
    assert error["status"] == 500
    assert "version 1, under key" in caplog.text


def test_a_batch_moves_stale_values_after_its_answer_and_not_too_many(
    vault: Vault, alice: Person
) -> None:
    """The thread is not kept for all of a hundred; the next read goes on where this one ended."""
    write_batch(alice, *numbered(MOVED_IN_PASSING * 2 - 1))
    switch_key(vault)
    names = [write["name"] for write in numbered(MOVED_IN_PASSING * 2 - 1)]
    left = []
    for _ in range(3):
        answer = alice.post("/secrets:batchGet", json={"names": names}, buffered=True)
        assert answer.status_code == 200
        left.append(number(vault, STALE))
    assert left == [MOVED_IN_PASSING - 1, 0, 0]
    assert_sound(vault)
