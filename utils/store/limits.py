"""How many secrets an account, and versions a secret, may have.

To be asked inside the write transaction, with the owner's row locked: two writers could else both
find room for the last one.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.errors import LimitReached
from models.rows import Act, SecretId
from utils.db import Tx

_COUNTS = (
    "WITH asked (id) AS (VALUES {rows}) SELECT v.secret_id FROM secret_versions v "
    "WHERE v.secret_id IN (SELECT id FROM asked) GROUP BY v.secret_id HAVING count(*) >= ?"
)


def require_room(tx: Tx, act: Act, more: int) -> None:
    """Raises LimitReached unless the account may have *more* secrets than it has."""
    most = act.limits.secrets
    if most == 0:
        return
    row = tx.one("SELECT count(*) FROM secrets WHERE owner_id = ?", act.owner)
    if row is not None and row[0] + more > most:
        raise LimitReached(
            f"An account has at most {most} secrets; deleted and expired ones count until they are "
            "purged. Use the name of one that is not needed again, or destroy some."
        )


def require_room_for_version(tx: Tx, act: Act, secret: SecretId, number: int) -> None:
    """Raises LimitReached if the secret has as many versions as it may have."""
    if full(tx, act, [(secret, number)]):
        raise too_many_versions(act)


def full(tx: Tx, act: Act, next_versions: Sequence[tuple[SecretId, int]]) -> set[SecretId]:
    """Which of these secrets have no room for their next version, of that number.

    Numbers begin at 1, so that nobody has to count before one is over the limit.
    """
    most = act.limits.versions
    asked = [(secret,) for secret, number in next_versions if 0 < most < number]
    return {SecretId(row[0]) for row in tx.all_of(_COUNTS, asked, most)} if asked else set()


def too_many_versions(act: Act) -> LimitReached:
    """What is said of a secret that has no room."""
    return LimitReached(
        f"A secret has at most {act.limits.versions} versions. Destroy old ones, or let the "
        "operator run `flask purge`."
    )
