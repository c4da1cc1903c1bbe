"""Many secrets with their values at once: the newest version of each that an export asks for."""

from __future__ import annotations

from datetime import datetime

from models.errors import FieldProblem, InvalidFields
from models.rows import Secret, SecretQuery, UserId
from models.times import to_microseconds
from utils.crypto import MasterKeys
from utils.db import Tx
from utils.store.secret_reads import AFTER_ANY_NAME, opened
from utils.store.secret_rows import LIVE, WITH_VALUE, labels_json

MAX_SECRETS = 1_000
MAX_BYTES = 4 * 1024 * 1024
# The same as ciphertexts: base64, and around each value its place, Fernet's header and padding.
_MAX_STORED = MAX_BYTES * 4 // 3 + MAX_SECRETS * 300

_NEWEST = (
    "FROM secrets s JOIN secret_versions v ON v.secret_id = s.id AND v.number = s.version "
    "JOIN user_keys k ON k.id = v.key_id "
    "JOIN user_key_material m ON m.key_id = k.id "
    "WHERE s.owner_id = ? AND s.name >= ? AND s.name < ? AND " + LIVE + " "
    # As in a list: a fragment "key":"value" of the labels' text, or nothing.
    "AND (CAST(? AS TEXT) = '' OR replace(s.labels, CAST(? AS TEXT), '') <> s.labels) "
)
_SIZE = (
    "SELECT count(*), coalesce(sum(w.size), 0) FROM "  # noqa: S608
    "(SELECT length(v.ciphertext) AS size " + _NEWEST + "LIMIT ?) w"
)
_READ = "SELECT " + WITH_VALUE + _NEWEST + "ORDER BY s.name"


def export(
    tx: Tx, master: MasterKeys, owner: UserId, query: SecretQuery, now: datetime
) -> list[Secret]:
    """Decrypt all live secrets that match, in byte order of names: two statements for each prefix.

    They are measured first: what is too much is neither read nor decrypted.
    Raises InvalidFields, Undecryptable, MissingMasterKey.
    """
    fragment = "" if query.label is None else labels_json(dict([query.label]))[1:-1]
    filters = (to_microseconds(now), fragment, fragment)
    ranges = [(owner, prefix, prefix + AFTER_ANY_NAME, *filters) for prefix in query.prefixes]
    sizes = [tx.all(_SIZE, *bounds, MAX_SECRETS + 1)[0] for bounds in ranges]
    if sum(row[0] for row in sizes) > MAX_SECRETS or sum(row[1] for row in sizes) > _MAX_STORED:
        raise _too_much()
    secrets = [opened(row, owner, master) for bounds in ranges for row in tx.all(_READ, *bounds)]
    if sum(len(secret.value.data) for secret in secrets) > MAX_BYTES:
        raise _too_much()
    return secrets


def _too_much() -> InvalidFields:
    return InvalidFields(
        [
            FieldProblem(
                "?prefix",
                f"must be narrower: an export holds at most {MAX_SECRETS} secrets and {MAX_BYTES} "
                "bytes of values",
            )
        ]
    )
