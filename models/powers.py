"""What an API token may do, and the refusals of what it may not. No I/O: an address, a name or a
scope comes in, and nothing of what is stored decides."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from models.errors import MissingPower

Scope = Literal["read", "write"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MAPPED_BITS = 96  # in front of the IPv4 address in ::ffff:192.0.2.1


@dataclass(frozen=True, slots=True)
class Powers:
    """Scopes, and limits: no prefix means every name, no network every address."""

    scopes: tuple[str, ...]
    prefixes: tuple[str, ...] = ()
    cidrs: tuple[str, ...] = ()
    expires_at: datetime | None = None

    def require_scope(self, scope: Scope) -> None:
        """Raises MissingPower."""
        if scope not in self.scopes:
            raise MissingPower(f"This token lacks the scope `{scope}`. Use one that has it.")

    def require_name(self, name: str) -> None:
        """Raises MissingPower, before anybody looks whether there is such a secret: whoever
        holds the token must not learn that."""
        if self.prefixes and not name.startswith(self.prefixes):
            raise MissingPower(
                "This token is limited to names with other prefixes (`GET /tokens` lists them). "
                "Use one that reaches this name."
            )

    def require_address(self, address: str | None) -> None:
        """Raises MissingPower."""
        if self.cidrs and not _is_inside(address, self.cidrs):
            raise MissingPower(
                "This token is limited to networks (`cidrs`) that this address is not in. Use it "
                "from there."
            )


def parse_network(text: str) -> Network:
    """A network with nothing set behind its prefix. Raises ValueError.

    A zone (``fe80::%eth0/64``) names an interface of one machine, and would be compared with
    addresses that others see. IPv4 within IPv6 becomes the IPv4 that is meant.
    """
    if "%" in text:
        raise ValueError("a network has no zone")
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
    return network


def visible_prefixes(allowed: Iterable[str], asked: str) -> tuple[str, ...]:
    """The beginnings of names that are within *allowed* (none: all) and begin with *asked*.

    Sorted, and none within another: read one after the other, they give every name once, and
    in order.
    """
    allowed = sorted(allowed)
    if not allowed or asked.startswith(tuple(allowed)):
        return (asked,)
    visible: list[str] = []
    for prefix in allowed:
        if prefix.startswith(asked) and not (visible and prefix.startswith(visible[-1])):
            visible.append(prefix)
    return tuple(visible)


def _is_inside(address: str | None, cidrs: tuple[str, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:  # a Unix socket's client has none
        return False
    # A socket that listens on :: shows an IPv4 client as ::ffff:192.0.2.1.
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(parsed in parse_network(cidr) for cidr in cidrs)
