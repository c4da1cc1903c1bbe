"""Where cryptography is used, and with which randomness: a short list that a reviewer can read."""

from __future__ import annotations

import ast
import base64
import re
from collections import Counter
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from flask import Flask

from models.rows import SecretId, UserId, Value
from tests.support.people import Person
from tests.support.source import SOURCES, imports, short, tree
from tests.support.tokens import ACCESS, REFRESH, claims_of, cookie
from utils.crypto import UserKey, generate_user_key, seal
from utils.tokens import new_account_id, new_id, new_one_time_password

on_one_engine = pytest.mark.one_engine("sqlite", "it looks at what is stored, not at how")

# Everything that encrypts, hashes, signs, or makes something nobody can guess. SECURITY.md's
# inventory says what for.
USED = {
    "routes/bearer.py": {"hmac"},
    "routes/openapi.py": {"hashlib"},
    "routes/tokens.py": {"flask_jwt_extended", "hmac", "jwt"},
    "utils/backup.py": {"secrets"},
    "utils/crypto.py": {"cryptography", "hashlib", "hmac"},
    "utils/doctor/certificates.py": {"cryptography"},  # reads the dates of a certificate
    "utils/keyfile.py": {"secrets"},
    "utils/macs.py": {"hashlib", "hmac"},
    "utils/passwords.py": {"bcrypt", "hashlib", "hmac", "secrets"},
    "utils/serving_main.py": {"ssl"},
    "utils/throttle.py": {"hmac"},
    "utils/tokens.py": {"secrets"},
}
CRYPTOGRAPHY = set().union(*USED.values()) | {"ssl", "uuid", "nacl", "Crypto", "argon2", "crypt"}
BITS_16_BYTES = 22  # characters of URL-safe base64 that 128 bits take


def attributes(path: Path, *modules: str) -> set[str]:
    """What a file takes out of *modules*: ``hashlib.sha256``."""
    return {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in modules
    }


def test_cryptography_is_used_in_these_places_only() -> None:
    """To encrypt or to sign somewhere else is to write it down here, and in SECURITY.md."""
    found = {short(path): CRYPTOGRAPHY & set(imports(path)) for path in SOURCES}
    assert {name: used for name, used in found.items() if used} == USED


def test_only_sha_256_is_hashed_with() -> None:
    """And only Fernet encrypts: no mode, padding or algorithm is chosen by hand."""
    used = set().union(*(attributes(path, "hashlib") for path in SOURCES))
    assert used == {"hashlib.sha256"}
    by_name = {
        argument.value
        for path in SOURCES
        for call in ast.walk(tree(path))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in {"hmac.new", "hmac.digest"}
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
    assert by_name == {"sha256"}
    taken = {
        f"{node.module}.{name.name}"
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cryptography")
        for name in node.names
    }
    fernet = {"cryptography.fernet.Fernet", "cryptography.fernet.InvalidToken"}
    assert taken == fernet | {"cryptography.x509"}  # the latter only reads


def test_what_must_not_be_guessed_comes_from_the_operating_system() -> None:
    """``random`` can be predicted from what it gave out: it may only decide what comes first, and
    how long to wait."""
    used = {
        short(path): attributes(path, "random") for path in SOURCES if "random" in imports(path)
    }
    assert used == {
        "utils/db.py": {"random.uniform"},
        "utils/patience.py": {"random.uniform"},
        "utils/rotation.py": {"random.shuffle"},
    }


def test_an_id_is_128_random_bits() -> None:
    """Of sessions, refresh tokens and CSRF tokens: nobody meets one by trying."""
    ids = [new_id() for _ in range(2000)]
    assert len(set(ids)) == len(ids)
    for found in ids:
        assert len(found) == BITS_16_BYTES
        assert len(base64.urlsafe_b64decode(found + "==")) == 16
    # A bit that is always the same would show: of 2000 ids, each has each bit about 1000 times.
    numbers = [int.from_bytes(base64.urlsafe_b64decode(found + "=="), "big") for found in ids]
    for bit in range(128):
        assert 700 < sum(number >> bit & 1 for number in numbers) < 1300


def test_an_account_id_fits_into_its_column_and_is_nobody_elses() -> None:
    """0 is the id under which passwords of accounts that are not there are hashed."""
    ids = {new_account_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert 0 < min(ids) < 2**56 < 2**62 < max(ids) < 2**63


def test_a_one_time_password_can_be_read_aloud() -> None:
    """24 of 31 characters, none of which looks like another, each as likely: 118 bits."""
    passwords = [new_one_time_password() for _ in range(2000)]
    assert {len(password) for password in passwords} == {24}
    assert len(set(passwords)) == 2000
    counts = Counter("".join(passwords))
    assert set(counts) == set("23456789abcdefghjkmnpqrstuvwxyz")
    mean = 24 * 2000 / 31
    assert all(0.8 * mean < count < 1.2 * mean for count in counts.values())


def test_no_initialisation_vector_is_used_twice() -> None:
    """Two values under one key and one IV would show where they begin alike."""
    key = UserKey(Fernet(generate_user_key()))
    sealed = [
        base64.urlsafe_b64decode(seal(key, Value(b"same", "text"), UserId(1), SecretId(1), 1))
        for _ in range(5000)
    ]
    assert len({ciphertext[9:25] for ciphertext in sealed}) == len(sealed)  # version, time, IV


def test_the_source_holds_no_keys() -> None:
    """What stands in a repository is known to everybody who ever cloned it."""
    key = re.compile(r"[A-Za-z0-9_-]{43}=|BEGIN [A-Z ]*PRIVATE KEY|eyJ[A-Za-z0-9_-]{20}")
    assert key.search(Fernet.generate_key().decode()), "the instrument finds what it looks for"
    assert [short(path) for path in SOURCES if key.search(path.read_text("utf-8"))] == []


@on_one_engine
def test_a_session_token_tells_nothing_and_fits_into_a_cookie(app: Flask) -> None:
    """Anybody can read a JWT, so it names numbers only; and a client drops a cookie over 4096
    bytes without a word."""
    longest = Person(app, "x" * 64)
    longest.register()
    answer = longest.login()
    for line in answer.headers.getlist("Set-Cookie"):
        assert len(line.encode()) <= 4096
    for name in (ACCESS, REFRESH):
        claims = claims_of(cookie(longest, name))
        times, names = {"exp", "iat", "nbf"}, {"jti", "sub", "sid", "csrf"}
        assert set(claims) - {"fresh"} == times | names | {"type", "iss", "aud"}
        assert "xxx" not in str(claims)
