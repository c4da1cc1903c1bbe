"""A search for bytes that must not be there, in every spelling that software is known to use."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path


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
    return [name for name, needle in wanted.items() if needle in data]


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


def process_arguments(pid: int) -> bytes:
    """What everybody on the machine can see of a process."""
    listing = Path(f"/proc/{pid}/cmdline")
    if listing.exists():
        return listing.read_bytes()
    return subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], check=True, capture_output=True
    ).stdout
