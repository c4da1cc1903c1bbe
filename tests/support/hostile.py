"""Bodies that are no request: what each is, the bytes, and the statuses that refuse it.

``canary`` stands where a parser's message would quote what it read.
"""

from __future__ import annotations

import json

OBJECT = {"name": "canary", "secret": "canary"}
TEXT = json.dumps(OBJECT)
BAD, WRONG = {400}, {422}

BODIES: dict[str, tuple[bytes, set[int]]] = {
    # Not JSON.
    "nothing": (b"", BAD),
    "white space": (b" \r\n\t", BAD),
    "a word": (b"canary", BAD),
    "a form": (b"name=canary&secret=canary", BAD),
    "half an object": (TEXT[:-1].encode(), BAD),
    "half a string": (b'{"name": "canary', BAD),
    "two documents": (TEXT.encode() * 2, BAD),
    "something behind": (TEXT.encode() + b"canary", BAD),
    "a comma too many": (b'{"name": "canary", "secret": "canary",}', BAD),
    "single quotes": (b"{'name': 'canary', 'secret': 'canary'}", BAD),
    "a comment": (b'/* canary */ {"name": "canary"}', BAD),
    "an unquoted key": (b'{name: "canary"}', BAD),
    "a line break in a string": (b'{"name": "can\nary", "secret": "canary"}', BAD),
    "a NUL in a string": (b'{"name": "canary\x00", "secret": "canary"}', BAD),
    "a NUL behind": (TEXT.encode() + b"\x00", BAD),
    "an unknown escape": (rb'{"name": "canary\x41", "secret": "canary"}', BAD),
    "half an escape": (rb'{"name": "canary\u00", "secret": "canary"}', BAD),
    "a leading zero": (b'{"canary": 01}', BAD),
    "a hexadecimal number": (b'{"canary": 0x1}', BAD),
    # One parser takes the first, another the last.
    "a key twice": (b'{"name": "canary", "secret": "canary", "name": "other"}', BAD),
    "a key twice, escaped": (rb'{"name": "a", "secret": "canary", "\u006eame": "b"}', BAD),
    "a key twice, inside": (b'{"name": "a", "labels": {"canary": "1", "canary": "2"}}', BAD),
    "a key twice, in a list": (b'[{"canary": 1, "canary": 1}]', BAD),
    # Not numbers, or not ones that anybody can keep.
    "NaN": (b'{"name": "canary", "secret": NaN}', BAD),
    "Infinity": (b'{"name": "canary", "secret": Infinity}', BAD),
    "-Infinity": (b'{"name": "canary", "secret": -Infinity}', BAD),
    "1e400": (b'{"name": "canary", "secret": 1e400}', BAD),
    "-1e400": (b'{"name": "canary", "secret": -1e400}', BAD),
    "50 digits": (b'{"name": "canary", "secret": ' + b"9" * 50 + b"}", BAD),
    "5000 digits": (b'{"name": "canary", "secret": ' + b"9" * 5000 + b"}", BAD),
    "-5000 digits": (b'{"name": "canary", "secret": -' + b"9" * 5000 + b"}", BAD),
    "300000 digits": (b'{"name": "canary", "secret": ' + b"1" * 300_000 + b"}", BAD),
    "300000 decimals": (b'{"name": "canary", "secret": 0.' + b"1" * 300_000 + b"}", {400, 422}),
    "1e9999999999": (b'{"name": "canary", "secret": 1e9999999999}', BAD),
    # Too deep for a recursive parser.
    **{
        f"{depth} {what}": (opening * depth + b"1" + closing * depth, {400, 422})
        for depth in (100, 5_000, 100_000)
        for what, opening, closing in (("lists", b"[", b"]"), ("objects", b'{"a":', b"}"))
        if len(opening + closing) * depth < 500_000
    },
    "100000 openings": (b"[" * 100_000, BAD),
    "80000 object openings": (b'{"a":' * 80_000, BAD),
    "deep inside": (b'{"name": "a", "secret": ' + b"[" * 5000 + b"]" * 5000 + b"}", {400, 422}),
    # Not UTF-8, or something before it.
    "a BOM": (b"\xef\xbb\xbf" + TEXT.encode(), BAD),
    **{
        coding: (TEXT.encode(coding), BAD)
        for coding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
    },
    "UTF-7": (b'+AHsAIg-name": "canary"}', BAD),
    "Latin-1": ('{"name": "canaré", "secret": "canary"}'.encode("latin-1"), BAD),
    "a stray byte": (b'{"name": "canary\xff", "secret": "canary"}', BAD),
    "an overlong NUL": (b'{"name": "canary\xc0\x80", "secret": "canary"}', BAD),
    "a surrogate in UTF-8": (b'{"name": "canary\xed\xa0\x80", "secret": "canary"}', BAD),
    "half a character": (b'{"name": "canary\xe2\x82', BAD),
    "beyond Unicode": (b'{"name": "canary\xf4\x90\x80\x80", "secret": "canary"}', BAD),
    # JSON, but no object.
    "null": (b"null", WRONG),
    "true": (b"true", WRONG),
    "a number": (b"1", WRONG),
    "a string": (b'"canary"', WRONG),
    "a string that holds JSON": (json.dumps(TEXT).encode(), WRONG),
    "an empty list": (b"[]", WRONG),
    "a list with the object": (f"[{TEXT}]".encode(), WRONG),
    "a list of pairs": (b'[["name", "canary"], ["secret", "canary"]]', WRONG),
    # Objects that nobody asked for.
    "an unknown field": (b'{"canary": "canary"}', WRONG),
    "a surrogate as a field": (rb'{"\ud800canary": "x", "name": "b", "secret": "x"}', BAD),
    "a NUL as a field": (rb'{"\u0000": "x", "name": "b", "secret": "x"}', WRONG),
    "an empty field": (b'{"": "x", "name": "b", "secret": "x"}', WRONG),
    "10000 fields": (json.dumps({f"canary{i}": i for i in range(10_000)}).encode(), WRONG),
    "a class": (b'{"__class__": {"__init__": {"__globals__": "canary"}}}', WRONG),
}

