"""What the entries of one batch see of the customers, and what they leave to be written."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from contracts.cards import CardChange
from contracts.customers import code_key
from contracts.journal import NUMBER_USED, CustomerAdded, CustomerEdited, Verdict
from erp_node.callers import Till
from erp_node.card_entries import apply_card_entry, numbers_in
from erp_node.card_table import CardTable, UndoneCards, open_table, write_cards
from erp_node.codes import codes_in_series, series_of
from erp_node.entries import Change, Entry
from erp_node.store import customers as store
from erp_node.store.customers import Held, HistoryLine, Write
from erp_node.store.journal import add_verdicts
from erp_node.store.pool import Connection
from erp_node.verdicts import (
    Decision,
    Place,
    decide_added,
    decide_edited,
    decide_parked,
)
from messaging.consumer import Bad
from messaging.failures import describe


@dataclass
class Undone:
    """What is decided and not written yet. A customer that was made and changed since is in both."""

    made: list[Write] = field(default_factory=list)
    changed: dict[UUID, Write] = field(default_factory=dict)
    history: list[HistoryLine] = field(default_factory=list)
    verdicts: list[tuple[str, Verdict]] = field(default_factory=list)
    holdings: list[tuple[str, UUID]] = field(default_factory=list)
    cards: UndoneCards | None = None


@dataclass
class Changeset:
    """Locked customers as they are after the entries decided so far, and what is still to be written.

    Every change leads to a version of its own, however many are written together: what comes of entries does not
    hang on which batch they came in.
    """

    tills: Mapping[str, Till]
    customers: dict[UUID, Held]
    owners: dict[str, UUID]
    touched: dict[UUID, set[str]]
    cards: CardTable | None = None
    undone: Undone = field(default_factory=Undone)
    bad: dict[int, Bad] = field(default_factory=dict)

    def take(self) -> Undone:
        """What is to be written now; what is decided from here on builds on it."""
        undone, self.undone = self.undone, Undone()
        undone.cards = self.cards.take() if self.cards else None
        return undone

    def decide(self, entry: Entry) -> None:
        """Takes the next entry. One that cannot even be decided is parked; the others do not notice."""
        place = Place(self.tills[entry.pos_id], entry.epoch, entry.seq)
        if entry.data is None:
            return self._park(place, entry, entry.bad or Bad("malformed", "data: unreadable"))
        try:
            if isinstance(entry.data, CardChange):
                return self._take_card(place, entry.id, entry.data)
            decision = self._decide(place, entry.data)
        except Exception as error:
            failed = Bad("failed", f"cannot be applied: {describe(error)}")
            return self._park(place, entry, failed)
        return self._take(place, entry.data, decision)

    def report_reused(self, entry: Entry) -> None:
        """Its number was used for another change, so it is not applied; the till is told (I9)."""
        place = Place(self.tills[entry.pos_id], entry.epoch, entry.seq)
        parked = decide_parked(place, entry.customer_id, NUMBER_USED, entry.content)
        self._answer(place, parked.verdict)

    def _take_card(self, place: Place, entry: UUID, change: CardChange) -> None:
        assert self.cards is not None
        customer = self.customers.get(change.customer_id)
        self._answer(place, apply_card_entry(self.cards, place, entry, change, customer))

    def _decide(self, place: Place, change: CustomerAdded | CustomerEdited) -> Decision:
        held = self.customers.get(change.customer_id)
        if isinstance(change, CustomerAdded):
            touched = self.touched.get(change.customer_id, ())
            return decide_added(place, change, held, touched, self.owners)
        return decide_edited(place, change, held, self.owners)

    def _park(self, place: Place, entry: Entry, bad: Bad) -> None:
        self.bad[entry.index] = bad
        parked = decide_parked(place, entry.customer_id, bad.code)
        self._answer(place, parked.verdict)

    def _take(
        self, place: Place, change: CustomerAdded | CustomerEdited, decision: Decision
    ) -> None:
        if decision.customer is not None:
            self._store(place, change, decision.customer.stored())
        for line in decision.history:
            line.version = self.customers[line.customer_id].version
            if line.kept:
                self.touched.setdefault(line.customer_id, set()).add(line.path)
        self.undone.history += decision.history
        if decision.held:
            self.undone.holdings.append((place.till.pos_id, change.customer_id))
        self._answer(place, decision.verdict)

    def _store(self, place: Place, change: CustomerAdded | CustomerEdited, customer: Held) -> None:
        before = self.customers.get(customer.id)
        self.customers[customer.id] = customer
        if before is None or before.code != customer.code:
            self._take_code(customer, before)
        author = change.author
        earlier = self.undone.changed.get(customer.id)
        stored = earlier.before if earlier else before
        write = Write(customer, author.operator, f"pos.{place.till.pos_id}", author.at, stored)
        if before is None:
            self.undone.made.append(write)
        else:
            self.undone.changed[customer.id] = write

    def _take_code(self, customer: Held, before: Held | None) -> None:
        if before is not None and self.owners.get(code_key(before.code)) == customer.id:
            del self.owners[code_key(before.code)]
        self.owners[code_key(customer.code)] = customer.id

    def _answer(self, place: Place, verdict: Verdict | None) -> None:
        if verdict is not None:
            self.undone.verdicts.append((place.till.pos_id, verdict))


async def load_changeset(
    connection: Connection, entries: Sequence[Entry], tills: Mapping[str, Till]
) -> Changeset:
    """Locks and reads what these entries are about."""
    changes = [(entry.data, tills[entry.pos_id]) for entry in entries if entry.data is not None]
    if not changes:
        return Changeset(tills, {}, {}, {})
    ids = {change.customer_id for change, _ in changes}
    customers = await store.lock_customers(connection, ids)
    owners = await _load_owners(connection, list(_wanted_codes(changes)))
    again = {one.customer_id for one, _ in changes if isinstance(one, CustomerAdded)}
    touched: dict[UUID, set[str]] = {}
    if again := again & customers.keys():
        found = await store.touched_paths(connection, again)
        touched = {id: set(paths) for id, paths in found.items()}
    numbers = {number for change, _ in changes for number in numbers_in(change)}
    about = [entry.id for entry in entries if isinstance(entry.data, CardChange)]
    cards = await open_table(connection, numbers, ids, about) if numbers else None
    return Changeset(tills, customers, owners, touched, cards)


async def write_undone(connection: Connection, changes: Undone) -> None:
    """Writes everything, few statements for many entries."""
    if changes.made:
        changes.made.sort(key=lambda write: write.held.code)
        await store.insert_customers(connection, changes.made)
    if changes.changed:
        await store.rewrite_records(connection, list(changes.changed.values()))
    if changes.history:
        await store.add_history(connection, changes.history)
    if changes.holdings:
        await store.hold_customers(connection, changes.holdings)
    if changes.cards is not None:
        await write_cards(connection, changes.cards)
    if changes.verdicts:
        await add_verdicts(connection, changes.verdicts)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A code that an entry wants for a customer."""

    code: str
    customer_id: UUID
    series: str


def _wanted_codes(changes: Iterable[tuple[Change, Till]]) -> Iterator[_Wanted]:
    for change, till in changes:
        if isinstance(change, CustomerAdded):
            yield _Wanted(change.record.code, change.customer_id, series_of(till))
            continue
        if isinstance(change, CardChange):
            continue
        for one in change.changes:
            if one.path == "code" and isinstance(one.new, str):
                yield _Wanted(one.new, change.customer_id, series_of(till))


async def _load_owners(connection: Connection, wanted: Sequence[_Wanted]) -> dict[str, UUID]:
    """Who has the wanted codes, and those that would take their places where they clash (CUST-4)."""
    if not wanted:
        return {}
    owners = await store.code_owners(connection, (one.code for one in wanted))
    first = dict(owners)
    others = [
        code
        for one in wanted
        if first.setdefault(code_key(one.code), one.customer_id) != one.customer_id
        for code in codes_in_series(one.code, one.customer_id, one.series)
    ]
    return owners | await store.code_owners(connection, others) if others else owners
