"""The people at this till: the ERP says who they are and what they may do; logging in works without it."""

import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from contracts.reference import Operator
from contracts.settings import Settings
from pos_node.reasons import reason_of
from pos_node.store import logins
from pos_node.store.database import Priority, Store, StoreError
from pos_node.store.reference import read_operator, read_settings
from web.lockout import STRANGERS, Attempts, LockoutRule, count_attempt, is_locked
from web.login import locked, wrong_password
from web.passwords import Passwords
from web.sessions import Account

_log = structlog.get_logger("login")


class _Tried(NamedTuple):
    """A name somebody tries; `attempts` as they are written down."""

    operator: Operator | None
    rule: LockoutRule
    attempts: Attempts


class Operators:
    """The accounts, as logging in and every request ask for them. A name is an operator's code."""

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        now: Callable[[], datetime],
        *,
        centre: str,
        pos_id: str,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._now = now
        self._centre = centre
        self._pos_id = pos_id
        self._unwritten: dict[str, Attempts] = {}

    async def find(self, name: str) -> Account | None:
        """An active operator with the rights of this moment."""
        operator = await self._store.read(read_operator, name)
        return _account(operator) if operator and operator.active else None

    async def log_in(self, name: str, password: str) -> Account:
        """Checks a password. Raises Problem session.wrong_password or session.locked.

        A name nobody has takes as long, and is locked as soon: names cannot be found out. A disk that is full locks
        nobody out: attempts are counted in memory until it has room again.
        """
        operator = await self._begin(name)
        known = operator is not None and operator.active
        checked = await self._passwords.check(
            operator.password_hash if operator and known else None, password
        )
        if operator is None or not known or not checked.right:
            raise wrong_password()
        await self._forget(name)
        return _account(operator)

    async def _begin(self, name: str) -> Operator | None:
        """Counts the attempt before the slow check: many at once are as many attempts."""
        try:
            operator = await self._store.write(self._begin_attempt, name, priority=Priority.CASHIER)
        except StoreError as error:
            _log.warning("attempt not written", action="login_unwritten", reason=reason_of(error))
            tried = await self._store.read(self._look, name)
            attempts = self._count(name, tried)  # no waiting from here: many at once are as many
            if tried.operator is not None or len(self._unwritten) < STRANGERS:
                self._unwritten[name] = attempts
            return tried.operator
        self._unwritten.pop(name, None)
        return operator

    async def _forget(self, name: str) -> None:
        try:
            await self._store.write(logins.forget_attempts, name, priority=Priority.CASHIER)
        except StoreError as error:
            _log.warning(
                "attempts not forgotten", action="login_unwritten", reason=reason_of(error)
            )
            self._unwritten[name] = Attempts()

    def _begin_attempt(self, connection: sqlite3.Connection, name: str) -> Operator | None:
        tried = self._look(connection, name)
        logins.write_attempts(connection, name, self._count(name, tried))
        logins.forget_strangers(connection)
        return tried.operator

    def _look(self, connection: sqlite3.Connection, name: str) -> _Tried:
        rule = _rule(read_settings(connection, self._centre, self._pos_id))
        attempts = logins.read_attempts(connection, name)
        return _Tried(read_operator(connection, name), rule, attempts)

    def _count(self, name: str, tried: _Tried) -> Attempts:
        """The attempts with this one. Raises `locked`."""
        attempts, now = self._unwritten.get(name, tried.attempts), self._now()
        if attempts.locked_until and is_locked(attempts, tried.rule, now):
            raise locked(attempts.locked_until - now)
        return count_attempt(attempts, tried.rule, now)


def _rule(settings: Settings) -> LockoutRule:
    return LockoutRule(settings.lockout_attempts, timedelta(minutes=settings.lockout_minutes))


def _account(operator: Operator) -> Account:
    return Account(operator.code, frozenset(operator.rights))
