"""An installation whose master key is to be replaced: the key that it has, and the new one."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.fernet import Fernet

from models.errors import MissingMasterKey, Undecryptable
from models.rows import KeyId, UserId, WrappedKey
from tests.support.rotation import Ran, rotate
from utils.crypto import MasterKeys
from utils.db import Database
from utils.vault import Vault


@dataclass(frozen=True)
class Replacement:
    """The old master key, from the instance folder, and the one that replaces it."""

    vault: Vault
    new: str = field(default_factory=lambda: Fernet.generate_key().decode(), repr=False)

    @property
    def old(self) -> str:
        """The one that was made at the first start."""
        return (self.vault.settings.INSTANCE_DIR / "master.key").read_text().strip()

    @property
    def both(self) -> MasterKeys:
        """As every node is to have them meanwhile: the new one wraps, both open."""
        return MasterKeys([self.new, self.old])

    @property
    def alone(self) -> MasterKeys:
        """As every node is to have it at last."""
        return MasterKeys([self.new])

    def rewrap(self, *arguments: str) -> Ran:
        """``rotate_keys.py --rewrap-master`` with both keys."""
        return self.run("--rewrap-master", *arguments)

    def run(self, *arguments: str) -> Ran:
        """``rotate_keys.py`` with both keys."""
        return rotate(self.vault.settings, *arguments, MASTER_KEYS=f"{self.new},{self.old}")


def opens(db: Database, key: str) -> int:
    """How many of the stored keys this master key opens, whatever each row says of its own."""
    master, opened = MasterKeys([key]), 0
    with db.read() as tx:
        users = tx.all(
            "SELECT m.sealed, k.owner_id, m.key_id FROM user_key_material m "
            "JOIN user_keys k ON k.id = m.key_id"
        )
        systems = tx.all("SELECT sealed, purpose, id FROM system_keys")
    for sealed, owner, number in users:
        opened += _opens(master, sealed, UserId(owner), number)
    for sealed, purpose, number in systems:
        opened += _opens(master, sealed, purpose, number)
    return opened


def _opens(master: MasterKeys, sealed: str, whose: UserId | str, number: int) -> bool:
    wrapped = WrappedKey(sealed, master.current)
    try:
        if isinstance(whose, str):
            master.unwrap_system_key(wrapped, whose, number)
        else:
            master.unwrap_user_key(wrapped, whose, KeyId(number))
    except (Undecryptable, MissingMasterKey):
        return False
    return True
