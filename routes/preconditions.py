"""``If-Match`` and ``If-None-Match``: what a write insists on."""

from __future__ import annotations

import re
from typing import Literal

from flask import request

from models.conditions import Conditions, Tags
from models.errors import MalformedRequest
from routes.representations import BARE_SUFFIX

_ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')  # RFC 9110 section 8.8.3


def conditions() -> Conditions:
    """Those of this request. Raises MalformedRequest."""
    return Conditions(_tags("If-Match"), _tags("If-None-Match"))


def _tags(header: Literal["If-Match", "If-None-Match"]) -> Tags | None:
    """The entity tags of a header, or None without one.

    Raises MalformedRequest, more readily than Werkzeug's parser: what it makes of an unclosed
    quote, or of a * among tags, turns a compare-and-set into an overwrite.
    """
    text = request.headers.get(header)
    if text is None:
        return None
    if text.strip() == "*":
        return "*"
    found = _ENTITY_TAG.findall(text)
    if not found or _ENTITY_TAG.sub("", text).strip(" \t,"):
        raise MalformedRequest(f'{header} must be * or a list of quoted tags: "abc".')
    # If-Match compares strongly: a weak tag never matches (RFC 9110 section 13.1.1).
    return frozenset(
        tag.removesuffix(BARE_SUFFIX) for weak, tag in found if not weak or header != "If-Match"
    )
