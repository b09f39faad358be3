"""What is in the golden samples: of every message its full and its minimal data (ops.golden_samples writes them)."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel

from contracts.cards import (
    Card,
    CardAssigned,
    CardBlocked,
    CardConfirm,
    CardGiven,
    CardIssue,
    CardLock,
    CardLocked,
    CardRelease,
    CardReleased,
    CardRequested,
    CardStopped,
    Wanted,
    row_key,
)
from contracts.changes import Change
from contracts.customers import Address, Consent, Contact, Customer
from contracts.feed import (
    BUCKETS,
    CardRow,
    CustomerRow,
    Digest,
    DigestAsk,
    Page,
    ProgressRow,
    Pull,
    ReferenceRow,
    VerdictRow,
)
from contracts.journal import (
    Author,
    CustomerAdded,
    CustomerEdited,
    LostValue,
    Progress,
    Resend,
    Verdict,
)
from contracts.matching import words_of
from contracts.presence import Beat, Hello, Welcome
from contracts.reference import reference_key
from contracts.search import (
    AttributeValue,
    CodeCheck,
    CodeChecked,
    Criteria,
    CustomerFetch,
    CustomerFetched,
    CustomerSearch,
    CustomersFound,
    FoundCustomer,
    Refused,
)
from ops.samples import sample_reference

CUSTOMER_ID = UUID("b3f0c2d4-5a61-4e7b-9c1d-0e2f3a4b5c6d")
OTHER_ID = UUID("0d9f1c2b-3a4e-4f5d-8b6c-7a8b9c0d1e2f")
NOON = datetime(2025, 3, 14, 12, 0, 5, 250_000, tzinfo=UTC)
LATER = datetime(2025, 3, 14, 12, 0, 15, tzinfo=UTC)
JOURNAL = "7c9e6679f7e04a5f9d3b2c1a0e8d7f6b"
FEED = "1b4e28ba2fa1411d883f0016d3cca427"
AUTHOR = Author(operator="anna", at=NOON)


def _consent(definition: str) -> Consent:
    return Consent(
        definition=definition, state="given", signature="data:image/png;base64,iVBORw0KGgo="
    )


HOME = Address(
    id=UUID("aa4f1c2b-3a4e-4f5d-8b6c-7a8b9c0d1e01"), type="main", country="FR", postal_code="69003", town="Lyon",
    locality="Part-Dieu", street="rue de la République", building="12 bis", flat="4B",
    continuation_1="escalier C", continuation_2="chez Durand", commune="Lyon 3e", district="Rhône",
    post_office="Lyon Part-Dieu", region="Auvergne-Rhône-Alpes", phone="+33 4 78 12 34 56",
    email="maison@example.com", consents=[_consent("catalogue")],
)  # fmt: skip
CHILD = Contact(
    id=UUID("aa4f1c2b-3a4e-4f5d-8b6c-7a8b9c0d1e02"), origin="pos", state="active", title="mme",
    first_name="Zoé", last_name="Lefèvre", relationship="child", function="purchasing",
    birth_date=date(2008, 2, 29), phone="+33 6 98 76 54 32", extra_phone="04 72 00 11 22",
    email="zoe@example.com", consents=[_consent("newsletter")],
)  # fmt: skip
FULL_CUSTOMER = Customer(
    kind="retail", code="LYO-000123", title="m", academic_title="dr", first_name="Jean-François",
    last_name="Lefèvre", name="Menuiserie Lefèvre SARL", birth_date=date(1980, 2, 29),
    tax_number="FR40303265045", issuing_authority="DGFiP Lyon", phone="+33 6 12 34 56 78",
    extra_phone="04 78 12 34 56", email="jf.lefevre@example.com", country_code="FR", national_id="44051401359",
    siret="30326504500017", identity_document="AB 123456", description="Prefers the morning. Złoty klient.",
    reverse_charge=True, lowest_price=False, groups=["regular", "gold"],
    attributes={"colour": "Bleu ciel", "size": "XL"}, consents=[_consent("newsletter"), _consent("profiling")],
    addresses=[HOME], contacts=[CHILD],
)  # fmt: skip
SMALL_CUSTOMER = Customer(kind="business", code="K-7")

REQUEST_ID = UUID("5b0d3a0c-8f0e-4a43-9a53-0c8d0d3c1f11")
FULL_CARD = Card(
    number="2900012345", form="voucher", type="plastic", state="blocked", customer_id=CUSTOMER_ID, points=120,
    reason="lost", reusable=True, value=Decimal("5.00"),
)  # fmt: skip
SMALL_CARD = Card(number="A1")
NEXT = Wanted(number="2900012346", type="plastic")

FULL_VERDICT = Verdict(
    epoch=JOURNAL, seq=42, content="9f1c04be", customer_id=CUSTOMER_ID, outcome="conflict", code="customer.conflict",
    params={"name": "Lefèvre Jean-François"}, lost=[LostValue(path="phone", stands="0478", lost="0499")],
)  # fmt: skip
FULL_PROGRESS = Progress(
    epoch=JOURNAL,
    applied_seq=42,
    content="9f1c04be",
    heads={"all.customers": 1_207, "pos.lyon-1": 9},
)


def _full_page() -> Page:
    people = sample_reference(
        ["lyon"], password="-", hash_password=lambda _: "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA"
    )
    kinds = {reference_key(one).partition("/")[0]: one for one in reversed(people)}
    reference = [
        ReferenceRow(key=reference_key(one), version=3, record=one) for one in kinds.values()
    ]
    rows = [
        CustomerRow(
            key=str(CUSTOMER_ID),
            version=8,
            editors=["lyon"],
            words=list(words_of(FULL_CUSTOMER)),
            record=FULL_CUSTOMER,
        ),
        CustomerRow(key=str(OTHER_ID), version=4, state="withdrawn"),
        *reference,
        CardRow(key=row_key(FULL_CARD.number), version=5, record=FULL_CARD),
        VerdictRow(key="4c1d2e3f-5a6b-4c7d-8e9f-0a1b2c3d4e5f", version=1, record=FULL_VERDICT),
        ProgressRow(key=JOURNAL, version=42, record=FULL_PROGRESS),
    ]
    return Page(
        scope="all.customers",
        epoch=FEED,
        prev_seq=1_195,
        to_seq=1_207,
        head=1_500,
        remaining=293,
        rule=1,
        rows=rows,
    )


FOUND = FoundCustomer(
    id=CUSTOMER_ID,
    version=8,
    usable=True,
    editable=False,
    kind="retail",
    code="LYO-000123",
    name="Lefèvre Jean-François",
    tax_number="FR40303265045",
    country="FR",
    postal_code="69003",
    town="Lyon",
    street="rue de la République 12 bis",
    siret="30326504500017",
    email="jf.lefevre@example.com",
    identity_document="AB 123456",
    phone="+33 6 12 34 56 78",
    attributes={"colour": "Bleu ciel"},
)
SMALL_FOUND = FoundCustomer(
    id=OTHER_ID, version=1, usable=False, editable=False, kind="business", code="K-7", name="K"
)

DATA: dict[str, tuple[BaseModel, BaseModel]] = {
    "feed.page": (_full_page(), Page(scope="all", epoch=FEED, prev_seq=0, to_seq=0, head=0)),
    "feed.pull": (
        Pull(scope="all.customers", epoch=FEED, from_seq=1_195, limit=500, bucket=255),
        Pull(scope="all"),
    ),
    "feed.digest_ask": (DigestAsk(scope="all.customers"), DigestAsk(scope="all")),
    "feed.digest": (
        Digest(
            scope="all.customers",
            epoch=FEED,
            head=1_500,
            counts=[6] * BUCKETS,
            sums=[2**64 - 1] * BUCKETS,
        ),
        Digest(scope="all", epoch=FEED, head=0, counts=[0] * BUCKETS, sums=[0] * BUCKETS),
    ),
    "erp.beat": (Beat(now=NOON, interval_s=2.5), Beat(now=NOON, interval_s=3)),
    "journal.resend": (Resend(epoch=JOURNAL, from_seq=41), Resend(epoch=JOURNAL, from_seq=1)),
    "customer.added": (
        CustomerAdded(customer_id=CUSTOMER_ID, record=FULL_CUSTOMER, author=AUTHOR),
        CustomerAdded(customer_id=OTHER_ID, record=SMALL_CUSTOMER, author=AUTHOR),
    ),
    "customer.edited": (
        CustomerEdited(
            customer_id=CUSTOMER_ID,
            base_version=8,
            changes=[
                Change(path="phone", old="0478", new="0499"),
                Change(path="attributes.colour", old="Rouge"),
                Change(path=f"addresses.{HOME.id}.town", old="Lyon", new="Nice"),
                Change(
                    path=f"contacts.{CHILD.id}",
                    new=CHILD.model_dump(mode="json", exclude_none=True),
                ),
            ],
            author=AUTHOR,
        ),
        CustomerEdited(
            customer_id=OTHER_ID,
            base_version=0,
            changes=[Change(path="name", new="K")],
            author=AUTHOR,
        ),
    ),
    "customer.search": (
        CustomerSearch(
            criteria=Criteria(
                phrase="dup lyo",
                column="name",
                attribute="colour",
                country_shown=True,
                kind="retail",
                country="FR",
                groups=["gold"],
                attributes=[AttributeValue(attribute="size", value="XL")],
            )
        ),
        CustomerSearch(criteria=Criteria(phrase="dup")),
    ),
    "customer.found": (
        CustomersFound(outcome="found", rows=[FOUND, SMALL_FOUND]),
        CustomersFound(outcome="too_many"),
    ),
    "customer.fetch": (CustomerFetch(customer_id=CUSTOMER_ID), CustomerFetch(customer_id=OTHER_ID)),
    "customer.fetched": (
        CustomerFetched(
            customer_id=CUSTOMER_ID,
            refusal=None,
            scope="centre.lyon.customers",
            version=8,
            state="active",
            editors=["lyon"],
            words=list(words_of(FULL_CUSTOMER)),
            rule=1,
            record=FULL_CUSTOMER,
        ),
        CustomerFetched(customer_id=OTHER_ID, refusal="customer.unknown"),
    ),
    "customer.code_check": (
        CodeCheck(code="LYO-000123", customer_id=CUSTOMER_ID),
        CodeCheck(code="K-7"),
    ),
    "customer.code_checked": (
        CodeChecked(code="LYO-000123", taken=True),
        CodeChecked(code="K-7", taken=False),
    ),
    "pos.hello": (
        Hello(
            instance="f47ac10b58cc4372a5670e02b2c3d479",
            software="comptoir 0.1.0",
            epoch=JOURNAL,
            last_seq=44,
            waiting=2,
            oldest_waiting_at=NOON,
            cursors={"all": 17, "all.customers": 1_207},
        ),
        Hello(
            instance="f47ac10b58cc4372a5670e02b2c3d479",
            software="comptoir 0.1.0",
            epoch=JOURNAL,
            last_seq=0,
            waiting=0,
        ),
    ),
    "erp.welcome": (
        Welcome(
            pos_id="lyon-1",
            centre="lyon",
            full=True,
            scopes=["all", "centre.lyon", "pos.lyon-1", "all.customers", "centre.lyon.customers"],
            epoch=JOURNAL,
            applied_seq=42,
            content="9f1c04be",
            now=NOON,
        ),
        Welcome(
            pos_id="kiosk",
            centre="lyon",
            full=False,
            scopes=[],
            epoch=JOURNAL,
            applied_seq=0,
            now=NOON,
        ),
    ),
    "card.assigned": (
        CardAssigned(customer_id=CUSTOMER_ID, card=NEXT, token=7, author=AUTHOR),
        CardAssigned(customer_id=OTHER_ID, card=Wanted(number="A1"), author=AUTHOR),
    ),
    "card.blocked": (
        CardBlocked(
            customer_id=CUSTOMER_ID,
            number="2900012345",
            reason="lost",
            replacement=NEXT,
            token=7,
            author=AUTHOR,
        ),
        CardBlocked(customer_id=OTHER_ID, number="A1", reason="lost", author=AUTHOR),
    ),
    "card.requested": (
        CardRequested(
            customer_id=CUSTOMER_ID, request_id=REQUEST_ID, type="virtual", author=AUTHOR
        ),
        CardRequested(customer_id=OTHER_ID, request_id=REQUEST_ID, type="v", author=AUTHOR),
    ),
    "card.lock": (
        CardLock(customer_id=CUSTOMER_ID, card=NEXT),
        CardLock(customer_id=OTHER_ID, card=Wanted(number="A1")),
    ),
    "card.locked": (
        CardLocked(
            number="2900012346",
            token=7,
            lasts_s=60.0,
            refusal="card.locked",
            params={"until": "12:01"},
        ),
        CardLocked(number="A1", refusal="card.unknown"),
    ),
    "card.confirm": (
        CardConfirm(
            customer_id=CUSTOMER_ID,
            card=NEXT,
            token=7,
            blocks="2900012345",
            reason="lost",
            author=AUTHOR,
        ),
        CardConfirm(customer_id=OTHER_ID, card=Wanted(number="A1"), token=1, author=AUTHOR),
    ),
    "card.issue": (
        CardIssue(customer_id=CUSTOMER_ID, request_id=REQUEST_ID, type="virtual", author=AUTHOR),
        CardIssue(customer_id=OTHER_ID, request_id=REQUEST_ID, type="v", author=AUTHOR),
    ),
    "card.given": (
        CardGiven(
            number="2900012345",
            refusal="card.field_required",
            params={"field": "phone"},
            scope="all.customers",
            version=5,
            card=FULL_CARD,
            blocked=SMALL_CARD,
            blocked_version=2,
        ),
        CardGiven(refusal="customer.unknown"),
    ),
    "card.release": (CardRelease(number="2900012346", token=7), CardRelease(number="A1", token=1)),
    "card.released": (
        CardReleased(number="2900012346", released=True),
        CardReleased(number="A1", released=False),
    ),
    "card.stopped": (
        CardStopped(version=5, card=FULL_CARD, at=NOON),
        CardStopped(version=1, card=SMALL_CARD, at=NOON),
    ),
    "erp.refused": (
        Refused(code="feed.not_yours", params={"scope": "pos.paris-1"}),
        Refused(code="search.off"),
    ),
}
