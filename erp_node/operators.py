"""The people who use the ERP's HTTP API: logging in, rights, lock-out."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Literal, get_args

from erp_node.store.operators import (
    User,
    find_user,
    forget_attempts,
    forget_strangers,
    lock_attempts,
    put_user,
    save_attempts,
)
from erp_node.store.pool import Database, Pool
from web.lockout import STRANGERS, LockoutRule, count_attempt, is_locked
from web.login import LONGEST_NAME, locked, wrong_password
from web.passwords import LONGEST, SHORTEST, Passwords
from web.sessions import Account

ErpRight = Literal["erp.read", "erp.customers", "erp.settings", "erp.tills", "erp.dead"]
"""Seeing everything; writing customers, settings and lists, tills, dead letters."""

RIGHTS: frozenset[str] = frozenset(get_args(ErpRight))

LOCKOUT = LockoutRule(attempts=5, lasts=timedelta(minutes=5))


class UnknownRight(ValueError):
    """A right that does not exist; the text names it and those that do."""


class WrongUser(ValueError):
    """A name or password nobody could log in with; the text says which."""


async def set_user(
    database: Database,
    passwords: Passwords,
    name: str,
    password: str,
    rights: Iterable[str] | None = None,
) -> None:
    """Adds a user, or gives one a new password and rights (None: all of them).

    Raises UnknownRight, WrongUser.
    """
    _check(name, password)
    wanted = RIGHTS if rights is None else frozenset(rights)
    if unknown := sorted(wanted - RIGHTS):
        raise UnknownRight(f"{unknown[0]}: there are only {', '.join(sorted(RIGHTS))}")
    await put_user(database, name, await passwords.hash(password), wanted)


def _check(name: str, password: str) -> None:
    if not name.strip() or len(name) > LONGEST_NAME:
        raise WrongUser(f"the name must have 1 to {LONGEST_NAME} signs, not only spaces")
    if not password.strip() or not SHORTEST <= len(password) <= LONGEST:
        raise WrongUser(f"the password must have {SHORTEST} to {LONGEST} signs, not only spaces")


class Operators:
    """The accounts, as logging in and every request ask for them."""

    def __init__(
        self,
        pool: Pool,
        passwords: Passwords,
        now: Callable[[], datetime],
        rule: LockoutRule = LOCKOUT,
        strangers: int = STRANGERS,
    ) -> None:
        self._pool = pool
        self._passwords = passwords
        self._now = now
        self._rule = rule
        self._strangers = strangers

    async def find(self, name: str) -> Account | None:
        """An active user with the rights of this moment."""
        user = await find_user(self._pool, name)
        return _account(user) if user and user.active else None

    async def log_in(self, name: str, password: str) -> Account:
        """Checks a password. Raises Problem session.wrong_password or session.locked.

        A name nobody has takes as long, and is locked as soon: names cannot be found out.
        """
        await self._begin_attempt(name)
        user = await find_user(self._pool, name)
        known = user is not None and user.active
        checked = await self._passwords.check(
            user.password_hash if user and known else None, password
        )
        if user is None or not known or not checked.right:
            raise wrong_password()
        await forget_attempts(self._pool, name, checked.rehashed)
        return _account(user)

    async def _begin_attempt(self, name: str) -> None:
        """Counts the attempt before the slow check: many at once are as many attempts."""
        now = self._now()
        async with self._pool.acquire() as connection, connection.transaction():
            tried = await lock_attempts(connection, name)
            until = tried.attempts.locked_until
            if until and is_locked(tried.attempts, self._rule, now):
                raise locked(until - now)
            await save_attempts(connection, name, count_attempt(tried.attempts, self._rule, now))
            if tried.is_new:
                await forget_strangers(connection, self._strangers)


def _account(user: User) -> Account:
    return Account(user.name, user.rights & RIGHTS)
