"""The HTTP client that a provider's package sends with: no redirects, and no proxy between us and this machine."""

from __future__ import annotations

from typing import Any

from babyvlm.loopback import is_loopback

_LONGEST_CONNECT_S = 20.0


def http_client(package: Any, address: str, timeout_s: float) -> Any:
    """A client for the openai or anthropic package.

    A redirect is not followed: it would hand pictures and key to whoever it names. A server on this machine is asked
    directly, whatever proxy the environment names.

    Args:
        package: Whose own settings to begin with.
        address: Where the calls go; empty for the provider's own.
        timeout_s: Longest wait for one call.
    """
    timeout = package.Timeout(timeout_s, connect=min(timeout_s, _LONGEST_CONNECT_S))
    return package.DefaultHttpxClient(
        timeout=timeout, follow_redirects=False, trust_env=not (address and is_loopback(address))
    )
