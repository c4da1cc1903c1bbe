"""What becomes of a secret: rolled back, undeleted, destroyed, moved; and its list of versions."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.stateful.choices import busy_names, callers, conditions, limits, names, numbers
from tests.stateful.teller import Teller, step

By = tuple[int, str]
few_numbers = st.lists(numbers, min_size=1, max_size=2)


class Versions(Teller):
    """The verbs of ``/secrets/<name>:verb``, but for sharing."""

    @step(often=4, by=callers, name=names, version=numbers, condition=conditions)
    def rollback(self, by: By, name: str, version: int, condition: str) -> None:
        """An older value, once more."""
        caller = self.caller(by)
        live = caller.shelf.live(name, self.now)
        headers, holds = self.conditional(caller.shelf.kept.get(name), live, condition)
        answer = self.verb(caller, name, "rollback", {"version": version}, headers)
        if self.powerless(caller, "write", answer, name):
            return
        if live is None or version not in live.versions:
            self.refuses(answer, 404, "not-found")
        elif not holds:
            self.refuses(answer, 412, "precondition-failed")
        else:
            live.change({"value": live.versions[version].value}, self.now, caller.author)
            self.check_written(caller, name, answer, 200)

    @step(often=16, by=callers, name=busy_names, condition=conditions)
    def undelete(self, by: By, name: str, condition: str) -> None:
        """As long as a delete can be undone."""
        caller = self.caller(by)
        known, live = caller.shelf.kept.get(name), caller.shelf.live(name, self.now)
        headers, holds = self.conditional(known, live, condition)
        answer = self.verb(caller, name, "undelete", {}, headers)
        if self.powerless(caller, "write", answer, name):
            return
        if known is None or known.over(self.now):
            self.refuses(answer, 404, "not-found")
        elif known.deleted is None or known.expired(self.now):
            self.refuses(answer, 409, "wrong-state")
        elif not holds:
            self.refuses(answer, 412, "precondition-failed")
        else:
            known.deleted = None
            self.check_written(caller, name, answer, 200)

    @step(
        often=3,
        by=callers,
        name=names,
        wanted=st.one_of(st.none(), few_numbers, few_numbers),
        condition=conditions,
    )
    def destroy(self, by: By, name: str, wanted: list[int] | None, condition: str) -> None:
        """Some versions, or all there is; of a deleted secret too."""
        caller = self.caller(by)
        known, live = caller.shelf.kept.get(name), caller.shelf.live(name, self.now)
        headers, holds = self.conditional(known, live, condition)
        body = {"all": True} if wanted is None else {"versions": wanted}
        answer = self.verb(caller, name, "destroy", body, headers)
        if self.powerless(caller, "write", answer, name):
            return
        if known is None:
            self.refuses(answer, 404, "not-found")
        elif not holds:
            self.refuses(answer, 412, "precondition-failed")
        elif wanted is None:
            assert answer.json == {"name": name, "versions_destroyed": len(known.versions)}
            del caller.shelf.kept[name]
        elif known.version in wanted:
            self.refuses(answer, 409, "wrong-state")
        elif not set(wanted) <= set(known.versions):
            self.refuses(answer, 404, "not-found")
        else:
            assert answer.json == {"name": name, "versions_destroyed": len(set(wanted))}
            for number in set(wanted):
                del known.versions[number]

    @step(often=5, by=callers, name=names, to=names, condition=conditions)
    def move(self, by: By, name: str, to: str, condition: str) -> None:
        """To a name that nothing has, live or not. The grants go with it."""
        caller, shelf = self.caller(by), self.caller(by).shelf
        live = shelf.live(name, self.now)
        headers, holds = self.conditional(shelf.kept.get(name), live, condition)
        answer = self.verb(caller, name, "move", {"to": to}, headers)
        if self.powerless(caller, "write", answer, name, to):
            return
        if live is None:
            self.refuses(answer, 404, "not-found")
        elif not holds:
            self.refuses(answer, 412, "precondition-failed")
        elif to in shelf.kept:
            self.refuses(answer, 409, "already-exists")
        else:
            shelf.kept[to] = shelf.kept.pop(name)
            live.updated = self.now
            self.check_written(caller, to, answer, 200)

    @step(often=4, by=callers, name=names, limit=limits)
    def list_versions(self, by: By, name: str, limit: int) -> None:
        """All pages of a secret's versions: when each was written, by whom, and with what."""
        caller, path = self.caller(by), f"/secrets/{name}:versions"
        live, answer = caller.shelf.live(name, self.now), caller.client.get(path)
        if self.powerless(caller, "read", answer, name):
            return
        if live is None:
            self.refuses(answer, 404, "not-found")
            return
        rows = list(self.pages(caller.client, {"limit": limit}, path, "versions"))
        numbers = sorted(live.versions, reverse=True)
        assert rows == [live.versions[number].described(number) for number in numbers]
