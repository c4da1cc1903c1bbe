"""The alphabets: what a username, a secret's name and a label may look like.

ASCII only, on purpose: two names that look alike are equal byte for byte, both engines sort
them the same way, and every character survives a URL, a shell and an environment file.
"""

from __future__ import annotations

import re

from models.rows import SecretName, Username

USERNAME_RULE = "1-64 ASCII letters, digits and _ . - @ +, beginning with a letter or digit"
NAME_RULE = (
    "1-255 characters: ASCII letters, digits and _ . @ + = - in segments joined by single /; "
    "no segment is . or .."
)
LABEL_KEY_RULE = "1-63 ASCII letters, digits and _ . / -"
LABEL_VALUE_RULE = "at most 255 characters, no control characters"
TOKEN_NAME_RULE = USERNAME_RULE + ", and not `session`"
MAX_NAME = 255
MAX_LABELS = 32
MAX_LABEL_VALUE = 255

# \Z, not $: a pattern that ends in $ accepts a trailing newline.
_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}\Z")
_SEGMENT = re.compile(r"[A-Za-z0-9_.@+=-]+\Z")
_LABEL_KEY = re.compile(r"[A-Za-z0-9_./-]{1,63}\Z")
_ID = re.compile(r"[A-Za-z0-9_-]{22}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def parse_username(text: str) -> Username | None:
    """The username in its one kept form, or None if it can't be one."""
    return Username(text.lower()) if _USERNAME.match(text) else None


def parse_secret_name(text: str) -> SecretName | None:
    """The name, or None if no secret can have it.

    ``.`` and ``..`` are refused because clients and proxies resolve them in paths before
    the server sees them: such a secret could be written over JSON and then never be read.
    """
    if not 1 <= len(text) <= MAX_NAME:
        return None
    segments = text.split("/")
    if all(_SEGMENT.match(part) and part not in {".", ".."} for part in segments):
        return SecretName(text)
    return None


def is_token_name(text: str) -> bool:
    """Whether an API token may be called so. Each version says who wrote it: a token's name, or
    ``session``, which therefore is nobody's name, however it is written."""
    return _USERNAME.match(text) is not None and text.lower() != "session"


def begins_a_name(text: str) -> bool:
    """Whether a secret's name can begin with *text*, exactly; see also :func:`is_name_prefix`."""
    return not text or any(map(parse_secret_name, (text, text + "x")))


def is_name_prefix(text: str) -> bool:
    """Whether some name can begin with *text* (the empty prefix is every name's)."""
    return len(text) <= MAX_NAME and all(_SEGMENT.match(part) for part in text.split("/") if part)


def is_name_part(text: str) -> bool:
    """Whether *text* may occur somewhere in a name."""
    return 1 <= len(text) <= MAX_NAME and all(
        _SEGMENT.match(part) for part in text.split("/") if part
    )


def is_id(text: str) -> bool:
    """Whether *text* may be one of our random ids. What cannot be is not looked up."""
    return _ID.match(text) is not None


def printable(text: str, longest: int) -> str:
    """What somebody else calls themselves, safe to show: no control characters, nothing
    invisible that turns the writing direction, not endless."""
    return "".join(filter(str.isprintable, text))[:longest]


def is_label_key(text: str) -> bool:
    """Whether *text* may be a label's key."""
    return _LABEL_KEY.match(text) is not None


def is_label_value(text: str) -> bool:
    """Whether *text* may be a label's value."""
    return len(text) <= MAX_LABEL_VALUE and not _CONTROL.search(text)
