"""Whether the data service is there, how far behind the till is, what still waits (SYNC-5, SYNC-7)."""

import sqlite3
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from contracts.feed import Digest
from contracts.texts import Language
from pos_node.api.models import (
    JournalShown,
    LinkShown,
    LoadingShown,
    ScopeShown,
    StatusShown,
    StorageShown,
)
from pos_node.api.till import Till
from pos_node.enrolment import Moved
from pos_node.presence import Connection
from pos_node.refusal import Refusal
from pos_node.store.cursors import Cursor, read_cursors
from pos_node.store.digests import digest
from pos_node.store.journal import Standing, read_standing
from pos_node.store.notices import count_unseen
from web.docs import problems
from web.language import language_of
from web.problems import Shown, show
from web.sessions import SignedIn


def status_router(till: Till) -> APIRouter:
    """GET /status, for anybody at the till."""
    router = APIRouter(tags=["status"])

    @router.get("/status")
    async def read_status(request: Request) -> StatusShown:
        """The connection, the feeds, the changes that wait. No log-in: it names nobody."""
        standing, cursors, unseen = await till.store.read(_read)
        connection, loading, moved = till.presence.connection, till.loading(), till.moved()
        return StatusShown(
            pos_id=till.pos_id,
            centre=till.centre,
            online=connection.online and moved is None,
            since=_since(connection, moved),
            enrolment=_enrolment(moved, language_of(request)),
            link=LinkShown(
                up=connection.link_up, since=connection.link_since, reason=connection.link_reason
            ),
            complete=bool(cursors) and all(one.complete for one in cursors) and moved is None,
            behind=sum(one.behind for one in cursors),
            scopes=[_scope(one) for one in cursors],
            loading=LoadingShown(rows_done=loading.rows_done, rows_to_do=loading.rows_to_do)
            if loading
            else None,
            tidying=till.tidying(),
            storage=_storage(till.storage()),
            journal=_journal(standing, till.relay.state.reason, till.clock.now()),
            unseen_notices=unseen,
        )

    @router.get("/scopes/{scope}/digest", responses=problems(401, 404))
    async def read_digest(
        scope: Annotated[str, Path(max_length=200)], who: Annotated[SignedIn, Depends(till.gate)]
    ) -> Digest:
        """The hashes of what the till holds of one feed, from the stored bytes: equal to the ERP's at the
        same head when both hold the same (SYNC-6)."""
        found = await till.store.read(digest, scope)
        if found is None:
            raise Refusal("scope.not_followed", {"scope": scope})
        return found

    return router


def _read(connection: sqlite3.Connection) -> tuple[Standing, tuple[Cursor, ...], int]:
    return read_standing(connection), read_cursors(connection), count_unseen(connection)


def _since(connection: Connection, moved: Moved | None) -> datetime:
    """Since when it is as `online` tells: a till that was moved is as good as offline (SYNC-7)."""
    if moved is None or not connection.online:
        return connection.since
    return max(connection.since, moved.since)


def _enrolment(moved: Moved | None, language: Language) -> Shown | None:
    if moved is None:
        return None
    return show("till.moved", {"centre": moved.centre, "mode": moved.mode}, language)


def _storage(trouble: str | None) -> StorageShown:
    return StorageShown(writable=trouble is None, reason=trouble)


def _scope(cursor: Cursor) -> ScopeShown:
    return ScopeShown(
        scope=cursor.scope,
        cursor=cursor.seq,
        head=cursor.head,
        behind=cursor.behind,
        complete=cursor.complete,
    )


def _journal(standing: Standing, held_back: str | None, now: datetime) -> JournalShown:
    oldest = standing.oldest_waiting_at
    age = max(0.0, (now - oldest).total_seconds()) if oldest else None
    return JournalShown(
        waiting=standing.waiting,
        oldest_at=oldest,
        oldest_age_s=age,
        held_back=held_back if standing.waiting else None,
    )
