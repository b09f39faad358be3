"""I12: a result is stored only by choosing it; what was cancelled, or comes late, changes nothing."""

from collections.abc import Iterator

from simulation.checkers.history import History, Violation
from simulation.checkers.observed import Seen


def check_search(seen: Seen, history: History) -> Iterator[Violation]:
    for one in history.searches:
        if one.was != one.now:
            yield Violation("I12", f"{one.till}: a search ended as {one.was} became {one.now}")
    chosen = set(history.chosen)
    made = {(one.till, one.customer) for one in history.made.values()}
    for till in seen.tills:
        if till.full:
            continue
        for customer in till.customers:
            known = (till.pos_id, customer.id)
            if customer.record is not None and known not in chosen and known not in made:
                yield Violation("I12", f"{till.pos_id}: {customer.id} was stored, and never chosen")
