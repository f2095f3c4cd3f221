"""The address of a client, also of one behind a trusted proxy."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_WITH_PORT = re.compile(r"\[(?P<six>[^\]]*)\](:\d{1,5})?|(?P<four>\d+(\.\d+){3}):\d{1,5}")


def is_among(address: str, networks: Iterable[Network]) -> bool:
    """Whether one of the networks has the address."""
    try:
        known = _parse(address)
    except ValueError:  # of no socket of the internet
        return False
    return any(known in one for one in networks)


def find_address(peer: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """Return the client's address: the last one that is not a trusted proxy's.

    Each proxy appends the address of its client to `forwarded`, the value of X-Forwarded-For. Earlier entries
    may be forged. Raise ValueError if a trusted proxy gives no valid address.
    """
    entries = [part.strip() for part in forwarded.split(",")] if forwarded else []
    address = peer
    while entries and is_among(address, proxies):
        last = entries.pop()
        match = _WITH_PORT.fullmatch(last)
        address = str(_parse((match["six"] or match["four"]) if match else last))
    return address


def client_key(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the first 64 bits of an IPv6 address."""
    try:
        known = _parse(address)
    except ValueError:
        return address
    if known.version == 4:
        return str(known)
    return str(ipaddress.ip_network((int(known), 64), strict=False))


def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    known = ipaddress.ip_address(address.partition("%")[0])
    mapped = known.ipv4_mapped if isinstance(known, ipaddress.IPv6Address) else None
    return mapped or known
