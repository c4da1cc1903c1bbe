"""How settings are written in the environment: durations, lists, networks, commands.

Each parser takes a text, or what it would make of one, and raises ValueError with what to write
instead, never with what was written: it may be a key or a password.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_LONGEST = timedelta(days=36_500)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(value: Any) -> Any:
    """``15m`` as a timedelta. Raises ValueError with what to write instead."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", value.strip())
    if match is None:
        raise ValueError("must be a duration such as 90s, 15m, 12h or 7d")
    duration = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if duration > _LONGEST:  # added to the time of day it would leave the calendar
        raise ValueError(f"must be at most {_LONGEST.days}d")
    return duration


def split_list(value: Any) -> Any:
    """Split a list from the environment at commas and lines; ``#`` begins a comment."""
    if not isinstance(value, str):
        return value
    lines = (line.partition("#")[0] for line in value.splitlines())
    return tuple(part for line in lines for part in re.split(r"[,\s]+", line) if part)


def command(value: Any) -> Any:
    """Into program and arguments, as a shell would: so paths with spaces can be quoted."""
    if not isinstance(value, str):
        return value
    try:
        return tuple(shlex.split(value))
    except ValueError as error:  # its text is no help
        raise ValueError("must be a command whose quotes are closed") from error


def split_keys(text: str) -> tuple[str, ...]:
    """Master keys as a file holds them or a command prints them: as in the setting."""
    keys: tuple[str, ...] = split_list(text)
    return keys


def networks(value: Any) -> Any:
    """Addresses or networks, as objects."""
    try:
        return tuple(ipaddress.ip_network(part) for part in split_list(value))
    except ValueError as error:  # its text quotes the value
        raise ValueError("must be addresses or networks such as 10.0.0.0/8") from error


def folder(value: Any) -> Any:
    """An empty one would be the current folder, wherever that is."""
    if value == "":
        raise ValueError("must name a folder")
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration), Field(gt=timedelta(0))]
Command = Annotated[tuple[str, ...], BeforeValidator(command)]
Strings = Annotated[tuple[str, ...], BeforeValidator(split_list)]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
