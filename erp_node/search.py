"""Answers to tills' questions about customers: searching, fetching, asking for a code (SEARCH-4…11, CUST-3).

Each `answer_…` is a messaging.responder.Answer once it is bound to a desk, and raises BadRequest as
erp_node.questions.read_question does.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog

from contracts.customers import Customer, display_name
from contracts.decoders import struct_of
from contracts.feed import ABSORBING
from contracts.matching import RULE
from contracts.search import (
    SHOWN_AT_MOST,
    CodeCheck,
    CodeChecked,
    CustomerFetch,
    CustomerFetched,
    CustomerSearch,
    CustomersFound,
    FoundCustomer,
    Refused,
)
from contracts.topology import ALL_CUSTOMERS, customers_of, pos_scope
from erp_node.breadth import Frequencies, plan_search
from erp_node.callers import Till
from erp_node.questions import Desk, read_question, reply, reply_json
from erp_node.store import search as store
from erp_node.store.customers import hold_customers
from erp_node.store.search import Fetched, FoundRow
from messaging.channel import Delivery
from messaging.responder import Reply

log = structlog.get_logger()

RECOUNT_S = 300.0
"""The statistics of words are read again after this long."""


@dataclass(slots=True)
class Counted:
    """The statistics of words, and when they were read."""

    frequencies: Frequencies | None = None
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class SearchDesk(Desk):
    """What answering needs. `pool`: store.search.open_question_pool. `monotonic`: seconds that only grow."""

    monotonic: Callable[[], float]
    counted: Counted = field(default_factory=Counted)


async def answer_search(desk: SearchDesk, delivery: Delivery) -> Reply | None:
    """Online search: up to six rows, `too_many` without rows, or `none` (SEARCH-6, 7, 8, 11).

    Refused with `search.off` when the ERP switched it off for this till (SEARCH-1).
    """
    question = await read_question(desk, delivery, CustomerSearch)
    if question is None:
        return None
    if not question.till.settings.search_online:
        return reply(desk, question.headers, Refused(code="search.off"))
    plan = plan_search(question.data.criteria.query(), await _frequencies(desk))
    try:
        rows = await store.search(desk.pool, plan, limit=SHOWN_AT_MOST + 1, timeout=question.left_s)
    except TimeoutError:
        log.warning("search given up", action="search.late", pos=question.till.pos_id)
        return None
    return reply(desk, question.headers, decide_found(rows, question.till.centre))


async def answer_fetch(desk: SearchDesk, delivery: Delivery) -> Reply | None:
    """The complete record, to be stored (SEARCH-9); a till in mode local-only holds it from now on (SYNC-2).

    Refusals: `customer.unknown`, `customer.deleted`, `customer.anonymised`, and
    `customer.not_available` (not active, no longer a customer, or not for this centre).
    """
    question = await read_question(desk, delivery, CustomerFetch)
    if question is None:
        return None
    asked = question.data.customer_id
    fetched = await store.fetch(desk.pool, asked, timeout=question.left_s)
    refusal = decide_fetch(fetched, question.till.centre)
    if refusal is not None or fetched is None:
        return reply(desk, question.headers, CustomerFetched(customer_id=asked, refusal=refusal))
    if question.till.local_only:
        await hold_customers(desk.pool, [(question.till.pos_id, asked)])
    return reply_json(
        desk, question.headers, CustomerFetched, _fetched_json(fetched, question.till)
    )


async def answer_code_check(desk: SearchDesk, delivery: Delivery) -> Reply | None:
    """Whether a code is used by another customer of the ERP (CUST-3)."""
    question = await read_question(desk, delivery, CodeCheck)
    if question is None:
        return None
    asked = question.data
    taken = await store.code_taken(
        desk.pool, asked.code, asked.customer_id, timeout=question.left_s
    )
    return reply(desk, question.headers, CodeChecked(code=asked.code, taken=taken))


def decide_found(rows: list[FoundRow], centre: str) -> CustomersFound:
    """What a till of a centre is told of the first rows found, at most SHOWN_AT_MOST + 1."""
    if len(rows) > SHOWN_AT_MOST:
        return CustomersFound(outcome="too_many")
    if not rows:
        return CustomersFound(outcome="none")
    shown = sorted((_shown(row, centre) for row in rows), key=lambda one: one.name.casefold())
    return CustomersFound(outcome="found", rows=shown)


def decide_fetch(fetched: Fetched | None, centre: str) -> str | None:
    """Why a till of a centre does not get a customer, or None."""
    if fetched is None:
        return "customer.unknown"
    held = fetched.held
    if held.state in ABSORBING:
        return f"customer.{held.state}"
    return None if held.offered and held.usable_at(centre) else "customer.not_available"


_Listed: Any = struct_of(
    Customer,
    only=frozenset(
        ("kind", "code", "first_name", "last_name", "name", "tax_number", "country_code", "siret",
         "email", "identity_document", "phone", "attributes", "addresses")
    ),
    limits=False,
)  # fmt: skip
_read_listed = msgspec.json.Decoder(_Listed).decode


def _shown(row: FoundRow, centre: str) -> FoundCustomer:
    record = _read_listed(row.text)
    main = next((one for one in record.addresses if one.type == "main"), None)
    street = " ".join(part for part in (main.street, main.building) if part) if main else None
    return FoundCustomer(
        id=row.id,
        version=row.version,
        usable=row.usable_at(centre),
        editable=row.editable_at(centre),
        kind=record.kind,
        code=record.code,
        name=display_name(record.kind, record.name, record.first_name, record.last_name),
        tax_number=record.tax_number,
        country=(main and main.country) or record.country_code,
        postal_code=main and main.postal_code,
        town=main and main.town,
        street=street or None,
        siret=record.siret,
        email=record.email,
        identity_document=record.identity_document,
        phone=record.phone,
        attributes=record.attributes,
    )


def scope_at(till: Till, *, everywhere: bool) -> str:
    """The feed by which a customer available at a till's centre comes to that till."""
    if till.local_only:
        return pos_scope(till.pos_id)
    return ALL_CUSTOMERS if everywhere else customers_of(till.centre)


def _fetched_json(fetched: Fetched, till: Till) -> bytes:
    """A contracts.search.CustomerFetched, its record byte for byte as the feed carries it."""
    held = fetched.held
    answer = {
        "customer_id": held.id,
        "scope": scope_at(till, everywhere=held.everywhere),
        "version": held.version,
        "state": "active",
        "words": fetched.words,
        "rule": RULE,
        "record": msgspec.Raw(held.text.encode()),
    }
    editors = {} if held.editors is None else {"editors": held.editors}
    return msgspec.json.encode(answer | editors)


async def _frequencies(desk: SearchDesk) -> Frequencies:
    counted, now = desk.counted, desk.monotonic()
    if counted.frequencies is None or now - counted.at > RECOUNT_S:
        counted.at = now
        counted.frequencies = await store.load_frequencies(desk.pool)
    return counted.frequencies
