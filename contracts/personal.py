"""Which text of a message is about a person, and what it looks like: the one table for whoever writes messages down.

Keys are `Model.field`. Every field of a message that can hold text or a date is in it (a test walks
all messages); numbers, switches and UUIDs stay as they are. A field that is in no model counts as `text`.
"""

from typing import Literal

Kind = Literal[
    "plain",  # no personal data: codes of lists, names made by programs, times of events
    "text",  # words
    "number",  # one number, however it is written
    "phone",
    "date",
    "sealed",  # never to be seen, in whatever form: a password's hash, a signature
    "words",  # contracts.matching.words_of, in the order of COLUMNS
    "phrase",  # as typed into a search; what it means depends on Criteria.column
    "row_key",  # an id, or `<kind>/<code>` of a reference row
    "named",  # the parameters of a text: NAMED_PARAMS
    "at_path",  # the value of what the field `path` beside it names
]

_RECORD: dict[str, Kind] = {
    "Customer.kind": "plain",
    "Customer.code": "text",
    "Customer.title": "plain",
    "Customer.academic_title": "text",
    "Customer.first_name": "text",
    "Customer.last_name": "text",
    "Customer.name": "text",
    "Customer.birth_date": "date",
    "Customer.tax_number": "number",
    "Customer.issuing_authority": "text",
    "Customer.phone": "phone",
    "Customer.extra_phone": "phone",
    "Customer.email": "text",
    "Customer.country_code": "plain",
    "Customer.national_id": "number",
    "Customer.siret": "number",
    "Customer.identity_document": "number",
    "Customer.description": "text",
    "Customer.groups": "plain",
    "Customer.attributes": "text",
    "Consent.definition": "plain",
    "Consent.state": "plain",
    "Consent.signature": "sealed",
    "Address.type": "plain",
    "Address.country": "plain",
    "Address.postal_code": "text",
    "Address.town": "text",
    "Address.locality": "text",
    "Address.street": "text",
    "Address.building": "text",
    "Address.flat": "text",
    "Address.continuation_1": "text",
    "Address.continuation_2": "text",
    "Address.commune": "text",
    "Address.district": "text",
    "Address.post_office": "text",
    "Address.region": "text",
    "Address.phone": "phone",
    "Address.email": "text",
    "Contact.origin": "plain",
    "Contact.state": "plain",
    "Contact.title": "plain",
    "Contact.first_name": "text",
    "Contact.last_name": "text",
    "Contact.relationship": "plain",
    "Contact.function": "plain",
    "Contact.birth_date": "date",
    "Contact.phone": "phone",
    "Contact.extra_phone": "phone",
    "Contact.email": "text",
}

_MESSAGES: dict[str, Kind] = {
    "Author.operator": "text",
    "Change.path": "plain",
    "Change.old": "at_path",
    "Change.new": "at_path",
    "LostValue.path": "plain",
    "LostValue.stands": "at_path",
    "LostValue.lost": "at_path",
    "Progress.epoch": "plain",
    "Progress.content": "sealed",  # of an entry: who knows all of it but a telephone number could find that by trying
    "Resend.epoch": "plain",
    "Verdict.epoch": "plain",
    "Verdict.outcome": "plain",
    "Verdict.code": "plain",
    "Verdict.params": "named",
    "Page.scope": "plain",
    "Page.epoch": "plain",
    "Pull.scope": "plain",
    "Pull.epoch": "plain",
    "DigestAsk.scope": "plain",
    "Digest.scope": "plain",
    "Digest.epoch": "plain",
    "Hello.instance": "plain",
    "Hello.software": "plain",
    "Hello.epoch": "plain",
    "Welcome.pos_id": "plain",
    "Welcome.centre": "plain",
    "Welcome.scopes": "plain",
    "Welcome.epoch": "plain",
    "Verdict.content": "sealed",
    "Welcome.content": "sealed",
    "Criteria.phrase": "phrase",
    "Criteria.column": "plain",
    "Criteria.attribute": "plain",
    "Criteria.kind": "plain",
    "Criteria.country": "plain",
    "Criteria.groups": "plain",
    "AttributeValue.attribute": "plain",
    "AttributeValue.value": "text",
    "CustomersFound.outcome": "plain",
    "FoundCustomer.kind": "plain",
    "FoundCustomer.code": "text",
    "FoundCustomer.name": "text",
    "FoundCustomer.tax_number": "number",
    "FoundCustomer.country": "plain",
    "FoundCustomer.postal_code": "text",
    "FoundCustomer.town": "text",
    "FoundCustomer.street": "text",
    "FoundCustomer.siret": "number",
    "FoundCustomer.email": "text",
    "FoundCustomer.identity_document": "number",
    "FoundCustomer.phone": "phone",
    "FoundCustomer.attributes": "text",
    "CustomerFetched.refusal": "plain",
    "CustomerFetched.scope": "plain",
    "CustomerFetched.state": "plain",
    "CustomerFetched.editors": "plain",
    "CustomerFetched.words": "words",
    "CodeCheck.code": "text",
    "CodeChecked.code": "text",
    "Refused.code": "plain",
    "Refused.params": "named",
}

