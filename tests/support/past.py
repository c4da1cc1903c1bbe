"""What a SQLite installation held at some moment, to be looked for in its files later."""

from __future__ import annotations

import base64
import random
from pathlib import Path

from models.rows import KeyId, PasswordHash, UserId, Username, WrappedKey
from models.times import utcnow
from tests.support.chains import begin_chain
from tests.support.rotation import put
from utils.store import accounts
from utils.tokens import new_account_id
from utils.vault import Vault

PIECE = 24  # bytes of a ciphertext; of any 47 that are left in a row one such piece is whole


def live_for_years(vault: Vault, chance: random.Random) -> None:
    """Small values among a few large ones: pages split and merge most where rows are small."""
    owners = add_owners(vault, 60)
    for _ in range(120):
        with vault.db.write() as tx:
            for _ in range(10):
                size = chance.choice([0, chance.randrange(700), chance.randrange(700)])
                name = f"s{chance.randrange(20)}"
                put(tx, vault, chance.choice(owners), name, chance.randbytes(size))
    with vault.db.write() as tx:
        for size in (1500, 4000, 12_000, 65_536):
            put(tx, vault, owners[0], f"large-{size}", chance.randbytes(size))
        gone = [row[0] for row in tx.all("SELECT id FROM secrets WHERE name LIKE 's%'")]
    chance.shuffle(gone)
    for secret in gone[: len(gone) * 6 // 10]:
        with vault.db.write() as tx:
            tx.run("DELETE FROM secrets WHERE id = ?", secret)


def add_owners(vault: Vault, count: int) -> list[UserId]:
    """Accounts, so that there are pages full of keys too."""
    made = []
    with vault.db.write() as tx:
        for number in range(count):
            name, nobody = Username(f"owner-{number}"), PasswordHash("none")
            account = accounts.create(tx, vault.master, new_account_id(), name, nobody, utcnow())
            begin_chain(tx, vault.audit.key, account)
            made.append(account.id)
    return made


class Past:
    """The ciphertexts and keys of a moment, wrapped and bare, to be looked for later; or only those
    ciphertexts for *which* that is true, of secrets *s* and versions *v*; or only wrapped keys."""

    def __init__(
        self, vault: Vault, *, keys: bool = True, which: str = "true", only_wrapped: bool = False
    ) -> None:
        query = "SELECT v.ciphertext FROM secret_versions v JOIN secrets s ON s.id = v.secret_id "
        with vault.db.read() as tx:
            stored = [row[0] for row in tx.all(query + "WHERE " + which)]
            wrapped = tx.all(
                "SELECT m.key_id, k.owner_id, m.sealed, m.master FROM user_key_material m "
                "JOIN user_keys k ON k.id = m.key_id"
            )
            system = [row[0].encode() for row in tx.all("SELECT sealed FROM system_keys")]
        wrapped = wrapped if keys else []
        texts = [row[2].encode() for row in wrapped]
        if only_wrapped:
            texts, stored, wrapped = texts + system, [], []
        texts += [text.encode() for text in stored]
        for key_id, owner, sealed, master in wrapped:
            key = vault.master.unwrap_user_key(
                WrappedKey(sealed, master), UserId(owner), KeyId(key_id)
            )
            bare = key._signing_key + key._encryption_key
            texts += [bare, base64.urlsafe_b64encode(bare)]
        self.count = len(texts)
        self._pieces = {
            text[start : start + PIECE]
            for text in texts
            for start in range(0, len(text) - PIECE + 1, PIECE)
        }

    def found_in(self, folder: Path) -> dict[str, int]:
        """In which files something of it is left, and how often."""
        counts = {path.name: self._count(path.read_bytes()) for path in folder.iterdir()}
        return {name: count for name, count in counts.items() if count}

    def _count(self, content: bytes) -> int:
        return sum(content[start : start + PIECE] in self._pieces for start in range(len(content)))
