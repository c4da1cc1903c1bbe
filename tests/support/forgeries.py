"""Session tokens that must be refused, each for one reason, and the live one they are made from."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from routes.context import vault_of
from tests.support.people import Person
from tests.support.tokens import b64, claims_of, cookie, header_of, sign, unb64
from utils.store import system

REQUIRED = ("exp", "iat", "nbf", "jti", "type", "sub", "iss", "aud", "sid", "csrf")
MISSING = object()


@dataclass(frozen=True)
class Genuine:
    """A live session's token, and the key that signed it."""

    token: str
    key: bytes
    pepper: bytes
    peppers_number: str

    def with_claims(self, **changed: Any) -> str:
        """The token with other claims, signed with the real key: only the claims are wrong."""
        return sign(header_of(self.token), _changed(claims_of(self.token), changed), self.key)

    def with_header(self, **changed: Any) -> str:
        """The token with another header, signed with the real key."""
        return sign(_changed(header_of(self.token), changed), claims_of(self.token), self.key)

    def with_bytes(self, header: bytes | None = None, claims: bytes | None = None) -> str:
        """The token with other bytes where JSON belongs, signed with the real key."""
        parts = self.token.split(".")
        return sign(header or unb64(parts[0]), claims or unb64(parts[1]), self.key)


def taken_from(person: Person, name: str) -> Genuine:
    """The token that *person* has in the cookie *name*, and the keys that only the service has."""
    vault = vault_of(person.client.application)
    with vault.db.read() as tx:
        signing = system.current_signing_key(tx, vault.master)
        keys = system.load_keys(tx, vault.master)
        row = tx.one("SELECT id FROM system_keys WHERE purpose = 'pepper'")
    assert keys is not None
    assert row is not None
    return Genuine(cookie(person, name), signing.key, keys[system.PEPPER], str(row[0]))


Forgery = Callable[[Genuine], str]


def _changed(former: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in {**former, **changed}.items() if v is not MISSING}


def claims(**changed: Any) -> Forgery:
    """Signed with the real key, so that only these claims are wrong."""
    return lambda genuine: genuine.with_claims(**changed)


def header(**changed: Any) -> Forgery:
    """Signed with the real key, so that only these parts of the header are wrong."""
    return lambda genuine: genuine.with_header(**changed)


def _unsigned(genuine: Genuine, algorithm: str) -> str:
    header = {**header_of(genuine.token), "alg": algorithm}
    return ".".join([b64(json.dumps(header).encode()), genuine.token.split(".")[1], ""])