_CARDS: dict[str, Kind] = {
    "Card.number": "number",
    "Card.form": "plain",
    "Card.type": "plain",
    "Card.state": "plain",
    "Card.reason": "plain",
    "Wanted.number": "number",
    "Wanted.type": "plain",
    "CardBlocked.number": "number",
    "CardBlocked.reason": "plain",
    "CardRequested.type": "plain",
    "CardLocked.number": "number",
    "CardLocked.refusal": "plain",
    "CardLocked.params": "named",
    "CardConfirm.blocks": "number",
    "CardConfirm.reason": "plain",
    "CardIssue.type": "plain",
    "CardGiven.number": "number",
    "CardGiven.refusal": "plain",
    "CardGiven.params": "named",
    "CardGiven.scope": "plain",
    "CardRelease.number": "number",
    "CardReleased.number": "number",
}

_ROWS: dict[str, Kind] = {
    **{
        f"{row}.{field}": "plain"
        for row in ("CustomerRow", "ReferenceRow", "CardRow", "VerdictRow", "ProgressRow")
        for field in ("kind", "state")
    },
    "CustomerRow.key": "row_key",
    "CustomerRow.editors": "plain",
    "CustomerRow.words": "words",
    "ReferenceRow.key": "row_key",
    "CardRow.key": "row_key",
    "VerdictRow.key": "row_key",
    "ProgressRow.key": "row_key",
}

_REFERENCE: dict[str, Kind] = {
    **{
        f"{entry}.{field}": "plain"
        for entry in (
            "Centre", "Choice", "AttributeDefinition", "ConsentDefinition", "CardType", "PaymentForm",
        )
        for field in ("kind", "code", "labels")
    },
    "Centre.country": "plain",
    "Operator.kind": "plain",
    "Operator.code": "text",
    "Operator.name": "text",
    "Operator.centres": "plain",
    "Operator.password_hash": "sealed",
    "Operator.rights": "plain",
    "Setting.kind": "plain",
    "Setting.code": "plain",
    "Setting.level": "plain",
    "Setting.name": "plain",
    "Setting.value": "plain",
    "Choice.list": "plain",
    "AttributeDefinition.customer_kind": "plain",
    "AttributeDefinition.values": "plain",
    "ConsentDefinition.channel": "plain",
    "ConsentDefinition.texts": "plain",
    "CardType.form": "plain",
    "CardType.required_fields": "plain",
    "DocumentControl.kind": "plain",
    "DocumentControl.code": "plain",
    "DocumentControl.document": "plain",
    "DocumentControl.control": "plain",
}  # fmt: skip

KINDS: dict[str, Kind] = {**_RECORD, **_MESSAGES, **_CARDS, **_ROWS, **_REFERENCE}

NAMED_PARAMS: dict[str, Kind] = {
    "field": "plain",
    "reason": "plain",
    "scope": "plain",
    "name": "text",
    "asked": "text",
    "code": "text",
    "number": "number",
    "card": "number",
    "until": "plain",
    "why": "plain",
}
"""Parameters of texts by name; one that is not here is personal."""

PERSONAL_ENTRIES: dict[str, Kind] = {"operator": "text", "card": "number"}
"""Kinds of rows whose code names a person, or the card of one, and what it looks like."""
