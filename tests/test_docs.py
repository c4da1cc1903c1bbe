"""The documents say what the code says: routes, settings, problems, limits, and no dead links."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from config import Settings
from models import names, requests
from models.grants import MAX_GRANTS
from routes import problems
from routes.problems import Kind
from tests.support import docs
from tests.support.server import ROOT

LIMITS = Settings()
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*.md")]
)


def test_every_setting_is_documented_with_its_default_and_meaning() -> None:
    """The table is made from config.py; a new setting is documented by being described there."""
    expected = docs.settings_table()
    text = docs.read("docs/configuration.md")
    assert expected in text, f"put this into docs/configuration.md:\n\n{expected}\n"


def test_every_route_is_documented(app: Flask) -> None:
    """A call that is in no table does not exist for whoever reads them, and the reverse."""
    table = docs.rows(docs.section(docs.read("docs/api.md"), "## Calls"))
    documented = [cells[0].strip("`") for cells in table]
    existing = {
        f"{method} {re.sub(r'<[a-z_]+:', '<', rule.rule)}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert set(documented) == existing
    assert len(documented) == len(existing)


def test_every_action_of_the_audit_trail_is_documented(app: Flask) -> None:
    """``GET /audit?action=`` with another word finds nothing, and says nothing against it."""
    text = docs.section(docs.read("docs/api.md"), "## Audit trail")
    actions = {getattr(view, "audit", None) for view in app.view_functions.values()}
    missing = {one for one in actions if isinstance(one, str) and f"`{one}`" not in text}
    assert missing == set()


def test_every_kind_of_problem_is_documented() -> None:
    """A program decides by the type, so each one and its status are a promise."""
    table = docs.rows(docs.read("docs/problems.md"))
    documented = sorted((cells[0].strip("`"), int(cells[1])) for cells in table)
    alone = [value for value in vars(problems).values() if isinstance(value, Kind)]
    # Werkzeug's own refusal of what is not HTTP: the one kind that is made where it is needed.
    kinds = [*problems.KINDS.values(), *alone, Kind(400, "bad-request", "Bad Request")]
    assert documented == sorted((kind.name, kind.status) for kind in kinds)
    assert all(len(cells) == 4 and all(cells) for cells in table)


def test_the_example_of_a_problem_is_a_problem() -> None:
    """The type prefix that programs compare with is spelled as the service spells it."""
    text = docs.read("docs/problems.md")
    assert f'"type": "{problems.TYPE_PREFIX}invalid-fields"' in text
    assert f"after `{problems.TYPE_PREFIX}`." in text


@pytest.mark.parametrize(
    ("row", "numbers"),
    [
        ("Value of a secret", [requests.MAX_VALUE_BYTES]),
        ("Name of a secret", [names.MAX_NAME]),
        ("Labels of a secret", [names.MAX_LABELS, names.MAX_LABEL_VALUE]),
        ("Users that a secret is shared with", [MAX_GRANTS]),
        ("Password", [requests.MIN_PASSWORD_CHARACTERS, requests.MAX_PASSWORD_BYTES]),
        ("Entries in a page of a list", [requests.ListSecrets().limit]),
        ("Wrong passwords", [LIMITS.LOGIN_ATTEMPTS_PAIR, LIMITS.LOGIN_ATTEMPTS_SOURCE]),
    ],
)
def test_the_limits_are_those_of_the_code(row: str, numbers: list[int]) -> None:
    """Somebody plans with these numbers."""
    table = dict(docs.rows(docs.section(docs.read("docs/api.md"), "## Limits")))
    shown = {int(found.replace(",", "")) for found in re.findall(r"\d+(?:,\d{3})*", table[row])}
    assert shown >= set(numbers)


def is_there(name: str) -> bool:
    """A file or folder, a module, or what a module defines: ``utils/vault.SOURCES``."""
    if (ROOT / name).exists() or (ROOT / f"{name}.py").exists():
        return True
    module, _, member = name.rpartition(".")
    path = ROOT / f"{module}.py"
    defined = rf"^ *(?:def |class )?{member}\b"
    return path.is_file() and re.search(defined, path.read_text("utf-8"), re.MULTILINE) is not None


def test_the_guide_names_what_is_there() -> None:
    """Whoever is sent to a place by ARCHITECTURE.md finds it."""
    rooms = "benchmarks|deploy|docs|models|routes|tests|utils"
    guide = docs.read("ARCHITECTURE.md")
    named = set(re.findall(rf"`((?:{rooms})/[\w./]*|(?:app|config)\.\w+)`", guide))
    named |= {f"tests/{name}" for name in re.findall(r"`(test_\w+)`", guide)}
    assert len(named) > 50
    assert [name for name in sorted(named) if not is_there(name)] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_local_link_leads_somewhere(name: str) -> None:
    """Also to the heading, where it names one."""
    for link in re.findall(r"\]\(([^)\s]+)\)", docs.read(name)):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.is_file(), f"{name}: {link}"
        assert not anchor or anchor in docs.anchors(target.read_text("utf-8")), f"{name}: {link}"
