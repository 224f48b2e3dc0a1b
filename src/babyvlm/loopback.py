"""Whether an address is this machine's own, so that what is sent there stays here."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host_or_url: str) -> bool:
    """Whether a host, or the host of a URL, is this machine itself.

    A name that some machines resolve to themselves and others do not (``host.docker.internal``, ``0.0.0.0``) is not.

    >>> is_loopback("http://[::1]:8000/v1"), is_loopback("localhost"), is_loopback("http://localhost.example.org")
    (True, True, False)
    """
    host = _host(host_or_url.strip()).rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _host(host_or_url: str) -> str:
    """The host alone, without scheme, user, port or brackets."""
    if host_or_url.count(":") > 1 and "//" not in host_or_url and not host_or_url.startswith("["):
        return host_or_url  # a bare IPv6 address
    try:
        return urlsplit(host_or_url if "//" in host_or_url else f"//{host_or_url}").hostname or ""
    except ValueError:
        return ""
