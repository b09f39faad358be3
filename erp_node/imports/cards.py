"""Importing cards: what each row makes of the card there is, or of none; and storing a batch (CARD-4, CARD-6)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from msgspec import structs

from contracts.cards import Wanted, card_key
from contracts.customers import code_key
from erp_node.card_changes import CardEdit, decide_change, decide_make
from erp_node.card_office import block_reasons, changes_of
from erp_node.card_rules import Asker, HeldCard, Scene, decide_assign, decide_block
from erp_node.card_table import CardTable, Deed, open_table, write_cards
from erp_node.imports.card_rows import CARDS, CardFields, CardRow
from erp_node.imports.load import ImportReport, load_rows
from erp_node.imports.rows import reason_of
from erp_node.imports.stored import Fault, Stored, cannot_store, store_good
from erp_node.refusals import UNKNOWN, Refusal
from erp_node.store import customers as customer_rows
from erp_node.store.cards import owners_of
from erp_node.store.customers import Held
from erp_node.store.pool import Connection, Pool
from erp_node.store.transaction import Moved, transact

NOBODY = UUID(int=0)

Step = tuple[str, HeldCard]
"""What happens to a card, and the card afterwards."""


@dataclass
class SeenCards:
    """The lines that numbers, and customers who get a card, stand in: of two for one, the first counts."""

    numbers: dict[str, int] = field(default_factory=dict)
    customers: dict[str, int] = field(default_factory=dict)

    def fault(self, row: CardRow) -> Fault | None:
        """Whether an earlier line has this row's number or customer; remembers them otherwise."""
        fields = row.fields
        first = self.numbers.setdefault(card_key(fields.number), row.line)
        if first != row.line:
            return Fault("number", f"line {first} has the same number")
        if fields.customer is None or fields.state == "blocked":
            return None
        first = self.customers.setdefault(code_key(fields.customer), row.line)
        return (
            None if first == row.line else Fault("customer", f"line {first} has the same customer")
        )


async def import_cards(
    pool: Pool,
    path: Path,
    *,
    rejects_path: Path,
    on_progress: Callable[[int], None] = lambda read: None,
    by: str = "import",
) -> ImportReport:
    """Imports cards from CSV or JSON Lines: new ones are predefined, those that are there get what a row says, in the
    file's order: a card that is blocked before its customer gets the next one.

    imports.load.load_rows says how, and what is raised besides asyncpg.PostgresError.
    """
    seen, reasons = SeenCards(), await block_reasons(pool)

    async def together(rows: Sequence[CardRow]) -> Stored:
        return await transact(pool, lambda connection: _store(connection, rows, by))

    async def store(rows: Sequence[CardRow]) -> Stored:
        faults = [(row, _wrong_reason(row.fields, reasons) or seen.fault(row)) for row in rows]
        bad = Stored(bad=[fault.of(row) for row, fault in faults if fault])
        good = [row for row, fault in faults if not fault]
        return bad.plus(await store_good(good, together, lambda row, error: cannot_store(error)))

    return await load_rows(
        path, CARDS, store, rejects_path=rejects_path, on_progress=on_progress, at_once=1
    )


def decide_card(
    fields: CardFields, card: HeldCard, scene: Scene, own: Scene, asker: Asker
) -> list[Step] | Fault:
    """What a row makes of a card, one step after the other; none when it is so already. `scene` is that of the
    customer the row names, `own` that of the one who has the card."""
    steps: list[Step] = []
    for event, decide in _decisions(fields, card, scene, own, asker):
        before = steps[-1][1] if steps else card
        after = decide(before)
        if isinstance(after, Refusal):
            return _fault(event, after)
        if after != before:
            steps.append((event, after))
    return steps


def _decisions(
    fields: CardFields, card: HeldCard, scene: Scene, own: Scene, asker: Asker
) -> Iterator[tuple[str, Callable[[HeldCard], HeldCard | Refusal]]]:
    blocks = fields.state == "blocked"
    if not card.version:
        yield "made", lambda before: decide_make(before, _new_card(fields), scene)
    else:
        yield "changed", lambda before: _refuse_other(fields, before) or before
        edit = CardEdit(
            None if blocks else fields.state, fields.points, fields.value, fields.reusable
        )
        yield "changed", lambda before: decide_change(before, edit, own)
    if blocks:
        yield "blocked", lambda before: _block(before, scene.customer, fields.reason or "")
    elif fields.customer is not None and not _has_it(scene.customer, card):
        wanted = Wanted(number=fields.number, type=fields.type)
        yield "assigned", lambda before: decide_assign(before, wanted, scene, asker, None)


