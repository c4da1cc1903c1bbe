"""The house rules that a reader relies on, read off the source: who imports whom, and which doors
are open without a key."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.exceptions import MethodNotAllowed

from app import VERBS
from routes import guard
from tests.support.server import ROOT
from tests.support.source import SOURCES, TESTS, imports, room, short, tree

# Which rooms each room may use. A name that is not here is not a room yet.
MAY_USE = {
    "models": {"models"},
    "config": {"models"},
    "utils": {"models", "config", "utils"},
    "routes": {"models", "config", "utils", "routes"},
    "app": {"models", "config", "utils", "routes"},
    "rotate_keys": {"models", "config", "utils"},
}
WEB = {"flask", "flask_jwt_extended", "werkzeug", "jwt"}
WEBLESS = {"models", "config", "utils", "rotate_keys"}

LONGEST_FILE = 330  # "about 300 lines": a file that outgrows this has two subjects
LONGER = {"tests/test.py"}  # the walkthrough is one story, and one file to copy
LONGEST_FACTORY = 40


# --- who imports whom --------------------------------------------------------------------------


def test_imports_point_one_way() -> None:
    """Models <- utils <- routes <- app, and never back."""
    assert {room(path) for path in SOURCES} == set(MAY_USE), "say in MAY_USE what it may use"
    backwards = {
        f"{short(path)} imports {name}"
        for path in SOURCES
        for name in imports(path)
        if name in MAY_USE and name not in MAY_USE[room(path)]
    }
    assert backwards == set()


def test_what_cron_uses_names_no_web_framework() -> None:
    """rotate_keys.py works with the same code as the server, without the web framework."""
    offenders = {
        short(path) for path in SOURCES if room(path) in WEBLESS and WEB & set(imports(path))
    }
    assert offenders == set()


def loaded_by(code: str, *arguments: str) -> set[str]:
    """The modules that *code* loads into a fresh interpreter; this one has loaded everything."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_a_real_process_loads_no_web_framework() -> None:
    """Not by way of a library either, which would not show in our own files."""
    loaded = loaded_by("import utils.vault, rotate_keys")
    assert {"utils.vault", "rotate_keys"} <= loaded
    assert not WEB & loaded


def test_sqlite_never_loads_postgres(tmp_path: Path) -> None:
    """A SQLite installation starts without the PostgreSQL driver."""
    loaded = loaded_by(
        "from config import Settings\n"
        "from models.times import utcnow\n"
        "from utils.vault import open_vault\n"
        "open_vault(Settings(INSTANCE_DIR=sys.argv[1], BCRYPT_COST=10), utcnow()).db.close()",
        str(tmp_path / "instance"),
    )
    assert "utils.sqlite" in loaded
    assert not {"psycopg", "psycopg_pool", "utils.postgres", "utils.postgres_tx"} & loaded


# --- data stays data ---------------------------------------------------------------------------


def test_nothing_runs_data_as_code() -> None:
    """No shell, no eval, no pickle: data that came in stays data. One module starts a program,
    which the operator names in a setting."""
    names = {"eval", "exec", "compile", "__import__"}
    modules = {"pickle", "marshal", "shelve", "subprocess", "pty", "multiprocessing"}
    of_os = {"system", "popen", "execv", "execve", "execvp", "execl", "spawnl", "spawnv"}
    offenders = {
        f"{short(path)}: {ast.unparse(node)}"
        for path in SOURCES
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Name) and node.id in names)
        or (isinstance(node, ast.Attribute) and node.attr in of_os)
        or (isinstance(node, ast.keyword) and node.arg == "shell")
    }
    offenders |= {
        f"{short(path)}: {name}" for path in SOURCES for name in modules & set(imports(path))
    }
    assert offenders == {"utils/keycommand.py: subprocess"}


# --- doors -------------------------------------------------------------------------------------

on_one_engine = pytest.mark.one_engine("sqlite", "it is about the routes")


