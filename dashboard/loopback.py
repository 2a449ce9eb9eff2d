"""Loopback: the names and addresses under which a machine knows itself, and nobody else does."""

from __future__ import annotations

import ipaddress

LOCALHOST = "localhost"


def is_loopback(host: str) -> bool:
    """Say whether a host, as a name or an address, is this machine alone."""
    if host == LOCALHOST:
        return True
    try:
        return ipaddress.ip_address(without_brackets(host)).is_loopback
    except ValueError:
        return False


def without_brackets(host: str) -> str:
    """Give an address of IPv6 as it stands outside of URLs."""
    return host.removeprefix("[").removesuffix("]")
