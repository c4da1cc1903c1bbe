"""How often something may be done: which limits it falls under, and their arithmetic.

A guess at a password: three leaky buckets, each under the name as it was typed, so that they are
the same for accounts that exist, are disabled, or never were:

    pair        account and source     a script that tries on: 10 at once, 10 more in 15 minutes
    account     from everywhere        many machines that share the work
    source      for every account      one machine that tries one password on many accounts

The account's own limit would let anybody lock its owner out, so it does not apply to sources that
the account has logged in from (``utils/store/attempts.py`` remembers them).

And one bucket a source for accounts that it registers, so that nobody fills the disk with them; and
one each for the requests of a source and of a principal (``utils/pace.py``).

What is stored is a keyed hash of names and addresses: people type their password as their name,
and where somebody works from is nobody's business.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from models.names import parse_username
from models.rows import SystemKey

# Begins with no digit, as what the pepper makes of passwords does.
_PURPOSE = b"subjects of login attempts"
_MICROSECOND = timedelta(microseconds=1)
_HOUR, _MINUTE = timedelta(hours=1), timedelta(minutes=1)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: IPv4 clients, through a translator
_IPV4_BITS, _INTERFACE_BITS = 32, 64
_REMEMBERED = 4096  # addresses: to parse one takes as long as to look up a session


@dataclass(frozen=True, slots=True)
class Bucket:
    """*units* attempts at once, and one more each *cost* microseconds."""

    subject: str
    units: int
    cost: int

    @property
    def capacity(self) -> int:
        """How long it takes until all units are back."""
        return self.units * self.cost


@dataclass(frozen=True, slots=True)
class Guess:
    """A password that somebody sends for a name, from somewhere: the limits it falls under."""

    pair: str  # names the pair of account and source, also where it is known
    everywhere: tuple[Bucket, ...]
    unknown_source: tuple[Bucket, ...]

    def buckets(self, *, known: bool) -> list[Bucket]:
        """In an order that is the same for everybody: two that wait for each other's row in
        opposite orders would wait for ever."""
        apply = self.everywhere if known else self.everywhere + self.unknown_source
        return sorted(apply, key=lambda bucket: bucket.subject)


class Throttle:
    """Turns names and addresses into buckets. Holds no counts: those are in the database, so that
    they are one for all workers, and survive a restart."""

    def __init__(
        self,
        pepper: SystemKey,
        window: timedelta,
        pair: int,
        account: int,
        source: int,
        registrations: int = 0,
        requests: tuple[int, int] = (0, 0),  # per minute, of a principal and of a source
    ) -> None:
        self._key = hmac.digest(pepper, _PURPOSE, "sha256")
        self._window = window
        self._pair, self._account, self._source = pair, account, source
        self._registrations = registrations
        self._of_principal, self._of_source = requests
        # Asked for on each request, and always the same.
        self.requests_of_principal = lru_cache(_REMEMBERED)(self._requests_of_principal)
        self.requests_of_source = lru_cache(_REMEMBERED)(self._requests_of_source)

    def guess(self, username: str, address: str | None) -> Guess:
        """The limits for a password sent for *username*, as typed, from *address*."""
        source = source_of(address)
        name = parse_username(username) or username
        pair = self._subject("pair", source, name)
        return Guess(
            pair=pair,
            everywhere=(
                *_bucket(pair, self._pair, self._window),
                *_bucket(self._subject("source", source), self._source, self._window),
            ),
            unknown_source=_bucket(self._subject("account", "", name), self._account, self._window),
        )

    def registration(self, address: str | None) -> tuple[Bucket, ...]:
        """The limit for an account that somebody registers from *address*."""
        subject = self._subject("registration", source_of(address))
        return _bucket(subject, self._registrations, _HOUR)

    def _requests_of_principal(self, who: str) -> tuple[Bucket, ...]:
        """The limit for requests by the token, or the account, with this id."""
        return _bucket(self._subject("principal", who), self._of_principal, _MINUTE)

    def _requests_of_source(self, address: str | None) -> tuple[Bucket, ...]:
        """The limit for requests from *address*."""
        return _bucket(self._subject("requests", source_of(address)), self._of_source, _MINUTE)

    def _subject(self, kind: str, source: str, name: str = "") -> str:
        """Only the last part may hold a NUL, so the parts can't run into each other."""
        message = f"{kind}\x00{source}\x00{name}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, "sha256").hex()


def _bucket(subject: str, units: int, window: timedelta) -> tuple[Bucket, ...]:
    """None for 0: no limit. The cost is rounded up, so that no unit comes early."""
    return (Bucket(subject, units, -(-(window // _MICROSECOND) // units)),) if units else ()


@lru_cache(_REMEMBERED)
def source_of(address: str | None) -> str:
    """Who shares a limit: one IPv4 address, or one IPv6 /64, which is what a customer gets.

    Through a socket without addresses all come from one place.
    """
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    if parsed in _NAT64:  # else all of IPv4 would be one /64
        return str(ipaddress.IPv4Address(int(parsed) % 2**_IPV4_BITS))
    return str(ipaddress.IPv6Address(int(parsed) >> _INTERFACE_BITS << _INTERFACE_BITS))