def _new_card(fields: CardFields) -> HeldCard:
    return HeldCard(
        fields.number,
        form=fields.form or "physical",
        type=fields.type,
        state="active" if fields.state in (None, "blocked") else fields.state,
        points=fields.points or 0,
        reusable=bool(fields.reusable),
        value=fields.value,
    )


def _refuse_other(fields: CardFields, card: HeldCard) -> Refusal | None:
    """Form and type of a card stay what they are."""
    for name, given, there in (
        ("form", fields.form, card.form),
        ("type", fields.type, card.type),
    ):
        if given not in (None, there):
            return Refusal("card.made_otherwise", {"number": card.number}, name)
    return None


def _block(card: HeldCard, customer: Held | None, reason: str) -> HeldCard | Refusal:
    """A card that was the customer's when it was blocked: beside it they may have another one."""
    if customer is None:
        return decide_block(card, card.customer_id, reason)
    if card.customer_id not in (None, customer.id):
        return Refusal("card.in_use", {"number": card.number}, "number")
    return decide_block(structs.replace(card, customer_id=customer.id), customer.id, reason)


def _has_it(customer: Held | None, card: HeldCard) -> bool:
    return customer is not None and card.customer_id == customer.id


def _fault(event: str, refusal: Refusal) -> Fault:
    """The column at fault: of a card that cannot be given, the customer's unless it is the number's."""
    column = refusal.field or "number"
    if event == "assigned" and refusal.field != "number":
        column = "customer"
    return Fault(column, reason_of(refusal.code, refusal.params))


def _wrong_reason(fields: CardFields, reasons: Sequence[str]) -> Fault | None:
    if fields.state != "blocked":
        return Fault("reason", reason_of("request.wrong_value")) if fields.reason else None
    if fields.reason in reasons:
        return None
    if fields.reason is None:
        return Fault("reason", reason_of("request.field_missing"))
    params = {"reason": fields.reason, "choices": ", ".join(reasons)}
    return Fault("reason", reason_of("card.reason_unknown", params))


async def _store(connection: Connection, rows: Sequence[CardRow], by: str) -> Stored:
    """Decides and writes within a transaction."""
    codes = [row.fields.customer for row in rows if row.fields.customer is not None]
    owners = await customer_rows.code_owners(connection, codes) if codes else {}
    numbers = [row.fields.number for row in rows]
    present = await owners_of(connection, {card_key(number) for number in numbers})
    held = {*owners.values(), *present}
    customers = await customer_rows.lock_customers(connection, held) if held else {}
    table = await open_table(connection, numbers, held)
    if any(card.customer_id not in {None, *held} for card in table.cards.values()):
        raise Moved  # between looking and holding
    deed = Deed(by, "import", table.now)
    done = Stored()
    for row in rows:
        customer = _customer(row.fields, owners, customers)
        owner = customers.get(table.card(row.fields.number).customer_id or NOBODY)
        done = done.plus(_apply(table, row, customer, owner, deed))
    await write_cards(connection, table.take())
    return done


def _apply(
    table: CardTable,
    row: CardRow,
    customer: Held | Fault | None,
    owner: Held | None,
    deed: Deed,
) -> Stored:
    if isinstance(customer, Fault):
        return Stored(bad=[customer.of(row)])
    card = table.card(row.fields.number)
    asker = Asker(None, None, table.now)
    steps = decide_card(row.fields, card, table.scene(customer), table.scene(owner), asker)
    if isinstance(steps, Fault):
        return Stored(bad=[steps.of(row)])
    before = card
    for event, after in steps:
        table.put(after, event, deed, **changes_of(before, after))
        before = after
    if not steps:
        return Stored(unchanged=1)
    return Stored(changed=1) if card.version else Stored(created=1)


def _customer(
    fields: CardFields, owners: Mapping[str, UUID], customers: Mapping[UUID, Held]
) -> Held | Fault | None:
    if fields.customer is None:
        return None
    owner = owners.get(code_key(fields.customer))
    found = customers.get(owner) if owner is not None else None
    return found or Fault("customer", reason_of(UNKNOWN.code))
