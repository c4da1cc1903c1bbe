"""All encryption of stored data. No I/O: keys and ciphertexts come in and go out as arguments.

Three levels (envelope encryption):

    master key (KEK)      from the operator; wraps the keys below, never touches a secret
      user key (DEK)      one current per user, wrapped in the database; seals that user's values
      system key          the service's own, for passwords, tokens, grants and the audit trail:
                          random, wrapped the same way

Everything is Fernet: AES-128-CBC with PKCS#7 padding, then HMAC-SHA256 over version, time, IV and
ciphertext (encrypt-then-MAC, a fresh random IV each time). Fernet has no associated data, so a
valid ciphertext would open in any row under the same key. Therefore each plaintext begins with
its *place*, the identity of the row it belongs to, and opening compares it: a ciphertext
that somebody copied to another row does not open there.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from functools import lru_cache
from typing import NewType

from cryptography.fernet import Fernet, InvalidToken

from models.errors import ConfigurationError, MissingMasterKey, Undecryptable
from models.rows import (
    Ciphertext,
    KeyId,
    KeyMaterial,
    SecretId,
    SystemKey,
    UserId,
    Value,
    ValueKind,
    WrappedKey,
)

# Opens one user's secrets; never stored. Ready to use rather than bytes: parsing a key costs
# a tenth of a decryption, and a Fernet object does not print what it holds.
UserKey = NewType("UserKey", Fernet)

# Opened keys that a process keeps: one is some 2 KB.
_REMEMBERED = 4096
_KIND_MARKS: dict[ValueKind, bytes] = {"text": b"t", "bytes": b"b"}
_KINDS_BY_MARK: dict[bytes, ValueKind] = {mark: kind for kind, mark in _KIND_MARKS.items()}


class MasterKeys:
    """The configured master keys: the first wraps, every one unwraps.

    A wrapped key names its master key by fingerprint, so there is no trial decryption, and
    what is missing can be named without showing any of it.
    """

    __slots__ = ("_by_fingerprint", "_system_key", "_user_key", "current")

    def __init__(self, keys: Iterable[str]) -> None:
        self._by_fingerprint: dict[str, Fernet] = {}
        for key in keys:
            self._by_fingerprint[fingerprint(key)] = _fernet(key)
        if not self._by_fingerprint:
            raise ConfigurationError("No master key is configured: set SECRETS_MASTER_KEYS.")
        self.current = next(iter(self._by_fingerprint))
        # What a wrapped key opens to never changes, so it is opened once. It comes out of a row on
        # each request all the same: with the row gone, nothing asks for it any more.
        self._user_key = lru_cache(_REMEMBERED)(self._open_user_key)
        self._system_key = lru_cache(_REMEMBERED)(self._open_system_key)

    def __repr__(self) -> str:
        return f"<MasterKeys {' '.join(self._by_fingerprint)}>"

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Fingerprints of all configured master keys, the current one first."""
        return tuple(self._by_fingerprint)

    def wrap_user_key(self, key: KeyMaterial, owner: UserId, key_id: KeyId) -> WrappedKey:
        """Seal *key* for its row under the current master key."""
        return self._wrap(key, _user_key_place(owner, key_id))

    def unwrap_user_key(self, wrapped: WrappedKey, owner: UserId, key_id: KeyId) -> UserKey:
        """Open a user key. Raises MissingMasterKey or Undecryptable."""
        return self._user_key(wrapped, owner, key_id)

    def _open_user_key(self, wrapped: WrappedKey, owner: UserId, key_id: KeyId) -> UserKey:
        return UserKey(Fernet(self._unwrap(wrapped, _user_key_place(owner, key_id))))

    def wrap_system_key(self, key: SystemKey, purpose: str, number: int) -> WrappedKey:
        """Seal a system key for its row under the current master key."""
        return self._wrap(key, _system_key_place(purpose, number))

    def unwrap_system_key(self, wrapped: WrappedKey, purpose: str, number: int) -> SystemKey:
        """Open a system key. Raises MissingMasterKey or Undecryptable."""
        return self._system_key(wrapped, purpose, number)

    def _open_system_key(self, wrapped: WrappedKey, purpose: str, number: int) -> SystemKey:
        return SystemKey(self._unwrap(wrapped, _system_key_place(purpose, number)))

    def rewrap_user_key(self, wrapped: WrappedKey, owner: UserId, key_id: KeyId) -> WrappedKey:
        """The same key under the current master key. Raises MissingMasterKey or Undecryptable."""
        return self._rewrap(wrapped, _user_key_place(owner, key_id))

    def rewrap_system_key(self, wrapped: WrappedKey, purpose: str, number: int) -> WrappedKey:
        """The same key under the current master key. Raises MissingMasterKey or Undecryptable."""
        return self._rewrap(wrapped, _system_key_place(purpose, number))

    def _rewrap(self, wrapped: WrappedKey, place: bytes) -> WrappedKey:
        """Proven to open before it is returned: what it replaces will be gone."""
        key = self._unwrap(wrapped, place)
        renewed = self._wrap(key, place)
        if self._unwrap(renewed, place) != key:
            raise Undecryptable("A key did not survive being wrapped anew.")
        return renewed

    def _wrap(self, key: bytes, place: bytes) -> WrappedKey:
        fernet = self._by_fingerprint[self.current]
        return WrappedKey(fernet.encrypt(place + key).decode(), self.current)

    def _unwrap(self, wrapped: WrappedKey, place: bytes) -> bytes:
        fernet = self._by_fingerprint.get(wrapped.master)
        if fernet is None:
            raise MissingMasterKey(missing_master_key_sentence({wrapped.master}))
        return _open(fernet, wrapped.sealed, place)


