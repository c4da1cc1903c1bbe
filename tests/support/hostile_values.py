"""Values that somebody's parser would change, cut or run."""

from __future__ import annotations

import random

# Each would leave a file where it ran, in whichever way it came to run.
_COMMANDS = (
    "$(>ran)",
    "`>ran`",
    ";>ran;",
    "\n>ran\n",
    "'$(>ran)'",
    "';>ran;'",
    "\\';>ran;'",
    '"$(>ran)"',
    '";>ran;"',
    "a[$(>ran)]",
    "<(>ran)",
    "$((a[$(>ran)]))",
    "'\n>ran\n'",
    "() { :;}; >ran",
)
_PIECES = (
    *("'", '"', "\\", "`", "$", "#", " #", "=", "!", "!!", "&", "|", ";", "~", "*", "?", "%", "^"),
    *("${HOME}", "${", "}", "${:-", "${:-$}", "${A:-b}", "$HOME", "$'\\n'", '$"x"', "{a,b}", "$$"),
    *("\\n", "\\t", "\\\\", "\\'", '\\"', "\\x41", "\\u0041", "\\0", "\\\n", "''", '""', "'\\''"),
    *("\n", "\r", "\r\n", "\t", "\v", "\f", "\x1b[31m", "\x01", "\x7f", "\x00", "\x1c", "\x85"),
    *(" ", "  ", "\u00a0", "\u2028", "\u2029", "\u3000", "\ufeff", "\u200b", "\u202e", "\ufffd"),
    *("a", "B", "0", "é", "€", "\U0001f511", "e\u0301", "\u0130", "ß", "漢字", "\U0010ffff"),
    *("export X=1", "A=1", "\nA=1", "# comment", "null", "true", "{}", "[1]", "<<EOF", "EOF"),
    *("-----BEGIN KEY-----\nAAAA\n-----END KEY-----\n", '{"a": "b\\n"}', "p@ss'w\"ord\\", "\x1a"),
)


def hostile_value(dice: random.Random) -> str:
    """A text of a few such pieces, sometimes long, sometimes of any characters at all."""
    kind = dice.random()
    if kind < 0.1:
        return "".join(_any_character(dice) for _ in range(dice.randrange(12)))
    if kind < 0.102:
        return dice.choice(_PIECES) * dice.randrange(1, 3_000)
    pieces = dice.choices(_PIECES, k=dice.randrange(9))
    if dice.random() < 0.5:
        pieces.insert(dice.randrange(len(pieces) + 1), dice.choice(_COMMANDS))
    return "".join(pieces)


def _any_character(dice: random.Random) -> str:
    code = dice.randrange(*dice.choice(((0x00, 0x80), (0x80, 0x3000), (0x3000, 0x110000))))
    return "?" if 0xD800 <= code < 0xE000 else chr(code)
