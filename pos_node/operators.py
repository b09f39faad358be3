"""The people at this till: the ERP says who they are and what they may do; logging in works without it."""

import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta

from contracts.reference import Operator
from contracts.settings import Settings
from pos_node.store import logins
from pos_node.store.database import Priority, Store
from pos_node.store.reference import read_operator, read_settings
from web.lockout import LockoutRule, count_attempt, is_locked
from web.login import locked, wrong_password
from web.passwords import Passwords
from web.sessions import Account


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

    async def find(self, name: str) -> Account | None:
        """An active operator with the rights of this moment."""
        operator = await self._store.read(read_operator, name)
        return _account(operator) if operator and operator.active else None

    async def log_in(self, name: str, password: str) -> Account:
        """Checks a password. Raises Problem session.wrong_password or session.locked.

        A name nobody has takes as long, and is locked as soon: names cannot be found out.
        """
        operator = await self._store.write(self._begin_attempt, name, priority=Priority.CASHIER)
        known = operator is not None and operator.active
        checked = await self._passwords.check(
            operator.password_hash if operator and known else None, password
        )
        if operator is None or not known or not checked.right:
            raise wrong_password()
        await self._store.write(logins.forget_attempts, name, priority=Priority.CASHIER)
        return _account(operator)

    def _begin_attempt(self, connection: sqlite3.Connection, name: str) -> Operator | None:
        """Counts the attempt before the slow check: many at once are as many attempts."""
        rule = _rule(read_settings(connection, self._centre, self._pos_id))
        attempts, now = logins.read_attempts(connection, name), self._now()
        if attempts.locked_until and is_locked(attempts, rule, now):
            raise locked(attempts.locked_until - now)
        logins.write_attempts(connection, name, count_attempt(attempts, rule, now))
        logins.forget_strangers(connection)
        return read_operator(connection, name)


def _rule(settings: Settings) -> LockoutRule:
    return LockoutRule(settings.lockout_attempts, timedelta(minutes=settings.lockout_minutes))


def _account(operator: Operator) -> Account:
    return Account(operator.code, frozenset(operator.rights))
