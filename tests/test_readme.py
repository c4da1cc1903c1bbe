"""Every command of the README, and of the documents that go on from there, in order, as somebody
does who follows them from top to bottom.

Real are: the files (a copy of the tree, as a clone would have it), make, the virtual environment,
pip with the README's requirements file, bash, curl, openssl, and each server. Four things are
not as on a user's machine:

- ``git clone`` names a placeholder: the copy stands in for it;
- pip may not use the network: PYTHONPATH shows it the packages that the tests run with, so that
  it finds each pinned requirement installed, and fails where one is missing or of another version;
- ports 5000 and 8443 are replaced by free ones, in the text and by FLASK_RUN_PORT (``flask run``,
  the walkthrough) and PORT (``make serve``);
- ``make test`` is not run: it would run this test.

A fresh terminal has no ``flask`` and no ``python`` until the environment is activated in it.
"""

from __future__ import annotations

import os
import re
import shutil
import site
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import docs
from tests.support.ports import free_port
from tests.support.server import ROOT
from tests.support.terminal import Terminal, wait_until

README = docs.read("README.md")
FOLLOWED = ("README.md", "docs/keys.md", "docs/operation.md")  # in this order
OTHERS = sorted({f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} - set(FOLLOWED))

NOT_RUN = {
    "git clone https://github.com/yourusername/secrets-manager-api.git\ncd secrets-manager-api\n": (
        "the URL is a placeholder; the copy of the tree stands in for the clone"
    ),
    "make test\n": "this test is part of it",
}
SERVES = {"make run": "5000", "flask run": "5000", "make serve": "8443"}  # and where
RUNS_IN_A_TEST = {"bash", "console", "cron"}  # of a crontab line, the command is in bash blocks


def test_the_readme_works_from_top_to_bottom(reader: Reader) -> None:
    """Each command exits with 0, and prints what the README says it prints."""
    for document in FOLLOWED:
        found = docs.blocks(docs.read(document))
        for block, expected in zip(found, [*found[1:], None], strict=True):
            if block.language != "bash" or block.text in NOT_RUN:
                continue
            printed = reader.follow(block)
            if expected is not None and expected.language == "console":
                assert _is_like(printed, reader.with_ports(expected.text)), (
                    f"{document} line {expected.line} promises other output than: {printed}"
                )


def test_what_is_not_run_is_in_the_readme() -> None:
    """An exception that outlived its command would let the next one pass unseen."""
    texts = [block.text for block in docs.blocks(README)]
    for text in NOT_RUN:
        assert text in texts
    for start in SERVES:
        assert any(text.startswith(start) for text in texts)


@pytest.mark.parametrize("document", FOLLOWED)
def test_every_block_has_a_language_that_says_whether_it_runs(document: str) -> None:
    """``sh``, ``shell`` or nothing would be a command that no test runs."""
    text = docs.read(document)
    for block in docs.blocks(text):
        assert block.language in RUNS_IN_A_TEST, f"{document} line {block.line}"
    assert text.count("\n```") == 2 * len(docs.blocks(text)), "a fence is indented or open"


@pytest.mark.parametrize("document", OTHERS)
def test_no_other_document_has_commands_to_paste(document: str) -> None:
    """They would be run by nobody but its readers. What is ``sh`` has a host's name to replace."""
    assert all(block.language != "bash" for block in docs.blocks(docs.read(document)))


def test_output_always_follows_the_commands_that_print_it() -> None:
    """A console block elsewhere would be compared with nothing."""
    languages = [block.language for block in docs.blocks(README)]
    for before, after in zip(["", *languages], languages, strict=False):
        assert after != "console" or before == "bash"
    assert languages.count("console") >= 12


class Reader:
    """Somebody at a machine with a few terminals. A server keeps its terminal to itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {"5000": str(free_port()), "8443": str(free_port())}
        self._terminals: list[Terminal] = []
        self._serving: Terminal | None = None
        self._open_terminal()

    def follow(self, block: docs.Block) -> str:
        """Do what *block* says; what it printed."""
        text = self.with_ports(block.text)
        for start, port in SERVES.items():
            if text.startswith(start):
                self._serve(text, int(self._ports[port]))
                return ""
        return self._terminals[-1].run(text)

    def with_ports(self, text: str) -> str:
        """The same text with the ports that are used instead."""
        return re.sub(
            r"(?<=localhost:)\d+|(?<=--port )\d+", lambda found: self._ports[found[0]], text
        )

    def close(self) -> None:
        """Turn everything off."""
        for terminal in self._terminals:
            terminal.close()

    def _serve(self, text: str, port: int) -> None:
        """Stop the server before, if any, and start this one; go on in another terminal."""
        if self._serving is not None:
            self._serving.close()
            # Still there for a moment, it would be taken for the next one.
            wait_until(lambda: not _listens(port))
        self._serving = self._terminals[-1]
        self._serving.serve(text, lambda: _listens(port))
        self._open_terminal()

    def _open_terminal(self) -> None:
        log = self._folder / f"terminal-{len(self._terminals)}.log"
        copy = self._folder / "secrets-manager-api"
        self._terminals.append(Terminal(copy, self._environ(), log))
        for program in ("flask", "python"):
            self._terminals[-1].run(
                f'{program}() {{ : "${{VIRTUAL_ENV:?is not activated}}"; command {program} "$@"; }}'
            )

    def _environ(self) -> dict[str, str]:
        """A fresh login's, and what the module's docstring lists. Nothing that measures coverage:
        it would look for the copy's files after they are gone."""
        return {
            "HOME": str(self._folder),
            "LANG": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(site.getsitepackages()),
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "FLASK_RUN_PORT": self._ports["5000"],
            "PORT": self._ports["8443"],
        }


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader with a fresh copy of what a clone has: tracked files and new ones, none ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.split("\0")[:-1]:
        if (ROOT / name).is_file():
            target = tmp_path / "secrets-manager-api" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    somebody = Reader(tmp_path)
    yield somebody
    somebody.close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def _is_like(printed: str, promised: str) -> bool:
    """Whether both are the same, but for times, request ids, and what a line of ``...`` leaves
    out."""
    pattern = re.escape(_comparable(promised)).replace(re.escape("\n...\n"), "\n(.*\n)*")
    return re.fullmatch(pattern, _comparable(printed)) is not None


def _comparable(text: str) -> str:
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "<time>", text)
    text = re.sub(r'"(\w+_id)": ?"[\w-]{22}"', r'"\1": "<id>"', text)
    return re.sub(r'"(number|events)":\d+', r'"\1":<number>', text)
