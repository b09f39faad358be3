"""I2: the rows of a till equal the ERP's for its scopes, by id, version and content; tombstones too."""

from collections.abc import Iterator

from simulation.checkers.cards import wanted_cards
from simulation.checkers.history import Violation
from simulation.checkers.observed import ErpSeen, Seen, TillSeen

Row = tuple[int, str, str]
"""Version, editors, content."""


def check_convergence(seen: Seen, *, restored: bool = False) -> Iterator[Violation]:
    """`restored`: the ERP's database was put back to before. What tills heard deleted then stays so there (I3)."""
    for till in seen.tills:
        dead = {one.id for one in till.customers if one.state in ("deleted", "anonymised")}
        wanted = _wanted(seen.erp, till)
        if restored:
            wanted = {key: row for key, row in wanted.items() if key not in dead}
        yield from _compare(f"{till.pos_id}: customers", wanted, _held(till))
        yield from _compare(
            f"{till.pos_id}: reference", _wanted_reference(seen.erp, till), _held_reference(till)
        )
        held = {
            key: (version, "*", record or "")
            for key, _, version, state, record in till.cards
            if state == "active"
        }
        yield from _compare(f"{till.pos_id}: cards", wanted_cards(seen.erp, till), held)
        yield from _compare_gone(seen.erp, till)
        yield from _unsettled(till)
        yield from _behind(seen.erp, till)


def _wanted(erp: ErpSeen, till: TillSeen) -> dict[str, Row]:
    """From the customers themselves, not from what was numbered of them."""
    return {
        one.id: (one.version, _text_of(one.editors), one.wire)
        for one in erp.customers
        if one.offered and one.usable_at(till.centre) and one.id not in erp.troubles
        and (till.full or (till.pos_id, one.id) in erp.holdings)
    }  # fmt: skip


def _held(till: TillSeen) -> dict[str, Row]:
    return {
        one.id: (one.version, _text_of(one.editors), one.record or "")
        for one in till.customers
        if one.state == "active"
    }


def _text_of(editors: tuple[str, ...] | None) -> str:
    return "*" if editors is None else ",".join(editors)


def _wanted_reference(erp: ErpSeen, till: TillSeen) -> dict[str, Row]:
    return {
        one.key: (one.version, "*", one.record)
        for one in erp.reference
        if one.state == "active" and set(one.scopes) & set(till.scopes)
    }


def _held_reference(till: TillSeen) -> dict[str, Row]:
    return {
        key: (version, "*", record or "")
        for key, _, version, state, record in till.reference
        if state == "active"
    }


def _compare(where: str, wanted: dict[str, Row], held: dict[str, Row]) -> Iterator[Violation]:
    for key in sorted(wanted.keys() - held.keys()):
        yield Violation("I2", f"{where}: {key} is missing")
    for key in sorted(held.keys() - wanted.keys()):
        yield Violation("I2", f"{where}: {key} should not be there, version {held[key][0]}")
    for key in sorted(wanted.keys() & held.keys()):
        if wanted[key] != held[key]:
            versions = f"{held[key][0]} here, {wanted[key][0]} in the ERP"
            yield Violation("I2", f"{where}: {key} differs, versions {versions}")


def _compare_gone(erp: ErpSeen, till: TillSeen) -> Iterator[Violation]:
    told = {(scope, key) for scope, key in erp.gone if scope in till.scopes}
    noted = {(scope, key) for scope, key, _, _ in till.gone}
    dead = {one.id: one for one in erp.customers if one.state in ("deleted", "anonymised")}
    for scope, key in sorted(told - noted):
        yield Violation("I2", f"{till.pos_id}: {key} is gone, {scope} has not told it")
    for scope, key in sorted(noted - told):
        if key in dead or "/" not in key:
            yield Violation(
                "I2", f"{till.pos_id}: {key} is noted as gone in {scope}, the ERP is not"
            )
    for one in till.customers:
        if one.id in dead and one.state == "active":
            yield Violation(
                "I2", f"{till.pos_id}: {one.id} is {dead[one.id].state} and still shown"
            )


def _unsettled(till: TillSeen) -> Iterator[Violation]:
    for one in till.customers:
        if one.shown is not None:
            yield Violation("I2", f"{till.pos_id}: {one.id} shows a change that is not on its way")
        if one.listed != (one.state == "active" and one.record is not None):
            yield Violation("I2", f"{till.pos_id}: {one.id} is {one.state}, listed: {one.listed}")


def _behind(erp: ErpSeen, till: TillSeen) -> Iterator[Violation]:
    for scope in till.scopes:
        epoch, seq = till.cursors.get(scope, ("", 0))
        head = erp.heads.get(scope, 0)
        if (epoch, seq) != (erp.epoch, head):
            yield Violation(
                "I2", f"{till.pos_id}: {scope} stands at {epoch}/{seq} of {erp.epoch}/{head}"
            )
