"""Runs mutmut over one module, in a folder of its own under ``mutants/``.

The folder holds links to the sources, and settings that name the module and its tests: mutmut takes
them from ``pyproject.toml`` alone. There, ``mutmut browse`` shows what survived, and so does
``survivors.diff``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.mutants.catalogue import MODULES, path_of
from tests.mutants.verdicts import Row, is_same_sql, parse
from tests.support.server import ROOT

FOLDER = ROOT / "mutants"
_SOURCES = ("app.py", "config.py", "models", "rotate_keys.py", "routes", "utils")
_TABLE = "[tool.mutmut]\n"


class Failed(Exception):
    """mutmut came to no end: mostly, the tests fail without any mutant too."""


def judge(module: str, children: int) -> Row:
    """Run all mutants of *module*, so many at once. Raises Failed."""
    folder = _prepared(module)
    with (folder / "log.txt").open("w") as log:
        done = subprocess.run(
            _mutmut("run", "--max-children", str(children)),
            cwd=folder,
            stdout=log,
            stderr=log,
            check=False,
        )
    if done.returncode:
        raise Failed(f"{module}: mutmut ended with {done.returncode}, see {folder / 'log.txt'}")
    row = Row(module, parse(_told(folder, "results", "--all", "true")))
    diffs = {name: _told(folder, "show", name) for name in row.survivors}
    row = Row(module, row.verdicts, frozenset(n for n, diff in diffs.items() if is_same_sql(diff)))
    left = "\n".join(diffs[name] for name in row.survivors)
    (folder / "survivors.diff").write_text(left, "utf-8")
    return row


def _prepared(module: str) -> Path:
    folder = FOLDER / module.removesuffix(".py").replace("/", ".")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("README.md", "tests", *_SOURCES):
        (folder / name).symlink_to(ROOT / name)
    settings = (ROOT / "pyproject.toml").read_text("utf-8")
    (folder / "pyproject.toml").write_text(
        settings.replace(_TABLE, _TABLE + _chosen(module)), "utf-8"
    )
    return folder


def _chosen(module: str) -> str:
    tests = [f"tests/{path_of(name)}" for name in MODULES[module]]
    return (
        f"only_mutate = {json.dumps([module])}\n"
        f"pytest_add_cli_args_test_selection = {json.dumps(tests)}\n"
    )


def _told(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        _mutmut(*arguments), cwd=folder, capture_output=True, encoding="utf-8", check=True
    ).stdout


def _mutmut(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("mutmut")), *arguments]
