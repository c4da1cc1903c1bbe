"""Chains of the audit trail for accounts that tests make without the API."""

from __future__ import annotations

from models.events import Event, chain_of
from models.rows import Account, SystemKey
from utils.db import Tx
from utils.store import audit


def begin_chain(tx: Tx, key: SystemKey, account: Account) -> None:
    """As a registration does it: an account without a beginning is a fault."""
    event = Event(account.created_at, "account.create", username=account.username)
    audit.append(tx, key, [(chain_of(account.id), event)])
