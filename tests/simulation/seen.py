"""A system in which all is well, to be spoilt by a test."""

from dataclasses import replace
from typing import Any

from simulation.checkers.history import History
from simulation.checkers.observed import (
    ErpCustomer,
    ErpReference,
    ErpSeen,
    ErpVerdict,
    HistoryLine,
    Seen,
    TillCustomer,
    TillNotice,
    TillSeen,
)

ANN, BEN = "11111111-0000-4000-8000-000000000000", "22222222-0000-4000-8000-000000000000"
SCOPES = ("all", "centre.lyon", "pos.p1", "all.customers", "centre.lyon.customers")

ERP = ErpSeen(
    customers=(
        ErpCustomer(ANN, 2, "active", True, True, (), None, '{"code":"A","phone":"tk1x"}'),
        ErpCustomer(BEN, 5, "deleted", True, True, (), None, '{"code":"B"}'),
    ),
    reference=(ErpReference("centre/lyon", 1, "active", ("all",), "{}"),),
    history=(HistoryLine(ANN, 2, "pos.p1", "phone", '"tk1x"', True),),
    verdicts=(ErpVerdict("v1", "p1", "e", 2, "refused", "customer.deleted"),),
    progress={("p1", "e"): 2},
    gone=frozenset({("all.customers", BEN)}),
    holdings=frozenset(),
    heads={"all": 1, "pos.p1": 2, "all.customers": 4},
    epoch="0",
    troubles=frozenset(),
    marks=0,
)
TILL = TillSeen(
    pos_id="p1", centre="lyon", full=True, scopes=SCOPES,
    customers=(
        TillCustomer(ANN, "all.customers", 2, "active", None, ERP.customers[0].wire, None, True),
        TillCustomer(BEN, "all.customers", 5, "deleted", None, None, None, False),
    ),
    reference=(("centre/lyon", "all", 1, "active", "{}"),),
    gone=frozenset({("all.customers", BEN, 5, "deleted")}),
    cursors={
        "all": ("0", 1), "pos.p1": ("0", 2), "all.customers": ("0", 4),
        "centre.lyon": ("0", 0), "centre.lyon.customers": ("0", 0),
    },
    epoch="e", last_seq=2, applied_seq=2, journal=0,
    notices=(TillNotice("v1", "customer.deleted", BEN),),
)  # fmt: skip
WELL = Seen(ERP, (TILL,))


def erp(**changes: Any) -> Seen:
    return replace(WELL, erp=replace(ERP, **changes))


def till(**changes: Any) -> Seen:
    return replace(WELL, tills=(replace(TILL, **changes),))


def history() -> History:
    """What led to it: an edit that was applied, and one that was refused."""
    made = History(tokens={"tk1x": "p1", "tk2x": "p1"})
    for number, customer, token in ((1, ANN, "tk1x"), (2, BEN, "tk2x")):
        body = f'{{"type":"customer.edited","data":{{"customer_id":"{customer}","new":"{token}"}}}}'
        made.journalled("p1", f"entry-{number}", ("e", number), body.encode(), float(number))
    return made