def _rs256(genuine: Genuine) -> str:
    """Signed with a key of the attacker's own, which the header offers to trust."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    header = {**header_of(genuine.token), "alg": "RS256", "jwk": jwk}
    return jwt.encode(claims_of(genuine.token), pem, algorithm="RS256", headers=header)


def _deep(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


NOW = int(time.time())
_MISTYPED: list[object] = [1, ["x"], {"x": "y"}, True]
_NO_TIMES: list[object] = ["soon", "2030-01-01", [], {}]
FORGERIES: dict[str, Forgery] = {
    # The algorithm is ours to choose.
    "alg none": lambda g: _unsigned(g, "none"),
    "alg None": lambda g: _unsigned(g, "None"),
    "alg NONE": lambda g: _unsigned(g, "NONE"),
    "alg empty": lambda g: _unsigned(g, ""),
    "alg none with the old signature": header(alg="none"),
    "alg HS512": lambda g: sign(
        {**header_of(g.token), "alg": "HS512"}, claims_of(g.token), g.key, hashlib.sha512
    ),
    "alg HS384": lambda g: sign(
        {**header_of(g.token), "alg": "HS384"}, claims_of(g.token), g.key, hashlib.sha384
    ),
    "alg RS256 with its own jwk": _rs256,
    "alg RS256 with an HMAC": header(alg="RS256"),
    "alg missing": header(alg=MISSING),
    "alg a list": header(alg=["HS256"]),
    "alg null": header(alg=None),
    # The key is ours to choose.
    "kid missing": header(kid=MISSING),
    "kid null": header(kid=None),
    "kid a number": header(kid=1),
    "kid a list": header(kid=["1"]),
    "kid an object": header(kid={"1": "1"}),
    "kid unknown": header(kid="999"),
    "kid of a configured key": header(kid="configured"),
    "kid a path": header(kid="../../../../dev/null"),
    "kid a path, empty key": lambda g: sign(
        {**header_of(g.token), "kid": "/dev/null"}, claims_of(g.token), b""
    ),
    "kid SQL": header(kid="1' OR '1'='1"),
    "kid empty": header(kid=""),
    "an empty key": lambda g: sign(header_of(g.token), claims_of(g.token), b""),
    "the key's name as key": lambda g: sign(
        header_of(g.token), claims_of(g.token), header_of(g.token)["kid"].encode()
    ),
    "another system key": lambda g: sign(header_of(g.token), claims_of(g.token), g.pepper),
    "another system key by its number": lambda g: sign(
        {**header_of(g.token), "kid": g.peppers_number}, claims_of(g.token), g.pepper
    ),
    "kid with a leading zero": lambda g: g.with_header(kid="0" + header_of(g.token)["kid"]),
    "kid with a space": lambda g: g.with_header(kid=header_of(g.token)["kid"] + " "),
    "kid with a newline": lambda g: g.with_header(kid=header_of(g.token)["kid"] + "\n"),
    "kid in another alphabet": header(kid="\uff12"),
    "kid negative": header(kid="-1"),
    "kid huge": header(kid="9" * 400),
    "the key unencoded": lambda g: sign(
        header_of(g.token), claims_of(g.token), base64.urlsafe_b64decode(g.key)
    ),
    "a jwk of its own": lambda g: sign(
        {**header_of(g.token), "jwk": {"kty": "oct", "k": b64(b"x" * 32)}},
        claims_of(g.token),
        b"x" * 32,
    ),
    "a jku of its own": lambda g: sign(
        {**header_of(g.token), "jku": "http://127.0.0.1:1/jwks.json"},
        claims_of(g.token),
        b"x" * 32,
    ),
    "an x5u of its own": lambda g: sign(
        {**header_of(g.token), "x5u": "http://127.0.0.1:1/cert.pem"},
        claims_of(g.token),
        b"x" * 32,
    ),
    "critical extensions": header(crit=["exp"]),
    "a detached payload": header(b64=False, crit=["b64"]),
    # Every claim is needed, and means what it says.
    **{f"no {name}": claims(**{name: MISSING}) for name in REQUIRED},
    **{f"{name} null": claims(**{name: None}) for name in REQUIRED},
    **{
        f"{name} {type(value).__name__}": claims(**{name: value})
        for name in ("sub", "sid", "jti", "csrf", "type", "iss", "aud")
        for value in _MISTYPED
    },
    **{
        f"{name} {value!r}": claims(**{name: value})
        for name in ("exp", "iat", "nbf")
        for value in _NO_TIMES
    },
    "iss foreign": claims(iss="another-service"),
    "aud foreign": claims(aud="another-api"),
    "aud foreign list": claims(aud=["another-api"]),
    "type of the other token": lambda g: g.with_claims(
        type={"access": "refresh", "refresh": "access"}[claims_of(g.token)["type"]]
    ),
    "type Access": claims(type="Access"),
    "expired": claims(exp=NOW - 1),
    "expired in 1970": claims(exp=0),
    "expired before 1970": claims(exp=-1),
    "not yet valid": claims(nbf=NOW + 3600),
    "made in the future": claims(iat=NOW + 3600),
    "sid empty": claims(sid=""),
    "sid NUL": claims(sid="\x00"),
    "sub beyond all rows": claims(sub=str(2**63)),
    "sub negative": claims(sub="-1"),
    "sub of 1500 digits": claims(sub="9" * 1500),
    "sub in another alphabet": claims(sub="\uff11"),
    "sub with a space": claims(sub=" 1"),
    "sub a word": claims(sub="alice"),
    "sid surrogate": claims(sid="\ud800"),
    # What is no token at all.
    "empty": lambda _g: "",
    "a word": lambda _g: "token",
    "dots": lambda _g: "..",
    "many dots": lambda _g: "." * 4000,
    "two parts": lambda g: g.token.rpartition(".")[0],
    "no signature": lambda g: g.token.rpartition(".")[0] + ".",
    "four parts": lambda g: g.token + ".x",
    "truncated": lambda g: g.token[:-1],
    "cut in half": lambda g: g.token[: len(g.token) // 2],
    "doubled": lambda g: g.token + g.token,
    "something behind": lambda g: g.token + "A",
    "padding behind": lambda g: g.token + "=",
    "noise in the signature": lambda g: g.token[:-2] + "!" + g.token[-2:],
    "a space inside": lambda g: g.token.replace(".", ". ", 1),
    "standard base64": lambda g: g.token.replace("-", "+").replace("_", "/") + "+",
    "quoted twice": lambda g: f'\\"{g.token}\\"',
    "huge": lambda _g: "A" * 60_000,
    "huge claims": claims(more="x" * 4096),
    "huge number": lambda g: g.with_bytes(claims=b'{"exp":' + b"9" * 2900 + b"}"),
    "infinite number": lambda g: g.with_bytes(
        claims=json.dumps({**claims_of(g.token), "exp": float("inf")}).encode()
    ),
    "not a number": lambda g: g.with_bytes(
        claims=json.dumps({**claims_of(g.token), "exp": float("nan")}).encode()
    ),
    "deep JSON header": lambda g: g.with_bytes(header=_deep(400)),
    "deep JSON claims": lambda g: g.with_bytes(claims=_deep(400)),
    "deeper JSON claims": lambda g: g.with_bytes(claims=b"[" * 2900),
    "deeper JSON header": lambda g: g.with_bytes(header=b"[" * 2900),
    "header a list": lambda g: g.with_bytes(header=b"[]"),
    "header a string": lambda g: g.with_bytes(header=b'"HS256"'),
    "header null": lambda g: g.with_bytes(header=b"null"),
    "header not JSON": lambda g: g.with_bytes(header=b"{"),
    "header not UTF-8": lambda g: g.with_bytes(header=b'{"alg":"\xff"}'),
    "claims a list": lambda g: g.with_bytes(claims=b"[]"),
    "claims null": lambda g: g.with_bytes(claims=b"null"),
    "claims not JSON": lambda g: g.with_bytes(claims=b"\x00"),
    "claims not UTF-8": lambda g: g.with_bytes(claims=b'{"sub":"\xff"}'),
    "not ASCII": lambda g: g.token[:-1] + "é",
    "Kelvin sign": lambda g: g.token[:-1] + "\u212a",
}
