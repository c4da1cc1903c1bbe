"""Who sends this request, as the owner of a session is shown it: address and program.

For people to recognise their own devices by. Both can be made up, so nothing is decided by them.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from flask import request

from models.names import printable
from models.rows import Client

_LONGEST_NAME = 200
_REMEMBERED = 4096  # addresses


def this_client() -> Client:
    """The client of this request; behind a trusted proxy, the one that the proxy names."""
    return Client(address(request.remote_addr or ""), _program())


@lru_cache(_REMEMBERED)
def address(text: str) -> str:
    """In its one spelling, without a zone (which may be any text); empty for a Unix socket."""
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def _program() -> str:
    """WSGI shows a header's bytes as Latin-1; who sends more than ASCII means UTF-8."""
    sent = request.headers.get("User-Agent", "")
    return printable(sent.encode("latin-1", "replace").decode("utf-8", "replace"), _LONGEST_NAME)