def doors(app: Flask, access: object) -> set[str]:
    """The routes, as ``POST /login``, whose access rule is *access*."""
    return {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        if getattr(app.view_functions[rule.endpoint], "access", None) is access
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


@on_one_engine
def test_every_route_declares_who_may_call_it(app: Flask) -> None:
    """A view that somebody forgets to guard has no rule at all, and fails here."""
    functions = inspect.getmembers(guard, inspect.isfunction)
    rules = [rule for _, rule in functions if rule.__module__ == guard.__name__]
    unguarded = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if getattr(app.view_functions[rule.endpoint], "access", None) not in rules
    }
    assert unguarded == set()


@on_one_engine
def test_only_these_doors_are_open(app: Flask) -> None:
    """What strangers reach is a short list. To open another door is to write it down here."""
    assert doors(app, guard.anybody) == {
        "GET /healthz",
        "GET /readyz",
        "POST /register",
        "GET /openapi.json",
        "GET /docs",
        "GET /docs/page.js",
        "GET /docs/swagger-ui.js",
        "GET /docs/swagger-ui.css",
    }
    assert doors(app, guard.refresh_cookie) == {"POST /refresh"}
    assert doors(app, guard.session_if_any) == {"POST /login"}
    assert doors(app, guard.session_even_if_access_expired) == {"POST /logout"}


@on_one_engine
def test_a_verb_is_no_part_of_a_name(app: Flask) -> None:
    """Another method on ``a:verb`` is refused: it never reaches a secret that is called so."""
    verbs = [rule for rule in app.url_map.iter_rules() if ">:" in rule.rule]
    url = app.url_map.bind("localhost")
    for rule in verbs:
        for method in {"GET", "PUT", "PATCH", "DELETE", "POST"} - (rule.methods or set()):
            with pytest.raises(MethodNotAllowed):
                url.match(f"/secrets/a:{rule.rule.rpartition(':')[2]}", method=method)
    assert len(verbs) >= len(VERBS) > 0


@on_one_engine
def test_a_one_time_password_opens_only_these_doors(app: Flask) -> None:
    """Whoever knows it, the operator included, can do nothing with it but replace it."""
    assert doors(app, guard.session_even_with_one_time_password) == {
        "GET /account",
        "PUT /account/password",
    }


@on_one_engine
def test_only_health_checks_answer_over_plain_http(app: Flask) -> None:
    """Whatever carries a credential or a secret needs TLS."""
    plain = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if getattr(app.view_functions[rule.endpoint], "plain_http", True)
    }
    assert plain == {"/healthz", "/readyz"}


# --- size and shape ----------------------------------------------------------------------------


def test_files_stay_readable() -> None:
    """One subject a file, and one promise a file of tests."""
    lengths = {
        short(path): len(path.read_text("utf-8").splitlines()) for path in [*SOURCES, *TESTS]
    }
    assert {name for name, length in lengths.items() if length > LONGEST_FILE} == LONGER


def test_every_file_says_what_it_is_for() -> None:
    """Tests are read as the specification: each file begins with what it specifies."""
    silent = {short(path) for path in [*SOURCES, *TESTS] if not ast.get_docstring(tree(path))}
    assert silent == set()


def test_every_test_says_what_it_shows() -> None:
    """One sentence a test: what must hold, in words that survive a change of the code."""
    silent = {
        f"{short(path)}: {node.name}"
        for path in TESTS
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    }
    assert silent == set()


def test_the_factory_is_wiring_only() -> None:
    """create_app() connects what lives elsewhere, and holds no function of its own."""
    factory = next(
        node
        for node in tree(ROOT / "app.py").body
        if isinstance(node, ast.FunctionDef) and node.name == "create_app"
    )
    inner = [node for node in ast.walk(factory) if isinstance(node, ast.FunctionDef | ast.Lambda)]
    assert inner == [factory]
    assert (factory.end_lineno or 0) - factory.lineno < LONGEST_FACTORY
