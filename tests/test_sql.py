"""SQL is written, never built: no value from outside ever becomes part of a statement."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import ROOT
from tests.support.source import SOURCES, short, tree

RUNS_SQL = {"one", "all", "run", "run_many", "all_of", "run_of"}
DRIVERS = {"execute", "executemany", "executescript", "cursor"}
# Tx.one, all_of and run_of hand their own argument on; a migration's statements come from its file.
HANDED_ON = {("utils/db.py", "sql"), ("utils/migrate.py", "statement")}
# The last one makes statements of the names that PostgreSQL's catalogue has, and of nothing else.
ENGINES = {
    *("utils/sqlite.py", "utils/sqlite_tx.py"),
    *("utils/postgres.py", "utils/postgres_tx.py", "utils/postgres_behind.py"),
    "utils/table_copy.py",
}
Constants = dict[str, ast.expr]


def is_constant(node: ast.expr | None, names: Constants, depth: int = 0) -> bool:
    """A literal, literals and constants joined by ``+``, a choice of two, or a name for these."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return is_constant(node.left, names, depth) and is_constant(node.right, names, depth)
    if isinstance(node, ast.IfExp):
        return is_constant(node.body, names, depth) and is_constant(node.orelse, names, depth)
    if isinstance(node, ast.Name) and node.id in names and depth < len(names):
        return is_constant(names[node.id], names, depth + 1)
    return False


def bindings(scope: ast.AST) -> tuple[Constants, set[str]]:
    """Names that *scope* binds: those with one plain assignment, and all of them."""
    plain = {
        node.targets[0].id: node.value
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    stores = [
        node.id
        for node in ast.walk(scope)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    ]
    bound = {*stores, *(node.arg for node in ast.walk(scope) if isinstance(node, ast.arg))}
    return {name: sql for name, sql in plain.items() if stores.count(name) == 1}, bound


def statements(call: ast.Call, helpers: dict[str, int]) -> Iterator[ast.expr | None]:
    """The SQL that a call hands over: to a transaction, or to a helper that hands it on."""
    position = None
    if isinstance(call.func, ast.Attribute) and call.func.attr in RUNS_SQL:
        # A transaction is held by a name (`with ... as tx`), never made by the call before.
        position = None if isinstance(call.func.value, ast.Call) else 0
    elif isinstance(call.func, ast.Name):
        position = helpers.get(call.func.id)
    if position is not None:
        yield call.args[position] if position < len(call.args) else None


def imported(path: Path) -> Constants:
    """Constants of another module of ours that this one imports by name."""
    found: Constants = {}
    for node in tree(path).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("utils."):
            source = ROOT / (node.module or "").replace(".", "/")
            if source.with_suffix(".py").exists():
                there, _ = bindings(ast.Module(constants_of(source.with_suffix(".py")), []))
                wanted = {alias.name for alias in node.names if alias.asname is None}
                for name in wanted & set(there):  # which may be made of others over there
                    if is_constant(there[name], there):
                        found[name] = ast.Constant("")
    return found


def constants_of(path: Path) -> list[ast.stmt]:
    """What a module assigns at its top."""
    return [node for node in tree(path).body if isinstance(node, ast.Assign)]


def built_statements(path: Path) -> Iterator[str]:
    """The lines that hand anything but constant SQL to a transaction."""
    constants, _ = bindings(ast.Module(constants_of(path), []))
    constants = imported(path) | constants
    functions = [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef)]
    # A private function may take a parameter called sql: then its own callers are looked at.
    helpers = {
        function.name: [argument.arg for argument in function.args.args].index("sql")
        for function in functions
        if function.name.startswith("_") and "sql" in [a.arg for a in function.args.args]
    }
    for function in functions:
        once, bound = bindings(function)
        names = {k: v for k, v in constants.items() if k not in bound} | once
        if function.name in helpers:
            names["sql"] = ast.Constant("")
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            for sql in statements(call, helpers):
                handed_on = isinstance(sql, ast.Name) and (short(path), sql.id) in HANDED_ON
                if not handed_on and not is_constant(sql, names):
                    yield f"{short(path)}:{call.lineno}"


def test_sql_is_never_built_from_values() -> None:
    """Every statement is constant text, whatever the request: injection has nowhere to begin."""
    sources = (path for path in SOURCES if short(path) not in ENGINES)
    assert [line for path in sources for line in built_statements(path)] == []


@pytest.mark.parametrize(
    "built",
    [
        "def f(tx, name): tx.one(f'SELECT {name}')",
        "def f(tx, name): tx.all('SELECT ' + name)",
        "def f(tx, name): tx.run('SELECT %s' % name)",
        "def f(tx, name): tx.run('SELECT {}'.format(name))",
        "def f(tx, name): tx.run_many(name, [])",
        "def f(tx, name): tx.all_of(f'SELECT {name} {{rows}}', [])",
        "def f(tx, name): tx.run_of(name, [])",
        "S = 'SELECT 1'\ndef f(tx, S): tx.one(S)",
        "def f(tx, name):\n s = 'SELECT 1'\n s += name\n tx.one(s)",
        "S = '1'\ndef f(tx):\n for S in tx.g(): tx.one(S)",
        "def _f(tx, sql): tx.one(sql)\ndef g(tx, name): _f(tx, name)",
        "def f(tx, sql): tx.one(sql)",
    ],
)
def test_the_rule_about_sql_sees_what_it_should(
    built: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check of source text is only as good as what it finds."""
    monkeypatch.setattr(f"{__name__}.tree", lambda _path: ast.parse(built))
    assert list(built_statements(ROOT / "utils/store/any.py"))


def test_only_the_engines_reach_the_driver() -> None:
    """There is no way around the rule above: nothing else calls a driver."""
    offenders = {
        f"{short(path)}:{node.lineno}"
        for path in SOURCES
        if short(path) not in ENGINES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in DRIVERS
    }
    assert offenders == set()
