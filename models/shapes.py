"""The rules of ``models/names`` as JSON Schema, for whoever writes a client or generates requests.

The checks themselves are Python (a pattern's refusal would not say what is wrong); what stands here
only describes them. The fuzzer compares the two: it sends what these allow, and expects it to be
taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import ConfigDict, WithJsonSchema
from pydantic.config import JsonDict

from models import names

# A segment that is not . or .., in a way that needs no look-ahead: not all patterns know that.
_CHARACTER = "[A-Za-z0-9_.@+=-]"
_SEGMENT = rf"(?:\.{{0,2}}[A-Za-z0-9_@+=-]{_CHARACTER}*|\.{{3}}{_CHARACTER}*)"
_ID = "[A-Za-z0-9_-]{22}"
_CONTROL = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"


def text(**keywords: Any) -> WithJsonSchema:
    """A string, as these keywords of JSON Schema describe it."""
    return WithJsonSchema({"type": "string", **keywords})


USERNAME = text(pattern="^[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}$", description=f"{names.USERNAME_RULE}")
SECRET_NAME = text(
    minLength=1,
    maxLength=names.MAX_NAME,
    pattern=f"^{_SEGMENT}(?:/{_SEGMENT})*$",
    description=names.NAME_RULE,
)
PREFIX = text(
    maxLength=names.MAX_NAME,
    pattern="^[A-Za-z0-9_.@+=/-]*$",
    description="the beginning of a name",
)
NAME_PART = text(
    minLength=1,
    maxLength=names.MAX_NAME,
    pattern="^[A-Za-z0-9_.@+=/-]+$",
    description="a part of a name, in any case",
)
LABEL = text(
    pattern=f"^[A-Za-z0-9_./-]{{1,63}}:[^{_CONTROL}]{{0,{names.MAX_LABEL_VALUE}}}$",
    description="key:value",
)
LABELS = WithJsonSchema(
    {
        "type": "object",
        "maxProperties": names.MAX_LABELS,
        "propertyNames": {"pattern": "^[A-Za-z0-9_./-]{1,63}$"},
        "additionalProperties": {
            "type": "string",
            "maxLength": names.MAX_LABEL_VALUE,
            "pattern": f"^[^{_CONTROL}]*$",
        },
        "description": f"a key is {names.LABEL_KEY_RULE}; a value has {names.LABEL_VALUE_RULE}",
    }
)
DETAIL = WithJsonSchema(
    {
        "type": "object",
        "properties": {
            "from": {"type": "string", "description": "of a move"},
            "to": {"type": "string", "description": "of a move"},
            "version": {"type": "integer", "description": "that was rolled back to"},
            "versions": {
                "description": "that were destroyed; how many were purged",
                "anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "integer"}],
            },
            "all": {"type": "boolean", "description": "of the versions were destroyed"},
            "secrets": {"type": "integer", "description": "how many were purged"},
            "reason": {"type": "string", "enum": ["deleted", "expired", "excess"]},
            "grantee": {"type": "string", "description": "with whom it is shared"},
            "permission": {"type": "string", "enum": ["read", "write"]},
            "owner": {"type": "string", "description": "of a shared secret"},
            "on_conflict": {"type": "string", "enum": ["fail", "skip", "overwrite"]},
            "dry_run": {"type": "boolean", "description": "whether nothing was imported"},
            "result": {"type": "string", "description": "what an import made of this name"},
            "number": {"type": "integer", "description": "of the newest event that was restored"},
            "mac": {"type": "string", "description": "of that event"},
        },
        "additionalProperties": False,
        "description": "what the action has to tell besides; null for nothing",
    }
)
MOMENT = text(format="date-time", description="RFC 3339 with an offset")
PASSWORD = text(
    minLength=8, maxLength=1024, description="at most 1024 bytes in UTF-8, and none that many use"
)
TOKEN_NAME = text(
    pattern="^[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}$", description=f"{names.TOKEN_NAME_RULE}"
)
TOKEN_PREFIX = text(
    minLength=1,
    maxLength=names.MAX_NAME,
    pattern=f"^(?:{_SEGMENT}/)*{_CHARACTER}*$",
    description="the beginning of a secret's name, not an empty one",
)
CIDR = text(
    pattern="^[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?$",
    description="a network such as 10.0.0.0/8 or 2001:db8::/32, with no bits after its prefix",
)
ID = text(pattern=f"^{_ID}$", description="an id, as a list shows it")
CURSOR = text(pattern="^[A-Za-z0-9_-]+$", description="the `next_cursor` of a page, unchanged")
ASSIGNMENTS: JsonDict = {"type": "string", "description": "a .env file: lines of NAME=value"}
NUMBER = text(
    pattern="^[1-9][0-9]{0,8}$", description="the `next_cursor` of a page, unchanged: a number"
)
ACTION = text(
    pattern=r"^[a-z-]{1,32}(?:\.[a-z-]{1,32})?$", description="an action, such as secret.read"
)
NEW_PREFIX = text(
    maxLength=names.MAX_NAME - 1,  # a name goes on behind it
    pattern=f"^(?:{_SEGMENT}/)*{_CHARACTER}*$",
    description="what is put before each name",
)
# Either of its fields, and not null: what is to go is said in full.
ONE_OF_ITS_FIELDS: JsonDict = {
    "minProperties": 1,
    "maxProperties": 1,
    "properties": {
        "versions": {
            "type": "array",
            "items": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
            "minItems": 1,
            "maxItems": 100,
        },
        "all": {"const": True},
    },
    "examples": [{"versions": [1, 2]}],
}
MOMENT_CURSOR = text(
    pattern=rf"^[1-9][0-9]{{0,17}}\.{_ID}$", description="the `next_cursor` of a page, unchanged"
)
# Canonical: the bits that the last character has left over are zero.
BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"


def something(fields: Iterable[str]) -> JsonDict:
    """What a PATCH says: at least one of *fields*; `encoding` alone says nothing."""
    return {
        "anyOf": [{"required": [field]} for field in fields],
        "dependentRequired": {"encoding": ["secret"]},
    }


def secret_fields(longest: int, **keywords: Any) -> ConfigDict:
    """What `encoding` says of `secret`, whose value has at most *longest* bytes."""
    in_base64: JsonDict = {"pattern": BASE64, "maxLength": (longest + 2) // 3 * 4}
    return ConfigDict(
        json_schema_extra={
            "if": {"properties": {"encoding": {"const": "base64"}}, "required": ["encoding"]},
            "then": {"properties": {"secret": {"type": "string", **in_base64}}},
            "else": {"properties": {"secret": {"type": "string", "maxLength": longest}}},
            **keywords,
        }
    )
