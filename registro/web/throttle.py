"""Logins and registrations slowed down, without locking anybody out of their account.

In this process's memory. Three rules, each counting an attempt as failed until it succeeds, so that
many at once gain nothing:

- One address at one account: a few attempts are free, then the pause doubles with each.
- One address at any account: the same, with more free attempts.
- One account from all addresses: when many attempts fail, those from addresses from which nobody
  has logged in to it lately take a second or two longer. Nobody is refused for what others do.

OWASP ASVS 5.0, 6.1.1 and 6.3.1.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from sanic import Request

from registro.events.decide import MAX_NAME

CAPACITY = 100_000
"""Keys that a rule remembers; those that were used longest ago are forgotten."""

PRESSURE = 20
"""Failed attempts at one account after which unknown addresses are slowed."""

SLOWED = 1.5
"""Seconds that they are slowed by."""


class _Failures(NamedTuple):
    number: int
    at: float


class Backoff:
    """`free` attempts, then pauses of `first` seconds that double up to `most`; failures are
    forgotten after `forget` seconds without one."""

    def __init__(self, free: int, first: float, most: float, forget: float) -> None:
        self._free = free
        self._first = first
        self._most = most
        self._forget = forget
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Seconds until the next attempt is allowed; 0 now."""
        failures = self._get(key, now)
        over = failures.number - self._free
        if over < 0:
            return 0
        pause = min(self._most, self._first * 2.0 ** min(over, 60))
        return max(0.0, failures.at + pause - now)

    def count(self, key: str, now: float) -> int:
        return self._get(key, now).number

    def attempt(self, key: str, now: float) -> None:
        failures = self._get(key, now)
        self._failures[key] = _Failures(failures.number + 1, now)
        self._failures.move_to_end(key)
        if len(self._failures) > CAPACITY:
            self._failures.popitem(last=False)

    def succeed(self, key: str) -> None:
        self._failures.pop(key, None)

    def take_back(self, key: str) -> None:
        """Forgets one attempt that was not one."""
        failures = self._failures.get(key)
        if failures is not None:
            self._failures[key] = failures._replace(number=max(0, failures.number - 1))

    def _get(self, key: str, now: float) -> _Failures:
        failures = self._failures.get(key)
        if failures is None or now - failures.at > self._forget:
            return _Failures(0, now)
        return failures


class LoginThrottle:
    """The three rules; see the module."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pairs = Backoff(free=5, first=2, most=900, forget=3600)
        self._addresses = Backoff(free=50, first=1, most=300, forget=900)
        self._accounts = Backoff(free=0, first=0, most=0, forget=900)
        self._known: OrderedDict[str, None] = OrderedDict()

    def wait(self, user: str, address: str) -> float:
        """Seconds that must pass before an attempt; 0 for none."""
        now = self._clock()
        return max(self._pairs.wait(_pair(user, address), now), self._addresses.wait(address, now))

    def attempt(self, user: str, address: str) -> float:
        """Counts an attempt; returns the seconds that it should take longer."""
        now, pair = self._clock(), _pair(user, address)
        self._pairs.attempt(pair, now)
        self._addresses.attempt(address, now)
        self._accounts.attempt(_account(user), now)
        slow = pair not in self._known and self._accounts.count(_account(user), now) > PRESSURE
        return SLOWED if slow else 0

    def succeeded(self, user: str, address: str) -> None:
        pair = _pair(user, address)
        self._pairs.succeed(pair)
        self._addresses.take_back(address)
        self._accounts.take_back(_account(user))
        self._known[pair] = None
        self._known.move_to_end(pair)
        if len(self._known) > CAPACITY:
            self._known.popitem(last=False)

    def take_back(self, user: str, address: str) -> None:
        """An attempt that could not be decided."""
        self._pairs.take_back(_pair(user, address))
        self._addresses.take_back(address)
        self._accounts.take_back(_account(user))


class RegistrationThrottle:
    """Accounts that one address may make: some at once, then one now and then."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._addresses = Backoff(free=20, first=30, most=600, forget=3600)

    def wait(self, address: str) -> float:
        return self._addresses.wait(address, self._clock())

    def made(self, address: str) -> None:
        self._addresses.attempt(address, self._clock())


def address_of(request: Request) -> str:
    """Where a request comes from, for counting: an IPv4 address, or the /64 of an IPv6 one, which
    one customer has to themselves."""
    trusted = request.app.ctx.settings.trusted_proxies
    text = str(request.client_ip if trusted else request.ip).strip("[]")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text[:64]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


def is_loopback(request: Request) -> bool:
    """Whether a request comes from this machine, and not through a proxy on it."""
    if "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.ip).is_loopback
    except ValueError:
        return False


def _account(user: str) -> str:
    return user[:MAX_NAME]  # nobody has a longer one: a form's 64 KiB are not kept as a key


def _pair(user: str, address: str) -> str:
    return f"{address} {_account(user)}"
