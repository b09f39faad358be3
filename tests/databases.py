"""A database per test, cloned from a template that was migrated once."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import asyncpg

Migrate = Callable[[str], Awaitable[None]]
"""Brings the database at this address to the state tests start from."""


@dataclass(frozen=True)
class Database:
    """A database of its own for one test."""

    name: str
    dsn: str


class Databases:
    """The databases of one test session on one server; `dsn` may create databases."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._templates: dict[Migrate | None, str] = {}

    async def template(self, migrate: Migrate | None) -> str:
        """Name of the template that this callable migrated, made at its first use; None: an empty one."""
        if migrate is None:
            return "template1"
        if migrate not in self._templates:
            name = f"template_{secrets.token_hex(6)}"
            await self._command(f'CREATE DATABASE "{name}"')
            self._templates[migrate] = name
            await migrate(self._address(name))
        return self._templates[migrate]

    @asynccontextmanager
    async def fresh(self, template: str) -> AsyncIterator[Database]:
        """A clone of the template, taken away at the end with the connections that are still open."""
        name = f"test_{secrets.token_hex(6)}"
        await self._command(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield Database(name, self._address(name))
        finally:
            await self._drop(name)

    async def close(self) -> None:
        """Takes the templates away."""
        for name in self._templates.values():
            await self._drop(name)
        self._templates.clear()

    async def _drop(self, name: str) -> None:
        await self._command(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def _command(self, sql: str) -> None:
        connection = await asyncpg.connect(self._dsn)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    def _address(self, name: str) -> str:
        return urlunsplit(urlsplit(self._dsn)._replace(path=f"/{name}"))
