"""Who else could read or replace the files of the service, and whether there is room for more."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from config import HOLD_SECRETS, PREFIX, Settings
from models.findings import Finding, danger, ok, warn
from utils.db import sqlite_path

_BESIDE = ("", "-wal", "-shm", "-journal")
_OURS = {"master.key", "metrics-token"}
# Where systemd shows a service its credentials: closed to others by access lists, which look like
# rights of a group.
_CREDENTIALS = "CREDENTIALS_DIRECTORY"
_OTHERS = 0o077
_OTHERS_WRITE = 0o022
_LITTLE, _TOO_LITTLE = 500 * 2**20, 50 * 2**20


def examine_files(
    settings: Settings, environ: Mapping[str, str], tls: Sequence[Path] = ()
) -> Iterator[Finding]:
    """Modes, owners, copies and space."""
    folder, database = settings.INSTANCE_DIR, sqlite_path(settings.database_url)
    folders = {_real(folder)} if folder.exists() else set()
    if database is not None:
        folders.add(_real(database).parent)
    secret = [path for path in secret_files(settings, environ, tls) if path.exists()]
    stored = stored_files(settings)
    if os.name == "posix":
        for one in sorted(folders):
            if one.is_dir():
                yield folder_mode(one, ours=one == _real(folder))
        yield parents({*folders, *(_real(path).parent for path in secret)})
        yield modes("database-files", stored)
        yield modes("secret-files", secret)
        if folder.exists():
            inside = [path for path in sorted(folder.iterdir()) if path.is_file()]
            yield owners([folder, *inside, *stored], folder.stat().st_uid)
    if folder.exists():
        yield copies(folder, stored)
    for one in sorted(folders):
        if one.is_dir():
            size = sum(path.stat().st_size for path in stored)
            yield space(one, _LITTLE + 2 * size, _TOO_LITTLE)


def secret_files(
    settings: Settings, environ: Mapping[str, str], tls: Sequence[Path] = ()
) -> list[Path]:
    """Files that hold keys, passwords or tokens, as far as they are known: TLS keys too."""
    named = [environ.get(f"{PREFIX}{name}_FILE", "") for name in HOLD_SECRETS]
    found = [Path(name) for name in named if name] + [one for one in tls if is_private_key(one)]
    if shut := environ.get(_CREDENTIALS):
        found = [path for path in found if Path(shut) not in path.parents]
    stored = stored_files(settings)
    if settings.INSTANCE_DIR.is_dir():
        found += [
            path
            for path in sorted(settings.INSTANCE_DIR.iterdir())
            if path.name in _OURS or (path not in stored and is_private_key(path))
        ]
    return list(dict.fromkeys(found))


def folder_mode(folder: Path, *, ours: bool) -> Finding:
    """The folder must be closed: SQLite makes files in it, and whoever may write replaces any."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    which = "instance folder" if ours else "folder of the database"
    what, remedy = f"The {which} {folder} has mode {mode:04o}.", f"chmod 700 {folder}"
    if mode & _OTHERS_WRITE:
        return danger("instance-folder", f"{what} Others can replace what is in it.", remedy)
    if mode & _OTHERS:
        return warn("instance-folder", f"{what} Others can see what is in it.", remedy)
    return ok("instance-folder", what)


def parents(folders: Iterable[Path]) -> Finding:
    """Who may write to a folder above can put another one in the place of ours."""
    above = sorted({parent for folder in folders for parent in folder.parents})
    writable = {path: _written_by(path) for path in above}
    for who, kind in (("everybody", danger), ("a group", warn)):
        found = [str(path) for path in above if writable[path] == who]
        if found:
            names = ", ".join(found)
            what = f"Writable by {who}: {names}. So what lies below can be replaced."
            return kind("parent-folders", what, f"chmod go-w {' '.join(found)}")
    return ok("parent-folders", "Only their owners can write to the folders above.")


def _written_by(folder: Path) -> str:
    """A sticky bit, as /tmp has it, lets only its owner move a folder away."""
    mode = folder.stat().st_mode
    if mode & stat.S_ISVTX:
        return ""
    return "everybody" if mode & 0o002 else "a group" if mode & 0o020 else ""


def modes(check: str, paths: Iterable[Path]) -> Finding:
    """None of these files may be open to others."""
    found = [path for path in paths if path.stat().st_mode & _OTHERS]
    if found:
        listed = ", ".join(f"{path} ({path.stat().st_mode & 0o7777:04o})" for path in found)
        remedy = f"chmod 600 {' '.join(map(str, found))}, and replace what others may have read."
        return danger(check, f"Open to others: {listed}.", remedy)
    return ok(check, "Readable by their owner only.")


def owners(paths: Iterable[Path], owner: int) -> Finding:
    """All is *owner*'s: a file of root's, which a command of cron left, locks the service out, and
    one of anybody else's is in their hands."""
    found = sorted({path for path in paths if path.stat().st_uid != owner})
    if found:
        listed = ", ".join(f"{path} (user {path.stat().st_uid})" for path in found)
        remedy = f"chown {owner} {' '.join(map(str, found))}; run commands as that user only."
        return danger("owners", f"Not of user {owner}, as the folder is: {listed}.", remedy)
    if owner != os.geteuid():
        what = f"All belongs to user {owner}. This ran as user {os.geteuid()}."
        return ok("owners", what)
    return ok("owners", f"All belongs to user {owner}.")


def copies(folder: Path, stored: Iterable[Path]) -> Finding:
    """A backup leaves no trace that could be dated, unless it lies where it is lost as well."""
    known = {_real(path) for path in stored}
    found = [
        str(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and _real(path) not in known and is_sqlite(path)
    ]
    if found:
        what = f"Copies beside the database are lost with it: {', '.join(found)}."
        return warn("backups", what, "Move them to another machine, apart from the master key.")
    return ok("backups", "Backups leave no trace here: see yourself that they are made.")


def space(folder: Path, wanted: int, needed: int) -> Finding:
    """A full disk stops all writes; a rotation, a purge and a backup need some."""
    free = shutil.disk_usage(folder).free
    what = f"{free // 2**20} MiB are free for {folder}"
    if free < needed:
        return danger("disk-space", f"{what}: writes are about to fail.", "Make room.")
    if free < wanted:
        more = f"{what}, less than the {wanted // 2**20} MiB that rotations and backups may take."
        return warn("disk-space", more, "Make room.")
    return ok("disk-space", f"{what}.")


def is_sqlite(path: Path) -> bool:
    """Whether a file begins as a SQLite database does. Not for one that SQLite has open here."""
    return begins(path).startswith(b"SQLite format 3\0")


def is_private_key(path: Path) -> bool:
    """By what it begins with."""
    return path.is_file() and b"PRIVATE KEY-----" in begins(path)


def begins(path: Path) -> bytes:
    """Enough of a file to tell what it is; nothing of one that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError:
        return b""


def stored_files(settings: Settings) -> list[Path]:
    """The database's file, and those that SQLite keeps beside it."""
    database = sqlite_path(settings.database_url)
    if database is None:
        return []
    paths = [database.with_name(database.name + suffix) for suffix in _BESIDE]
    return [path for path in paths if path.exists()]


def _real(path: Path) -> Path:
    return path.resolve()
