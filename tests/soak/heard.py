"""All that outsiders and operators get to see during a soak, and the search for secrets in it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from tests.support import canaries

# Where secrets may have got to; the log is the server's own file.
PLACES = ("log", "errors", "metrics", "arguments", "audit", "commands")


class Heard:
    """Kept in files, as some canaries are known only when all is over: cookies, and new keys."""

    def __init__(self, folder: Path, log: Path) -> None:
        folder.mkdir()
        self._files = {place: folder / place for place in PLACES} | {"log": log}
        self._canaries: dict[str, dict[str, bytes]] = {}
        self._seen: set[bytes] = set()
        self._lock = threading.Lock()

    def hear(self, place: str, said: bytes) -> None:
        """Something was shown there. The same again is not kept again."""
        with self._lock:
            if said not in self._seen:
                self._seen.add(said)
                with self._files[place].open("ab") as file:
                    file.write(said + b"\n")

    def plant(self, kind: str, canary: bytes) -> None:
        """This is secret from now on."""
        with self._lock:
            known = self._canaries.setdefault(kind, {})
            known.setdefault(f"{kind} {len(known)}", canary)

    def plant_all(self, kind: str, found: Mapping[str, bytes]) -> None:
        """All of these, each once."""
        with self._lock:
            known = self._canaries.setdefault(kind, {})
            known.update({f"{kind} {name}": canary for name, canary in found.items()})

    @property
    def planted(self) -> dict[str, int]:
        """How many of each kind."""
        return {kind: len(set(found.values())) for kind, found in self._canaries.items()}

    def hits(self) -> list[str]:
        """Which canary is where, in any spelling."""
        wanted: dict[str, bytes] = {}
        for found in self._canaries.values():
            wanted |= canaries.needles(found)
        return canaries.find_in_files(self.places(), wanted)

    def shows(self, place: str, control: str) -> bool:
        """Whether something is to be seen there that need not be hidden."""
        path = self._files[place]
        return path.exists() and control.encode() in path.read_bytes()

    def places(self) -> list[Path]:
        """The files that there are."""
        return [path for path in self._files.values() if path.exists()]
