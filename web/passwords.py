"""Passwords: argon2id, in a thread, and as slow for nobody as for somebody."""

import asyncio
import re
from base64 import b64encode
from dataclasses import dataclass

from argon2 import PasswordHasher, Type, profiles
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 8
"""Signs of a password that somebody sets; log-ins take shorter ones, set before there was this least."""

LONGEST = 1_000
"""Signs of a password; more would only cost time."""

AT_ONCE = 2
"""Passwords worked on at the same time: each takes 64 MiB while it lasts."""


HASHER = PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY)
"""RFC 9106, second recommended option: argon2id, 64 MiB, 3 passes, 4 lanes, salt of 16 bytes."""


_PHC = re.compile(
    r"\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{16,}", re.ASCII
)


def is_hash(text: str) -> bool:
    """Whether a text is a hash as this module makes and checks them: argon2id, PHC form."""
    return _PHC.fullmatch(text) is not None


def hash_password(password: str) -> str:
    """A new hash in PHC form; takes some 50 ms or more, so not for an event loop (see Passwords.hash)."""
    return HASHER.hash(password)


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether the password was right, and a new hash when the kept one has weaker parameters than today's."""

    right: bool
    rehashed: str | None = None


class Passwords:
    """Makes and checks hashes beside an event loop."""

    def __init__(self, hasher: PasswordHasher = HASHER) -> None:
        self._hasher = hasher
        self._nobody = _hash_of_nobody(hasher)
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: str) -> str:
        """A new hash with a salt of its own."""
        async with self._at_once:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def check(self, kept: str | None, password: str) -> Checked:
        """Compares a password with the kept hash. None (unknown user) takes as long and is wrong."""
        async with self._at_once:
            return await asyncio.to_thread(self._check, kept, password)

    def _check(self, kept: str | None, password: str) -> Checked:
        try:
            self._hasher.verify(kept or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return Checked(False)
        if kept is None:
            return Checked(False)
        stale = self._hasher.check_needs_rehash(kept)
        return Checked(True, self._hasher.hash(password) if stale else None)


def _hash_of_nobody(hasher: PasswordHasher) -> str:
    """A hash of no known password, with the parameters that take the usual time."""
    assert hasher.type is Type.ID
    salt, digest = (
        b64encode(bytes(size)).decode().rstrip("=") for size in (hasher.salt_len, hasher.hash_len)
    )
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest}"
