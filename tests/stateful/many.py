"""Many secrets at once: batches, files in, files out."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.stateful.choices import (
    callers,
    expiries,
    few,
    label_sets,
    labels,
    maybe,
    names,
    prefixes,
    texts,
    values,
)
from tests.stateful.shelf import Kept, Value
from tests.stateful.teller import Caller, Teller, step
from tests.support.env_files import READERS

By = tuple[int, str]
IMPOSSIBLE = "a//b"
# What is expected of a version in a batch of writes, mostly what is there.
expected_versions = st.sampled_from(["any", "any", "same", "same", "same", "next", "none"])
writes = st.lists(
    st.tuples(names, values, maybe(label_sets), maybe(expiries), expected_versions),
    min_size=1,
    max_size=4,
    unique_by=lambda write: write[0],
)
# In a .env file a carriage return ends a line, and a dollar sign may begin more than a text.
plain = st.one_of(few, texts.map(lambda text: re.sub(r"[\r$]", "", text)))
files = st.dictionaries(st.sampled_from(["a", "b", "b/c", "xb", "A"]), plain, max_size=4)
# Why a format cannot carry a text; see docs/api.md.
CANNOT = {"shell": "\0", "dotenv": "\0", "docker": "\0\r\n", "json": ""}


class Many(Teller):
    """The verbs of ``/secrets:verb``."""

    @step(
        often=3, by=callers, wanted=st.lists(names | st.just(IMPOSSIBLE), min_size=1, unique=True)
    )
    def batch_get(self, by: By, wanted: list[str]) -> None:
        """One that is missing, or out of reach, does not fail the others."""
        caller, shelf = self.caller(by), self.caller(by).shelf
        answer = caller.client.post("/secrets:batchGet", json={"names": wanted})
        if self.powerless(caller, "read", answer):
            return
        found = [one for one in wanted if caller.reaches(one) and shelf.live(one, self.now)]
        assert answer.json is not None
        assert answer.json["secrets"] == [shelf.shown(name) for name in found]
        errors = [(one["name"], one["status"], one["type"]) for one in answer.json["errors"]]
        assert errors == [
            (name, 404, "urn:secrets-manager:problem:not-found")
            if caller.reaches(name)
            else (name, 403, "urn:secrets-manager:problem:missing-power")
            for name in wanted
            if name not in found
        ]

    @step(often=5, by=callers, writes=writes)
    def batch_write(self, by: By, writes: list[tuple[str, Value, Any, Any, str]]) -> None:
        """All or nothing, each as a PUT."""
        caller, shelf = self.caller(by), self.caller(by).shelf
        sent, changes, wrong = [], {}, set()
        for place, (name, value, wanted, expiry, version) in enumerate(writes):
            fields, change = self.mentions(wanted, expiry)
            expected, holds = self.expected(shelf.live(name, self.now), version)
            sent.append({"name": name, **value.fields(), **fields, **expected})
            changes[name] = {"value": value, **change}
            wrong |= set() if holds else {f"#/writes/{place}"}
        answer = caller.client.post("/secrets:batchWrite", json={"writes": sent})
        if self.powerless(caller, "write", answer, *changes):
            return
        if wrong:
            self.refuses(answer, 412, "precondition-failed")
            self.blames(answer, wrong)
            return
        for name, change in changes.items():
            shelf.set(name, change, self.now, caller.author)
        written = {"secrets": [shelf.described(name) for name in changes]}
        assert (answer.status_code, answer.json) == (200, written)
        for name in changes:
            self.look(caller.account, name)

    @step(
        often=5,
        by=callers,
        file=files,
        dotenv=st.booleans(),
        prefix=st.sampled_from(["", "a/", "a/b/", "a"]),
        on_conflict=st.sampled_from(["fail", "skip", "overwrite"]),
        dry_run=st.sampled_from([False, False, True]),
    )
    def import_file(
        self,
        by: By,
        file: dict[str, str],
        dotenv: bool,
        prefix: str,
        on_conflict: str,
        dry_run: bool,
    ) -> None:
        """A file in: atomic, and the report says what happened to each name, or would."""
        caller = self.caller(by)
        file = dict(sorted(file.items()))
        texts = {prefix + key: text for key, text in file.items()}
        query = {"prefix": prefix, "on_conflict": on_conflict, "dry_run": str(dry_run).lower()}
        body = {"data": env_file(file), "content_type": "text/plain"} if dotenv else {"json": file}
        answer = caller.client.post("/secrets:import", query_string=query, **body)
        if self.powerless(caller, "write", answer, *texts):
            return
        outcomes = {
            name: self.outcome(caller, name, text, on_conflict) for name, text in texts.items()
        }
        taken = {f"/secrets/{name}" for name, outcome in outcomes.items() if outcome == "conflict"}
        if taken and not dry_run:
            self.refuses(answer, 409, "import-conflict")
            self.blames(answer, taken)
            return
        report = [{"name": name, "outcome": outcome} for name, outcome in outcomes.items()]
        expected = {"dry_run": dry_run, "secrets": report}
        assert (answer.status_code, answer.json) == (200, expected)
        for name, outcome in outcomes.items():
            if outcome in {"created", "updated"} and not dry_run:
                change = {"value": Value(texts[name])}
                caller.shelf.set(name, change, self.now, caller.author)
                self.look(caller.account, name)

    @step(often=3, by=callers, form=st.sampled_from(sorted(READERS)), prefix=prefixes, label=labels)
    def export_file(self, by: By, form: str, prefix: str, label: tuple[str, str] | None) -> None:
        """A file out, read by the parser that it is for."""
        caller, shelf = self.caller(by), self.caller(by).shelf
        query = {"format": form, "prefix": prefix} | ({"label": ":".join(label)} if label else {})
        answer = caller.client.get("/secrets:export", query_string=query)
        if self.powerless(caller, "read", answer):
            return
        found = shelf.names(
            self.now,
            gone=False,
            where=lambda name: (
                name.startswith(prefix) and shelf.is_labelled(name, label) and caller.reaches(name)
            ),
        )
        keys = [name if form == "json" else variable(name, prefix) for name in found]
        texts = [shelf.kept[name].value.text for name in found]
        bad = {
            name
            for place, (name, text) in enumerate(zip(found, texts, strict=True))
            if text is None or set(text) & set(CANNOT[form]) or keys[place] in keys[:place]
        }
        if bad:
            self.refuses(answer, 409, "not-exportable")
            self.blames(answer, {f"/secrets/{name}" for name in bad})
            return
        assert answer.status_code == 200, answer.text
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "file")
            path.write_bytes(answer.data)
            assert READERS[form](path) == dict(zip(keys, texts, strict=True))

    # --- helpers ------------------------------------------------------------------------

    def expected(self, live: Kept | None, version: str) -> tuple[dict[str, int], bool]:
        """The field of a write that says which version must be there, and whether it is."""
        if version == "any":
            return {}, True
        there = live.version if live else 0
        named = {"same": there, "next": there + 1, "none": 0}[version]
        return {"if_version": named}, named == there

    def outcome(self, caller: Caller, name: str, text: str, on_conflict: str) -> str:
        """What an import does with a name. Only who may read learns that a value is the same."""
        live = caller.shelf.live(name, self.now)
        if live is None:
            return "created"
        if caller.may("read") and live.value.raw == text.encode():
            return "unchanged"
        return {"fail": "conflict", "skip": "skipped", "overwrite": "updated"}[on_conflict]


def env_file(file: dict[str, str]) -> bytes:
    """The same as lines: within single quotes, these and backslashes are escaped."""
    quoted = {key: re.sub(r"([\\'])", r"\\\1", text) for key, text in file.items()}
    return "".join(f"{key}='{text}'\n" for key, text in quoted.items()).encode()


def variable(name: str, prefix: str) -> str:
    """What a secret becomes: its name without the prefix's folder, if that can be a variable's."""
    rest = name[prefix.rfind("/") + 1 :]
    if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", rest):
        return rest
    return re.sub("[^A-Z0-9_]", "_", rest.upper())
