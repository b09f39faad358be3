"""Cards as the ERP's users handle them: predefined, given, taken away, blocked, unblocked, changed (CARD-2 … CARD-6,
CARD-12).

Every change is one transaction on held cards, as those that tills ask for are: decisions, versions and history are the
same.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from contracts.cards import Wanted, card_key
from contracts.reference import Choice
from erp_node.card_changes import (
    CardEdit,
    decide_change,
    decide_make,
    decide_take_away,
    decide_unblock,
)
from erp_node.card_rules import Asker, HeldCard, Scene, decide_assign, decide_block, unknown_card
from erp_node.card_table import CardTable, Deed, open_table, write_cards
from erp_node.customers import Actor
from erp_node.refusals import Refusal
from erp_node.store import cards as store
from erp_node.store import customers as customer_rows
from erp_node.store.cards import EventLine
from erp_node.store.customers import Held
from erp_node.store.pool import Connection, Database, Pool
from erp_node.store.reference import list_records
from erp_node.store.transaction import Moved, transact

Decide = Callable[[HeldCard, Scene, Asker], HeldCard | Refusal]

_COLUMNS = ("form", "type", "state", "customer_id", "points", "reason", "reusable", "value")


class CardRefused(Exception):
    """A rule says no, and nothing was changed: `refusals`, the first of which says the most."""

    def __init__(self, *refusals: Refusal) -> None:
        super().__init__(refusals[0].code)
        self.refusals = refusals
        self.code = refusals[0].code


async def predefine_cards(pool: Pool, cards: Sequence[HeldCard], actor: Actor) -> list[HeldCard]:
    """Makes cards that nobody has yet, all or none (CARD-6). `cards`: what they are to be, none of them blocked.

    Raises CardRefused, naming each that cannot be by its field (`cards.3.number`): card.exists, request.part_twice,
    card.type_unknown, card.type_other_form, card.voucher_only, card.voucher_without_points.
    """

    async def make(connection: Connection) -> list[HeldCard]:
        table = await open_table(connection, [one.number for one in cards], ())
        scene, deed = table.scene(None), _deed(table, actor)
        decided = [decide_make(table.card(one.number), one, scene) for one in cards]
        if refusals := [*_refused_among(decided), *_refuse_twice(cards)]:
            raise CardRefused(*refusals)
        made = [_put(table, one, "made", deed) for one in decided if isinstance(one, HeldCard)]
        await write_cards(connection, table.take())
        return made

    return await transact(pool, make)


async def assign_card(pool: Pool, customer_id: UUID, wanted: Wanted, actor: Actor) -> HeldCard:
    """Gives a customer a card; one of a type that is not predefined comes into being (CARD-2, CARD-3, CARD-6).

    Raises CardRefused: customer.unknown, .deleted, .anonymised, .not_active; card.unknown, .no_type, .in_use, .locked,
    .blocked, .inactive, .customer_has_one, .field_required, .voucher_not_reusable, .voucher_has_value.
    """

    def assign(card: HeldCard, scene: Scene, asker: Asker) -> HeldCard | Refusal:
        return decide_assign(card, wanted, scene, asker, None)

    return await _change(pool, wanted.number, actor, "assigned", assign, customer_id=customer_id)


async def take_card_away(
    pool: Pool, number: str, actor: Actor, expected_version: int | None = None
) -> HeldCard:
    """Takes a card from its customer; points and state stay with the card, a blocked one stays blocked.

    Raises CardRefused: card.unknown, card.changed_meanwhile, card.locked.
    """

    def take(card: HeldCard, scene: Scene, asker: Asker) -> HeldCard | Refusal:
        return decide_take_away(card, asker)

    return await _change(pool, number, actor, "taken away", take, expected_version)


async def block_card(
    pool: Pool, number: str, reason: str, actor: Actor, expected_version: int | None = None
) -> HeldCard:
    """Blocks a card, whoever has it; every till learns of it at once (CARD-12).

    Raises CardRefused: card.unknown, card.changed_meanwhile, card.reason_unknown.
    """
    reasons = await block_reasons(pool)
    if reason not in reasons:
        params = {"reason": reason, "choices": ", ".join(reasons)}
        raise CardRefused(Refusal("card.reason_unknown", params, "reason"))

    def block(card: HeldCard, scene: Scene, asker: Asker) -> HeldCard | Refusal:
        return decide_block(card, card.customer_id, reason)

    return await _change(pool, number, actor, "blocked", block, expected_version)


async def unblock_card(
    pool: Pool, number: str, actor: Actor, expected_version: int | None = None
) -> HeldCard:
    """Makes a blocked card active again, which tills cannot.

    Raises CardRefused: card.unknown, card.changed_meanwhile, card.customer_has_one.
    """

    def unblock(card: HeldCard, scene: Scene, asker: Asker) -> HeldCard | Refusal:
        return decide_unblock(card, scene)

    return await _change(pool, number, actor, "unblocked", unblock, expected_version)


async def change_card(
    pool: Pool, number: str, edit: CardEdit, actor: Actor, expected_version: int | None = None
) -> HeldCard:
    """Gives a card other points, value or state (CARD-4).

    Raises CardRefused: card.unknown, card.changed_meanwhile, card.blocked, card.customer_has_one, card.voucher_only,
    card.voucher_without_points, card.voucher_not_reusable, card.voucher_has_value.
    """

    def change(card: HeldCard, scene: Scene, asker: Asker) -> HeldCard | Refusal:
        return decide_change(card, edit, scene)

    return await _change(pool, number, actor, "changed", change, expected_version)


async def find_card(pool: Pool, number: str) -> HeldCard:
    """One card. Raises CardRefused card.unknown."""
    card = await store.find_card(pool, card_key(number))
    if card is None:
        raise CardRefused(unknown_card(HeldCard(number)))
    return card


async def list_cards(
    pool: Pool, *, customer_id: UUID | None = None, after: str | None = None, limit: int = 100
) -> list[HeldCard]:
    """Cards by number, of one customer if given, behind the number `after` if given."""
    return await store.list_cards(pool, customer_id, card_key(after) if after else None, limit)


async def list_history(
    pool: Pool, number: str, *, before: int | None = None, limit: int = 100
) -> list[EventLine]:
    """What happened to a card and was asked of it, the newest first, older than line `before` if given."""
    return await store.load_history(pool, card_key(number), before, limit)


async def block_reasons(database: Database) -> list[str]:
    """The reasons for which cards may be blocked (CARD-12)."""
    choices = await list_records(database, "choice")
    return [one.code for one in choices if isinstance(one, Choice) and one.list == "block_reason"]


def changes_of(before: HeldCard, after: HeldCard) -> Mapping[str, Any]:
    """Old and new of every column that is different; a new card's old ones are None."""
    made = not before.version
    pairs = (
        (name, None if made else getattr(before, name), getattr(after, name)) for name in _COLUMNS
    )
    return {name: [old, new] for name, old, new in pairs if old != new}


