"""How settings are written in the environment and in files: as lists, commands, networks."""

from __future__ import annotations

import ipaddress
import re
import shlex
from typing import Any


def as_list(value: Any) -> Any:
    """Split a list from the environment at commas and lines; ``#`` begins a comment."""
    if not isinstance(value, str):
        return value
    lines = (line.partition("#")[0] for line in value.splitlines())
    return tuple(part for line in lines for part in re.split(r"[,\s]+", line) if part)


def as_command(value: Any) -> Any:
    """Into program and arguments, as a shell would: so paths with spaces can be quoted."""
    if not isinstance(value, str):
        return value
    try:
        return tuple(shlex.split(value))
    except ValueError as error:  # its text is no help
        raise ValueError("must be a command whose quotes are closed") from error


def split_keys(text: str) -> tuple[str, ...]:
    """Master keys as a file holds them or a command prints them: as in the setting."""
    keys: tuple[str, ...] = as_list(text)
    return keys


def as_networks(value: Any) -> Any:
    """Addresses and networks. Raises ValueError with what to write instead."""
    try:
        return tuple(ipaddress.ip_network(part) for part in as_list(value))
    except ValueError as error:  # its text quotes the value
        raise ValueError("must be addresses or networks such as 10.0.0.0/8") from error
