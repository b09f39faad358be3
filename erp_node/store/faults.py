"""Which failures of PostgreSQL will pass, and which lie in what was asked of it."""

import asyncpg

_LIES_IN_THE_DATA = ("21", "22", "23", "54", "P0")
"""Classes of SQLSTATE: wrong cardinality, data exception, integrity, too large, raised by a trigger."""


_OUTSIDE = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
    MemoryError,
)


def is_transient(error: Exception) -> bool:
    """Whether the same may succeed later: the connection, the server or another transaction is at fault."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "")[:2] not in _LIES_IN_THE_DATA
    return isinstance(error, _OUTSIDE)
