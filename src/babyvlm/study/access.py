"""Authentication and rate limits: tokens, passwords, PINs.

A participant's link carries a random token; the database holds its hash alone, so that a copy of the database opens no
session. The first browser that opens a link is the only one: it is given a random secret as a cookie, whose hash is
kept with the participant.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from babyvlm.errors import ConfigError

_SCRYPT = {"n": 2**14, "r": 8, "p": 1}
_CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that look alike


def new_token() -> str:
    """A token of 192 random bits, safe in an address."""
    return secrets.token_urlsafe(24)


def new_code() -> str:
    """A random participant code that can be read aloud, such as ``K7QF-2MXA``."""
    letters = "".join(secrets.choice(_CODE_LETTERS) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def token_hash(token: str) -> str:
    """What the database keeps of a token. Tokens are random, so that a fast hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def hash_secret(secret: str) -> str:
    """A salted scrypt hash of a password or PIN, as text."""
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${_scrypt(secret, salt).hex()}"


def secret_matches(secret: str, kept: str) -> bool:
    """Whether a password or PIN is the one that ``hash_secret`` hashed."""
    scheme, salt, expected = kept.split("$")
    assert scheme == "scrypt", scheme
    return hmac.compare_digest(_scrypt(secret, bytes.fromhex(salt)).hex(), expected)


def _scrypt(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=salt, **_SCRYPT)


def check_password(password: str) -> None:
    """Raises ConfigError where a password is too short to guard anything."""
    if len(password) < 10:
        raise ConfigError("the admin password needs at least 10 characters")


def check_pin(pin: str, needed: bool) -> None:
    """Raises ConfigError where a PIN is none, or is missing though the study's gate needs it."""
    if pin and (not pin.isdecimal() or len(pin) < 4):
        raise ConfigError("the PIN is a number of at least 4 digits")
    if not pin and needed:
        raise ConfigError("the gate needs a PIN; give one, or choose --gate nobody")


def new_browser_secret(study_secret: str) -> str:
    """What a browser is known by: random, and signed, so that nobody but this study makes one."""
    value = secrets.token_urlsafe(24)
    return f"{value}.{_signature(study_secret, value)}"


def is_browser_secret(study_secret: str, cookie: str) -> bool:
    """Whether ``new_browser_secret`` of this study made it."""
    value, _, signature = cookie.partition(".")
    return cookie.isascii() and hmac.compare_digest(signature, _signature(study_secret, value))


def _signature(study_secret: str, value: str) -> str:
    return hmac.new(bytes.fromhex(study_secret), f"browser:{value}".encode(), hashlib.sha256).hexdigest()[:32]


def trial_key(study_secret: str, code: str, position: int) -> str:
    """The name under which a participant's browser knows a trial; it tells nothing and cannot be guessed."""
    message = f"{code}:{position}".encode()
    return hmac.new(bytes.fromhex(study_secret), message, hashlib.sha256).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How often something may happen: ``burst`` at once, and then one every ``every_s`` seconds."""

    burst: int
    every_s: float


class RateLimiter:
    """Counts by key; the keys least used are forgotten once there are very many."""

    _MOST_KEYS = 10_000

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def allow(self, key: str) -> bool:
        """Whether it may happen once more now; if so, it is counted."""
        return self.wait_s(key) == 0

    def wait_s(self, key: str) -> int:
        """0 where it may happen once more now, which is counted; else after how many seconds it may."""
        now_s = time.monotonic()
        with self._lock:
            left, since_s = self._left.pop(key, (float(self._rate.burst), now_s))
            left = min(self._rate.burst, left + (now_s - since_s) / self._rate.every_s)
            allowed = left >= 1
            self._left[key] = (left - allowed, now_s)
            if len(self._left) > self._MOST_KEYS:
                self._left.popitem(last=False)
            return 0 if allowed else max(1, math.ceil((1 - left) * self._rate.every_s))

    def give_back(self, key: str) -> None:
        """Takes the last count back, as of a right try."""
        with self._lock:
            if key in self._left:
                left, since_s = self._left[key]
                self._left[key] = (min(self._rate.burst, left + 1), since_s)


class AdminSessions:
    """Who is logged in at the admin page. They live in memory: a restart logs everybody out."""

    _LIFETIME_S = 8 * 3600

    def __init__(self) -> None:
        self._until_s: dict[str, float] = {}
        self._lock = threading.Lock()

    def open(self) -> str:
        """A new session's token."""
        token, now_s = new_token(), time.monotonic()
        with self._lock:
            self._until_s = {known: until_s for known, until_s in self._until_s.items() if until_s > now_s}
            self._until_s[token_hash(token)] = now_s + self._LIFETIME_S
        return token

    def is_open(self, token: str) -> bool:
        """Whether the token belongs to a session that has not run out."""
        with self._lock:
            return self._until_s.get(token_hash(token), 0.0) > time.monotonic()

    def close(self, token: str) -> None:
        """Ends a session."""
        with self._lock:
            self._until_s.pop(token_hash(token), None)

    def close_all(self) -> None:
        """Ends every session, as when the password changes."""
        with self._lock:
            self._until_s.clear()
