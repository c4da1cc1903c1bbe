"""What belongs to an account besides secrets: API tokens, keys, and the end of it all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from routes.context import vault_of
from tests.stateful.choices import CHAIRS, TOKEN_NAMES, callers, limits, people
from tests.stateful.shelf import moment
from tests.stateful.teller import Account, Held, Teller, step
from tests.support.api_tokens import Machine
from tests.support.people import Person
from tests.support.purging import purge_here
from tests.support.shared import newcomer, refusal
from utils.rotation import Rotator

By = tuple[int, str]
token_names = st.sampled_from(TOKEN_NAMES)
scope_sets = st.sampled_from([["read", "write"], ["write", "read"], ["read"], ["write"]])
token_prefixes = st.sampled_from([None, ["a"], ["b", "a/"], ["a/b/", "A"]])
lifetimes = st.sampled_from([None, None, 60, 86_400])
# What no token may do, whatever its scopes.
SESSION_ONLY = [
    ("GET", "/account", {}),
    ("GET", "/tokens", {}),
    ("POST", "/tokens", {"name": "more", "scopes": ["read"]}),
    ("GET", "/keys", {}),
    ("POST", "/keys:rotate", {}),
    ("GET", "/shared", {}),
    ("GET", "/secrets/a:shares", {}),
    ("POST", "/secrets/a:share", {"username": "nobody-at-all", "permission": "read"}),
    ("GET", "/audit", {}),
]


class Accounts(Teller):
    """Tokens are made and deleted, keys rotated and destroyed; people leave, and time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.new_token(0, "job", ["read", "write"], ["a"], None)

    def new_token(
        self, who: int, name: str, scopes: list[str], prefixes: list[str] | None, ends: int | None
    ) -> None:
        """POST: 409 where there is one of this name, expired or not."""
        account = self.accounts[who]
        body = {"name": name, "scopes": scopes, "prefixes": prefixes, "expires_in": ends}
        answer = account.person.post("/tokens", json=body)
        former = account.tokens.get(name)
        if former is not None and not former.deleted:
            self.refuses(answer, 409, "already-exists")
            return
        assert (answer.status_code, answer.json is None) == (201, False)
        found: dict[str, Any] = dict(answer.json or {})
        held = Held(
            Machine(self.application, found.pop("token")),
            found["id"],
            name,
            sorted(scopes),
            prefixes and sorted(prefixes),
            self.now,
            self.after(None if ends is None else timedelta(seconds=ends)),
        )
        account.tokens[name] = held
        assert found == told(held) | {"last_used_at": None}

    @step(
        often=4,
        who=people,
        name=token_names,
        scopes=scope_sets,
        prefixes=token_prefixes,
        ends=lifetimes,
    )
    def create_token(
        self, who: int, name: str, scopes: list[str], prefixes: list[str] | None, ends: int | None
    ) -> None:
        """Shown once, and held by a program from then on."""
        self.new_token(who, name, scopes, prefixes, ends)

    @step(often=5, who=people, owner=people, name=token_names)
    def delete_token(self, who: int, owner: int, name: str) -> None:
        """At once; one's own only."""
        held = self.accounts[owner].tokens.get(name)
        answer = self.accounts[who].person.delete(f"/tokens/{held.id if held else 'none'}")
        if who != owner or held is None or held.deleted:
            self.refuses(answer, 404, "not-found")
            return
        held.deleted = True
        assert (answer.status_code, answer.json) == (200, {"id": held.id, "deleted": True})

    @step(often=2, who=people, limit=st.integers(1, 3))
    def list_tokens(self, who: int, limit: int) -> None:
        """Newest first, expired ones too. A use is remembered to the minute, if not always."""
        account = self.accounts[who]
        rows = list(self.pages(account.person, {"limit": limit}, "/tokens", "tokens"))
        kept = {held.id: held for held in account.tokens.values() if not held.deleted}
        assert {row["id"] for row in rows} == set(kept)
        for row in rows:
            used, held = row.pop("last_used_at"), kept[row["id"]]
            assert row == told(held)
            assert used in {None, *map(moment, held.uses)}
        moments = [row["created_at"] for row in rows]
        assert moments == sorted(moments, reverse=True)

    @step(often=3, by=callers, call=st.sampled_from(SESSION_ONLY))
    def overreach(self, by: By, call: tuple[str, str, dict[str, Any]]) -> None:
        """A token is for its owner's secrets, and for nothing else."""
        caller, (method, path, body) = self.caller(by), call
        if caller.token is None:
            return
        options = {} if method == "GET" else {"json": body}
        answer = caller.client.request(method, path, **options)
        if caller.token.alive(self.now):
            self.refuses(answer, 403, "missing-power")
        else:
            self.refuses(answer, 401, "invalid-token")

    # --- keys -----------------------------------------------------------------------------

    @step(often=2, who=people)
    def rotate(self, who: int) -> None:
        """A new key, current at once. The others' stay."""
        account = self.accounts[who]
        answer = account.person.post("/keys:rotate")
        account.keys += 1
        assert (answer.status_code, answer.json is None) == (202, False)
        key = dict(answer.json or {})
        assert (key["state"], key["ciphertexts_remaining"]) == ("current", 0)
        assert (key["created_at"], key["retired_at"]) == (moment(self.now), None)

    @step(often=1)
    def sweep(self) -> None:
        """What cron does: nothing needs an old key then, and all of them are destroyed."""
        vault = vault_of(self.application)
        rotator = Rotator(vault.db, vault.master, self.now)
        rotator.sweep()
        rotator.destroy()
        assert rotator.report.faults == []
        for account in self.accounts:
            account.keys_destroyed = account.keys - 1

    @step(often=2, who=people, limit=limits)
    def list_keys(self, who: int, limit: int) -> None:
        """Newest first, destroyed ones too; each value needs one of them."""
        account = self.accounts[who]
        rows = list(self.pages(account.person, {"limit": limit}, "/keys", "keys"))
        states = ["destroyed"] * account.keys_destroyed
        states = ["retired"] * (account.keys - 1 - len(states)) + states
        assert [row["state"] for row in rows] == ["current", *states]
        needed = sum(row["ciphertexts_remaining"] for row in rows)
        assert needed == account.shelf.ciphertexts()

    # --- ends -----------------------------------------------------------------------------

    @step(often=2, who=people, sure=st.sampled_from([False, True]))
    def leave(self, who: int, sure: bool) -> None:
        """DELETE /account, if the password is right. Somebody new takes the place."""
        account = self.accounts[who]
        password = account.person.password + ("" if sure else "?")
        answer = account.person.delete("/account", json={"password": password})
        if not sure:
            self.refuses(answer, 403, "wrong-password")
            return
        gone = {"username": account.username, "deleted_at": moment(self.now)}
        assert (answer.status_code, answer.json) == (200, gone)
        self.check_gone(account)
        for other in self.accounts:
            for kept in other.shelf.kept.values():
                kept.grants.pop(account.username, None)
        for held in account.tokens.values():
            held.deleted = True
        # Programs of the old account go on trying.
        self.accounts[who] = Account(newcomer(self.application, CHAIRS[who]))
        self.accounts[who].tokens = account.tokens

    def check_gone(self, account: Account) -> None:
        """Neither the session nor the password opens anything, and the name stays taken."""
        assert refusal(account.person.get("/account")) == (401, "not-authenticated")
        stranger = Person(self.application, account.username)
        assert refusal(stranger.login()) == (401, "wrong-credentials")
        assert refusal(stranger.register()) == (409, "already-exists")

    @step(often=1, kept=st.integers(1, 4))
    def purge(self, kept: int) -> None:
        """Retention, of everybody."""
        done = purge_here(vault_of(self.application), self.now, kept)
        counts = [account.shelf.purge(self.now, kept) for account in self.accounts]
        # Whoever told an earlier story left things of theirs in the same database.
        assert done.deleted >= sum(deleted for deleted, _, _ in counts)
        assert done.expired >= sum(expired for _, expired, _ in counts)
        assert done.versions >= sum(versions for _, _, versions in counts)

    @step(
        often=2,
        passing=st.sampled_from([0, 1, 5, 30, 30 * 24 * 60]).map(lambda n: timedelta(minutes=n)),
    )
    def wait(self, passing: timedelta) -> None:
        """Time passes, and some secrets and tokens expire."""
        self.now += passing
        self.traveller.move_to(self.now)


def told(held: Held) -> dict[str, Any]:
    """A token, as its owner sees it; but for the time of its last use."""
    return {
        "id": held.id,
        "name": held.name,
        "scopes": held.scopes,
        "prefixes": held.prefixes,
        "cidrs": None,
        "created_at": moment(held.created),
        "expires_at": moment(held.expires),
    }
