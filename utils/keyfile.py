"""The generated master key: a file that is created once, whoever starts first."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from models.errors import ConfigurationError
from utils.crypto import generate_master_key


def make_private_folder(folder: Path) -> None:
    """Create the folder as 0700, or leave one that is there as it is."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"The folder {folder} cannot be created.") from error


def read_master_key(path: Path) -> str | None:
    """What *path* holds, a master key and perhaps older ones, or None if there is no file.

    Raises ConfigurationError when others may read it: whoever copied the file meanwhile
    holds every secret, and starting as if nothing were wrong would hide that.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(4096).decode("ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The master key file {path} cannot be read.") from error
    if os.name == "posix" and mode & 0o077:
        raise ConfigurationError(
            f"The master key file {path} is open to others (mode {mode:04o}). Run: chmod 600 {path}"
        )
    return text


def create_master_key(path: Path) -> bool:
    """Put a new random key into *path*, unless a file is there; whether it was this call.

    Written and synced under another name, then linked: a link fails if the name exists, so of
    two processes one wins, and no reader ever sees half a key. The folder is synced too: a
    key that a power cut takes away would take every secret along.

    Raises ConfigurationError where files can't be created or linked.
    """
    try:
        return _create(path, f"{generate_master_key()}\n".encode())
    except OSError as error:
        raise ConfigurationError(f"The master key file {path} cannot be created.") from error


def _create(path: Path, content: bytes) -> bool:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
    finally:
        draft.unlink()
    sync_folder(path.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Make the names of new files in it survive a loss of power."""
    if os.name != "posix":
        return  # Windows cannot open folders, and syncs their entries itself
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
