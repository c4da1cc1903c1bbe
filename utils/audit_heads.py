"""Where chains end, as the server's log tells it: written there, and found there again.

Whoever writes to the database cannot change the log, so it shows if the end of a chain is gone:
``flask audit verify --heads`` compares.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable

from models.events import ChainId
from models.rows import SystemKey
from utils.db import Database
from utils.store import audit

logger = logging.getLogger("secrets_manager.audit")
logger.setLevel(logging.INFO)  # the root logger's WARNING would drop what is to be kept

_LINE = "audit head chain=%d number=%d mac=%s"
# The same; a log adds what it likes before and after.
HEAD_LINE = re.compile(r"audit head chain=(\d+) number=(\d+) mac=([0-9a-f]{64})\b")


def tell_heads(db: Database, key: SystemKey, chains: Collection[ChainId]) -> None:
    """Those of these chains that are durable and as they were written."""
    with db.read() as tx:
        heads = [(chain, audit.find_head(tx, key, chain)) for chain in sorted(chains)]
    for chain, found in heads:
        if found is not None and found[1]:
            logger.info(_LINE, chain, found[0].number, found[0].last_mac)


def heads_in(log: Iterable[str]) -> list[str]:
    """The heads that a log of the server tells, each once; of the rest nothing is kept."""
    found = (HEAD_LINE.search(line) for line in log)
    return list(dict.fromkeys(match[0] for match in found if match))