async def _change(
    pool: Pool,
    number: str,
    actor: Actor,
    event: str,
    decide: Decide,
    expected_version: int | None = None,
    customer_id: UUID | None = None,
) -> HeldCard:
    """Changes one card as `decide` says: its scene is that of the customer given, or of the one who has the card.
    What is refused is in the card's history, too."""

    async def change(connection: Connection) -> HeldCard | Refusal:
        whose = customer_id or await _owner(connection, number)
        held = await _hold(connection, whose)
        table = await open_table(connection, [number], [whose] if whose else ())
        card, deed = table.card(number), _deed(table, actor)
        if customer_id is None and card.customer_id != whose:
            raise Moved  # between looking and holding
        if card.version and expected_version not in (None, card.version):
            return Refusal("card.changed_meanwhile", {"number": card.number})
        decided = decide(card, table.scene(held), Asker(None, None, table.now))
        if isinstance(decided, Refusal):
            table.refuse(card, decided, whose, deed)
        else:
            decided = _put(table, decided, event, deed)
        await write_cards(connection, table.take())
        return decided

    done = await transact(pool, change)
    if isinstance(done, Refusal):
        raise CardRefused(done)
    return done


async def _owner(connection: Connection, number: str) -> UUID | None:
    card = await store.find_card(connection, card_key(number))
    return card.customer_id if card is not None else None


async def _hold(connection: Connection, customer_id: UUID | None) -> Held | None:
    """Before the cards, as the journal does: where a card is shown and where its customer is must not part."""
    if customer_id is None:
        return None
    return (await customer_rows.lock_customers(connection, [customer_id])).get(customer_id)


def _put(table: CardTable, card: HeldCard, event: str, deed: Deed) -> HeldCard:
    return table.put(card, event, deed, **changes_of(table.card(card.number), card))


def _refused_among(decided: Sequence[HeldCard | Refusal]) -> list[Refusal]:
    return [
        replace(one, field=f"cards.{place}.{one.field}")
        for place, one in enumerate(decided)
        if isinstance(one, Refusal)
    ]


def _refuse_twice(cards: Sequence[HeldCard]) -> list[Refusal]:
    first: dict[str, int] = {}
    return [
        Refusal("request.part_twice", {"key": one.number}, f"cards.{place}.number")
        for place, one in enumerate(cards)
        if first.setdefault(one.key, place) != place
    ]


def _deed(table: CardTable, actor: Actor) -> Deed:
    return Deed(actor.name, actor.where, table.now)