def _fernet(master_key: str) -> Fernet:
    """Takes a key in its one canonical spelling. Fernet's decoder skips what it doesn't know and
    stops at the padding: two keys run together would pass for the first of them, under a
    fingerprint that nothing in the database has. Raises ConfigurationError."""
    try:
        if base64.urlsafe_b64encode(base64.urlsafe_b64decode(master_key)).decode() == master_key:
            return Fernet(master_key)
    except ValueError:  # not base64, or not 32 bytes; its text could quote the key
        pass
    raise ConfigurationError(
        "A master key is not 32 bytes in URL-safe base64. Put the right one back into instance/"
        "master.key or SECRETS_MASTER_KEYS, or mend what its command prints; only for a "
        "new installation, make one with: "
        "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
    )


def missing_master_key_sentence(fingerprints: Iterable[str]) -> str:
    """The one line an operator reads when keys are wrapped under a master key not given here."""
    wanted = ", ".join(sorted(fingerprints))
    return (
        f"The database needs master key {wanted}, which is not configured. "
        "Put it back beside the others; to be rid of it, first run rotate_keys.py --rewrap-master."
    )


def fingerprint(master_key: str) -> str:
    """16 hex digits that name a master key and tell nothing else about it.

    A keyed hash with a label of its own, so that it can never coincide with anything
    that Fernet computes from the same key.
    """
    return hmac.new(master_key.encode(), b"master key fingerprint", hashlib.sha256).hexdigest()[:16]


def generate_user_key() -> KeyMaterial:
    """A new random user key (from os.urandom)."""
    return KeyMaterial(Fernet.generate_key())


def generate_system_key() -> SystemKey:
    """A new random system key, from there too."""
    return SystemKey(Fernet.generate_key())


def generate_master_key() -> str:
    """A new random master key, from there too."""
    return Fernet.generate_key().decode()


def seal(key: UserKey, value: Value, owner: UserId, secret: SecretId, version: int) -> Ciphertext:
    """Encrypt *value* for one version row. It opens in no other."""
    plaintext = _value_place(owner, secret, version) + _KIND_MARKS[value.kind] + value.data
    return Ciphertext(key.encrypt(plaintext).decode())


def unseal(
    key: UserKey, ciphertext: Ciphertext, owner: UserId, secret: SecretId, version: int
) -> Value:
    """Decrypt the value of one version row.

    Raises Undecryptable when it was changed, moved from another row, or sealed under
    another key; which of these cannot be told apart, nor should it be.
    """
    opened = _open(key, ciphertext, _value_place(owner, secret, version))
    kind = _KINDS_BY_MARK.get(opened[:1])
    if kind is None:
        raise Undecryptable("A ciphertext opened to something that is not a value.")
    return Value(opened[1:], kind)


def reseal(
    old: UserKey,
    new: UserKey,
    ciphertext: Ciphertext,
    owner: UserId,
    secret: SecretId,
    version: int,
) -> Ciphertext:
    """The same value, in the same place, under another key; proven to open before it is returned.

    Raises Undecryptable.
    """
    plaintext = _decrypt_in_place(old, ciphertext, _value_place(owner, secret, version))
    renewed = new.encrypt(plaintext)
    if new.decrypt(renewed) != plaintext:
        raise Undecryptable("A value did not survive its re-encryption.")
    return Ciphertext(renewed.decode())


def _open(fernet: Fernet, sealed: str, place: bytes) -> bytes:
    """What was sealed for *place*, without the place."""
    return _decrypt_in_place(fernet, sealed, place)[len(place) :]


def _decrypt_in_place(fernet: Fernet, sealed: str, place: bytes) -> bytes:
    """Decrypt, then insist on the place.

    The comparison need not take constant time: by now the MAC is verified, and a place
    holds nothing but row numbers.
    """
    try:
        plaintext = fernet.decrypt(sealed)
    except (InvalidToken, ValueError) as error:  # ValueError: text that isn't ASCII
        raise Undecryptable("A ciphertext does not open with its key.") from error
    if not plaintext.startswith(place):
        raise Undecryptable("A ciphertext belongs to another row.")
    return plaintext


# Places. Fixed words and decimal numbers, ended by a newline: no place is the beginning of
# another, so none can be stretched into its neighbour. The name is not part of it, so that
# moving a secret needs no re-encryption. v1 lets a later scheme tell itself apart.


def _value_place(owner: UserId, secret: SecretId, version: int) -> bytes:
    return b"v1 value owner=%d secret=%d version=%d\n" % (owner, secret, version)


def _user_key_place(owner: UserId, key_id: KeyId) -> bytes:
    return b"v1 user-key owner=%d key=%d\n" % (owner, key_id)


def _system_key_place(purpose: str, number: int) -> bytes:
    return b"v1 system-key purpose=%s key=%d\n" % (purpose.encode(), number)