# Half of a pair of surrogates is no character; what a text column makes of it differs by engine.
LONE = r"\ud800 canary"
SURROGATES: dict[str, tuple[str, str, str]] = {
    "in a new value": ("POST", "/secrets", f'{{"name": "b", "secret": "{LONE}"}}'),
    "in a value": ("PUT", "/secrets/a", f'{{"secret": "{LONE}"}}'),
    "low one in a value": ("PUT", "/secrets/a", r'{"secret": "canary \udfff"}'),
    "swapped in a value": ("PATCH", "/secrets/a", r'{"secret": "\udc00\ud800 canary"}'),
    "in base64": ("PUT", "/secrets/a", f'{{"secret": "{LONE}", "encoding": "base64"}}'),
    "in a name": ("POST", "/secrets", f'{{"name": "{LONE}", "secret": "x"}}'),
    "in an encoding": ("PUT", "/secrets/a", f'{{"secret": "x", "encoding": "{LONE}"}}'),
    "in a label's key": ("PATCH", "/secrets/a", f'{{"labels": {{"{LONE}": "x"}}}}'),
    "in a label's value": ("PATCH", "/secrets/a", f'{{"labels": {{"x": "{LONE}"}}}}'),
    "in an expiry": ("PATCH", "/secrets/a", f'{{"expires_at": "{LONE}"}}'),
    "in a field's name": ("PATCH", "/secrets/a", f'{{"labels": {{}}, "{LONE}": 1}}'),
    "in a new username": ("POST", "/register", f'{{"username": "{LONE}", "password": "canary 1"}}'),
    "in a new password": ("POST", "/register", f'{{"username": "b", "password": "{LONE}"}}'),
    "in a username": ("POST", "/login", f'{{"username": "{LONE}", "password": "canary 1"}}'),
    "in a password": ("POST", "/login", f'{{"username": "alice", "password": "{LONE}"}}'),
}

CONTENT_TYPES: dict[str, tuple[str, ...]] = {
    "none": (),
    "empty": ("Content-Type: ",),
    "text": ("Content-Type: text/plain",),
    "bytes": ("Content-Type: application/octet-stream",),
    "a form": ("Content-Type: application/x-www-form-urlencoded",),
    "multipart": ("Content-Type: multipart/form-data; boundary=canary",),
    "text/json": ("Content-Type: text/json",),
    "JSON and more": ("Content-Type: application/jsonx",),
    "a JSON of others": ("Content-Type: application/vnd.canary+json",),
    "JSON lines": ("Content-Type: application/x-ndjson",),
    "two in one": ("Content-Type: application/json, text/canary",),
    "any": ("Content-Type: */*",),
    "no type": ("Content-Type: json",),
    "bytes that are no ASCII": ("Content-Type: application/\udcff\udcfe",),
    "UTF-16": ("Content-Type: application/json; charset=utf-16",),
    "Latin-1": ('Content-Type: application/json; charset="iso-8859-1"',),
    "an unknown charset": ("Content-Type: application/json; charset=canary",),
    "gzip": ("Content-Type: application/json", "Content-Encoding: gzip"),
}
