"""What binds rows that are not encrypted: HMAC-SHA256 over all that a row says. No I/O.

API tokens, grants and the audit trail have a system key each, so that a MAC of one is worth nothing
to another. Whoever can write to the database, and has no master key, can neither make such a row
nor change one. Labels and the order of fields are kept for ever: others would make every stored row
a dead one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence

from models.events import ChainId, Head
from models.rows import SystemKey
from utils.tokens import TokenText


def token_mac(key: SystemKey, token: TokenText, row: Sequence[object]) -> str:
    """Over an API token and its *row*: what it may do, whose it is, what it is called.

    The secret alone would let a writer to the database widen a token's powers, or move it to
    another account.
    """
    return _mac(key, "v1 api-token", token.id, token.secret, *row)


def grant_mac(key: SystemKey, row: Sequence[object]) -> str:
    """Over a grant's *row*: which secret of whose, who may do what with it, since when.

    Without it, a writer to the database could let themselves into every secret.
    """
    return _mac(key, "v1 grant", *row)


def event_mac(key: SystemKey, chain: ChainId, said: Sequence[object], previous: str) -> str:
    """Over an event of the audit trail, its place, and the MAC of the one before it: so none can be
    removed, inserted or moved either."""
    return _mac(key, "v1 audit-event", chain, *said, previous)


def head_mac(key: SystemKey, chain: ChainId, head: Head) -> str:
    """Over where a chain begins and ends; under the key of its events, so the label matters."""
    return _mac(
        key, "v1 audit-head", chain, head.anchor, head.anchor_mac, head.number, head.last_mac
    )


def same_mac(stored: object, computed: str) -> bool:
    """Compared in constant time; as bytes, since what is stored may be anything by now."""
    return hmac.compare_digest(str(stored).encode(), computed.encode())


def _mac(key: SystemKey, *fields: object) -> str:
    """JSON keeps the fields apart. A type that it does not know was put there by somebody else: it
    makes another message, and so another MAC."""
    return hmac.new(key, json.dumps(fields, default=repr).encode(), hashlib.sha256).hexdigest()
