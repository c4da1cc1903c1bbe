"""Units of systemd and lines of crontabs as data, also where there is no systemd."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.server import ROOT

FOLDER = ROOT / "deploy"
_HOME = "/srv/secrets-manager-api"
_SECTIONS = {
    ".service": {"Unit", "Service", "Install"},
    ".timer": {"Unit", "Timer", "Install"},
}
_ASSIGNMENT = re.compile(r"([A-Z][A-Za-z]*)=(.*)")


@dataclass(frozen=True)
class Unit:
    """What a unit says, in its order."""

    name: str
    lines: list[tuple[str, str, str]]  # section, key, value

    def all(self, key: str) -> list[str]:
        """Each value of a key that may come more than once."""
        return [value for _, name, value in self.lines if name == key]

    def one(self, key: str) -> str:
        """The value of one that comes once."""
        (value,) = self.all(key)
        return value


class BadUnit(Exception):
    """What systemd would not read."""


def units(kind: str) -> list[Path]:
    """All of one kind: ``.service`` or ``.timer``."""
    return sorted(FOLDER.glob(f"*{kind}"))


def parse(path: Path) -> Unit:
    """Read one as systemd does: sections, assignments, comments, lines that go on."""
    section, found = "", []
    text = re.sub(r" *\\\n *", " ", path.read_text("utf-8"))
    for line in text.splitlines():
        if not line or line[0] in "#;":
            continue
        if re.fullmatch(r"\[\w+\]", line):
            section = line[1:-1]
            if section not in _SECTIONS[path.suffix]:
                raise BadUnit(f"{path.name}: a section {section}")
        elif section and (assignment := _ASSIGNMENT.fullmatch(line)):
            found.append((section, assignment[1], assignment[2]))
        else:
            raise BadUnit(f"{path.name}: {line}")
    return Unit(path.name, found)


@dataclass(frozen=True)
class Machine:
    """Places of this machine that stand in for those that the examples name."""

    instance: Path
    credentials: Path
    backups: Path

    def placed(self, text: str) -> str:
        """The same text about these places."""
        programs = str(Path(sys.executable).parent)
        here = {
            f"{_HOME}/.venv/bin": programs,
            ".venv/bin": programs,
            _HOME: str(ROOT),
            "/var/backups/secrets-manager": str(self.backups),
            "%S/secrets-manager": str(self.instance),
            "%d": str(self.credentials),
            "/etc/secrets-manager": str(self.credentials),
        }
        # At once, and the longest first: what was put in is not looked at again.
        there = "|".join(map(re.escape, here))
        return re.sub(there, lambda found: here[found[0]], text)

    def command(self, line: str) -> list[str]:
        """An ExecStart as its arguments; what systemd doubles is single again."""
        arguments = shlex.split(self.placed(line.replace("%%", "\0")))
        return [one.replace("\0", "%").replace("$$", "$") for one in arguments]

    def environment(self, unit: Unit) -> dict[str, str]:
        """What its Environment lines say."""
        pairs = (self.placed(line).partition("=") for line in unit.all("Environment"))
        return {name: value for name, _, value in pairs}


def cron_lines(text: str) -> list[tuple[list[str], str]]:
    """The five fields and the command of each; cron makes newlines of a bare ``%``."""
    found = []
    for line in text.splitlines():
        if line and line[0] != "#" and not re.match(r"[A-Z_]+=", line):
            *fields, command = line.split(maxsplit=5)
            assert not re.search(r"(?<!\\)%", command), line
            found.append((fields, command.replace(r"\%", "%")))
    return found
