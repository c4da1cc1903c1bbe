"""A search for bytes that must not be there, in every spelling that software is known to use."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.fernet import Fernet

from utils.db import Database

_FEW, _HEAD = 200, 8


def spellings(data: bytes) -> dict[str, bytes]:
    """*data* as it is, in hexadecimal, and inside base64 of something longer that holds it."""
    found = {"plain": data, "hex": data.hex().encode(), "HEX": data.hex().upper().encode()}
    for offset in range(3):
        text = _inside_base64(data, offset)
        found[f"base64+{offset}"] = text
        found[f"base64url+{offset}"] = text.translate(bytes.maketrans(b"+/", b"-_"))
    return found


def _inside_base64(data: bytes, offset: int) -> bytes:
    """The characters that depend on *data* alone when it begins *offset* bytes into a group of 3.

    Each stands for 6 bits; those that share bits with a neighbour are left out.
    """
    encoded = base64.b64encode(bytes(offset) + data)
    return encoded[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]


def needles(canaries: Mapping[str, bytes]) -> dict[str, bytes]:
    """All spellings of all canaries, by name."""
    return {
        f"{name} ({how})": spelt
        for name, canary in canaries.items()
        for how, spelt in spellings(canary).items()
    }


def find_in(data: bytes, wanted: Mapping[str, bytes]) -> list[str]:
    """The names of what *data* holds."""
    if len(wanted) <= _FEW or min(map(len, wanted.values())) < _HEAD:
        return [name for name, needle in wanted.items() if needle in data]
    # Once over the data, not once for each of thousands.
    heads: dict[bytes, list[str]] = {}
    for name, needle in wanted.items():
        heads.setdefault(needle[:_HEAD], []).append(name)
    found = {
        name
        for place in range(len(data) - _HEAD + 1)
        if (head := data[place : place + _HEAD]) in heads
        for name in heads[head]
        if data.startswith(wanted[name], place)
    }
    return [name for name in wanted if name in found]


def find_in_files(places: Iterable[Path], wanted: Mapping[str, bytes]) -> list[str]:
    """What is found where, in these files and in all files below these folders."""
    found = []
    for path in files(places):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue  # a running database removes files of its own
        found += [f"{name} in {path.name}" for name in find_in(data, wanted)]
    return found


def files(places: Iterable[Path]) -> list[Path]:
    """These files, and all files below these folders."""
    return sorted(
        path
        for place in places
        for path in ([place] if place.is_file() else place.rglob("*"))
        if path.is_file()
    )


def open_keys(db: Database, master: bytes) -> dict[str, bytes]:
    """All keys that are in the database, opened, by kind and number."""
    with db.read() as tx:
        rows = tx.all(
            "SELECT purpose, id, sealed FROM system_keys "
            "UNION ALL SELECT 'user key', key_id, sealed FROM user_key_material"
        )
    # What was sealed is the key's place, and then the key: 44 characters.
    opened = {f"{kind} {number}": Fernet(master).decrypt(sealed) for kind, number, sealed in rows}
    return {name: plaintext[-44:] for name, plaintext in opened.items()}


def with_halves(keys: Mapping[str, bytes]) -> dict[str, bytes]:
    """Keys as text, and both halves of what each stands for."""
    halves: dict[str, bytes] = {}
    for name, key in keys.items():
        binary = base64.urlsafe_b64decode(key)
        assert len(binary) == 32
        halves |= {f"{name}, signing": binary[:16], f"{name}, encrypting": binary[16:]}
    return {**keys, **halves}


def process_arguments(pid: int) -> bytes:
    """What everybody on the machine can see of a process."""
    listing = Path(f"/proc/{pid}/cmdline")
    if listing.exists():
        return listing.read_bytes()
    return subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], check=True, capture_output=True
    ).stdout
