"""Chains of the audit trail: begun for accounts that tests make without the API, and looked at."""

from __future__ import annotations

from models.events import ChainId, Event, chain_of
from models.rows import Account, SystemKey, Username
from tests.support.damage import rows
from utils.audit_check import verify_all
from utils.db import Tx
from utils.store import audit
from utils.vault import Vault


def begin_chain(tx: Tx, key: SystemKey, account: Account) -> None:
    """As a registration does it: an account without a beginning is a fault."""
    event = Event(account.created_at, "account.create", username=account.username)
    audit.append(tx, key, [(chain_of(account.id), event)])


def chain_named(vault: Vault, username: str) -> ChainId:
    """The number of somebody's chain."""
    vault.audit.flush()
    with vault.db.read() as tx:
        return audit.chain_named(tx, Username(username))


def faults(vault: Vault, *heads: str) -> dict[ChainId, int]:
    """Each chain with a fault, and the number of its first."""
    vault.audit.flush()
    found = verify_all(vault.db, vault.audit.key, heads)
    return {chain: fault.number for chain, _, fault in found if fault is not None}


def count(vault: Vault, action: str) -> int:
    """How many events of this kind there are, in all chains."""
    return len(rows(vault, "SELECT 1 FROM audit_events WHERE action = ?", action))
