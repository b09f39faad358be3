"""Searching in the ERP (SEARCH-4 to SEARCH-12): a search has an id at once, and its state is asked for.

What the ERP finds stays in memory; only choosing a row stores anything (SEARCH-9, I12).
"""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

import structlog

from contracts import envelope
from contracts.envelope import MessageError
from contracts.folding import fold
from contracts.search import Criteria, CustomerSearch, CustomersFound, FoundCustomer
from messaging.channel import MessagingError, NoAnswer
from pos_node.lists import ListRow, list_customers
from pos_node.questions import AnswerRefused, Questions
from pos_node.refusal import Refusal
from pos_node.retrieval import Retrieval
from pos_node.store.customers import find_customer
from pos_node.store.database import Store
from pos_node.store.reference import read_settings

KEPT = 64
"""Searches kept; one more and the oldest is forgotten."""

LOCAL_ROWS = 50

SearchState = Literal["running", "found", "too_many", "none", "unavailable", "cancelled", "expired"]

_log = structlog.get_logger("search")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a search stands: its state, the text to show with it, the ERP's rows."""

    state: SearchState
    code: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    rows: tuple[FoundCustomer, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundLine:
    """One line of a result: a row found here, or one found in the ERP.

    `held`: the till has this customer. `usable` and `editable` tell what this centre may do (SEARCH-11).
    """

    row: ListRow | FoundCustomer
    held: bool
    usable: bool
    editable: bool


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A search as the cashier sees it now; `waiting_window`: it has been running for long (SEARCH-12)."""

    id: UUID
    outcome: Outcome
    waiting_window: bool
    lines: tuple[FoundLine, ...]


RUNNING = Outcome("running")
CANCELLED = Outcome("cancelled")


def conclude(found: CustomersFound) -> Outcome:
    """What the ERP's answer means (SEARCH-6, SEARCH-7, SEARCH-8)."""
    match found.outcome:
        case "found":
            return Outcome("found", rows=tuple(found.rows))
        case "too_many":
            return Outcome("too_many", "search.too_many")
        case "none":
            return Outcome("none", "search.none_erp")


def conclude_without_answer(error: Exception) -> Outcome:
    """What it means that there is no answer (SEARCH-5, SEARCH-12)."""
    match error:
        case NoAnswer():
            return Outcome("expired", "search.expired")
        case AnswerRefused():
            return Outcome("unavailable", error.code, error.params)
        case _:
            return Outcome("unavailable", "search.unavailable")


def merge(
    local: Iterable[ListRow], found: Iterable[FoundCustomer], held: frozenset[UUID], centre: str
) -> tuple[FoundLine, ...]:
    """Rows found here and in the ERP, each customer once, by name; the till's own row wins (SEARCH-6)."""
    lines: dict[UUID, FoundLine] = {
        row.id: FoundLine(row, row.id in held, row.usable, row.editable) for row in found
    }
    for row in local:
        editable = row.editors is None or centre in row.editors
        lines[row.id] = FoundLine(row, held=True, usable=True, editable=editable)
    return tuple(sorted(lines.values(), key=lambda line: (fold(line.row.name), str(line.row.id))))


@dataclass(slots=True, eq=False)
class _Search:
    id: UUID
    operator: str
    criteria: Criteria
    started_at: float
    window_after_s: float
    outcome: Outcome = RUNNING
    task: "asyncio.Task[None] | None" = None

    def end(self, outcome: Outcome) -> None:
        """The first end stands: a late answer changes nothing (SEARCH-12)."""
        if self.outcome.state == "running":
            self.outcome = outcome


class Searches:
    """The searches under way at this till and the last ones that ended."""

    def __init__(
        self,
        store: Store,
        questions: Questions,
        retrieval: Retrieval,
        *,
        online: Callable[[], bool],
        pos_id: str,
        centre: str,
        rng: random.Random,
        kept: int = KEPT,
    ) -> None:
        self._store = store
        self._questions = questions
        self._retrieval = retrieval
        self._online = online
        self._pos_id = pos_id
        self._centre = centre
        self._rng = rng
        self._kept = kept
        self._searches: dict[UUID, _Search] = {}

    async def start(self, criteria: Criteria, operator: str) -> UUID:
        """Begins a search and returns its id at once. Raises Refusal `search.off`, `search.no_criteria`."""
        settings = await self._store.read(read_settings, self._centre, self._pos_id)
        if not settings.search_online:
            raise Refusal("search.off")
        if criteria.query().empty:
            raise Refusal("search.no_criteria")
        now = asyncio.get_running_loop().time()
        new_id = UUID(int=self._rng.getrandbits(128), version=4)
        search = _Search(new_id, operator, criteria, now, settings.search_wait_window_s)
        self._keep(search)
        if self._online():
            search.task = asyncio.create_task(self._ask(search, settings.search_deadline_s))
        else:
            search.end(Outcome("unavailable", "search.unavailable"))
        return new_id

    async def look(self, search_id: UUID, operator: str) -> SearchResult:
        """How a search stands, with the rows found here as they are now. Raises Refusal `search.unknown`."""
        search = self._find(search_id, operator)
        local, held = await self._store.read(_read_local, search.criteria, search.outcome.rows)
        running_for = asyncio.get_running_loop().time() - search.started_at
        return SearchResult(
            search.id,
            search.outcome,
            search.outcome.state == "running" and running_for >= search.window_after_s,
            merge(local, search.outcome.rows, held, self._centre),
        )

    def cancel(self, search_id: UUID, operator: str) -> None:
        """Ends a running search; one that has ended stays as it is. Raises Refusal `search.unknown`."""
        _stop(self._find(search_id, operator))

    async def bring(self, customer_id: UUID) -> bool:
        """Stores a customer that a search found in the ERP, because it was chosen, previewed or edited.

        False: no search has found it. Raises Refusal as Retrieval does; when the ERP cannot be asked
        the rows found in it are cleared (SEARCH-9, SEARCH-10).
        """
        found = [row for one in self._searches.values() for row in one.outcome.rows]
        row = next((row for row in found if row.id == customer_id), None)
        if row is None:
            return False
        if not row.usable:
            raise Refusal("customer.not_available")
        settings = await self._store.read(read_settings, self._centre, self._pos_id)
        try:
            if not self._online():
                raise Refusal("customer.unretrievable")
            await self._retrieval.retrieve(customer_id, settings.search_deadline_s)
        except Refusal as refusal:
            if refusal.code == "customer.unretrievable":
                self._clear_rows()
            raise
        return True

    async def close(self) -> None:
        """Ends every search."""
        tasks = [one.task for one in self._searches.values() if one.task]
        for search in self._searches.values():
            _stop(search)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, search: _Search, deadline_s: float) -> None:
        try:
            answer = await self._questions.ask(CustomerSearch(criteria=search.criteria), deadline_s)
            search.end(conclude(envelope.read_data(CustomersFound, answer.raw)))
        except (MessagingError, MessageError) as error:
            _log.info("search without answer", action="search_unanswered", reason=str(error))
            search.end(conclude_without_answer(error))

    def _find(self, search_id: UUID, operator: str) -> _Search:
        search = self._searches.get(search_id)
        if search is None or search.operator != operator:
            raise Refusal("search.unknown")
        return search

    def _keep(self, search: _Search) -> None:
        while len(self._searches) >= self._kept:
            oldest = next(iter(self._searches))
            _stop(self._searches.pop(oldest))
        self._searches[search.id] = search

    def _clear_rows(self) -> None:
        for search in self._searches.values():
            if search.outcome.rows:
                search.outcome = Outcome("unavailable", "customer.unretrievable")


def _stop(search: _Search) -> None:
    search.end(CANCELLED)
    if search.task is not None:
        search.task.cancel()


def _read_local(
    connection: sqlite3.Connection, criteria: Criteria, found: Sequence[FoundCustomer]
) -> tuple[tuple[ListRow, ...], frozenset[UUID]]:
    """The rows that match here, and which of those found in the ERP the till holds."""
    page = list_customers(connection, criteria, LOCAL_ROWS)
    stored = (find_customer(connection, row.id) for row in found)
    held = frozenset(one.id for one in stored if one and one.state == "active")
    return page.rows, held
