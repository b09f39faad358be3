"""Adding and editing customers at a till, on a real file, with and without the ERP."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import BaseModel

from contracts import envelope
from contracts.customers import Customer
from contracts.journal import CustomerAdded, CustomerEdited
from contracts.limits import RECORD_BYTES
from contracts.registry import decode
from contracts.search import CodeCheck, CodeChecked, Refused
from pos_node.codes import CODE_CHECK_S
from pos_node.customers import Wish, etag_of
from pos_node.drafts import CustomerDraft, patched
from pos_node.refusal import Refusal
from pos_node.store.journal import read_epoch, read_waiting
from tests.pos_parts import NOON, Script, business, retail
from tests.pos_till import ANNE, BEN, TestTill, open_till

ID, OTHER = UUID(int=5), UUID(int=6)


@pytest.fixture
async def till(folder: Path) -> AsyncIterator[TestTill]:
    async with open_till(folder) as opened:
        yield opened


def draft(customer: Customer | None = None, **fields: object) -> CustomerDraft:
    given = customer.model_dump(mode="json", exclude_unset=True) if customer else {}
    return CustomerDraft.model_validate(given | fields)


def patch(**fields: object) -> Wish:
    return Wish(lambda seen, new_id: patched(seen, draft(None, **fields), new_id))


async def journalled(till: TestTill) -> list[BaseModel]:
    epoch = await till.store.read(read_epoch) or ""
    return [decode(one.body).data for one in await till.store.read(read_waiting, epoch, 0, 100)]


async def refusal_of_adding(till: TestTill, typed: CustomerDraft) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await till.customers.add(typed, ANNE)
    assert await journalled(till) == []
    return refused.value


async def refusal_of_a_code(till: TestTill, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        await till.customers.add(draft(retail(code)), ANNE)
    assert refused.value.code == "customer.code_taken"


async def test_a_customer_is_added_without_the_erp(till: TestTill) -> None:
    added = await till.customers.add(draft(retail(phone="+33 1")), ANNE)
    assert (added.version, added.state) == (0, "active")
    assert added.customer == retail(phone="+33 1", lowest_price=False)
    [entry] = await journalled(till)
    assert isinstance(entry, CustomerAdded)
    assert (entry.customer_id, entry.record) == (added.id, added.customer)
    assert till.erp.asked == []


async def test_cust_1_adding_without_the_right_is_refused(till: TestTill) -> None:
    with pytest.raises(Refusal) as refused:
        await till.customers.add(draft(retail()), BEN)
    assert refused.value.code == "right.missing"
    assert await journalled(till) == []


async def test_cust_1_editing_without_the_right_is_refused(till: TestTill) -> None:
    await till.hold(ID, retail())
    with pytest.raises(Refusal) as refused:
        await till.customers.edit(ID, patch(phone="1"), BEN)
    assert refused.value.code == "right.missing"


async def test_prev_2_a_centre_without_the_right_cannot_edit(till: TestTill) -> None:
    await till.hold(ID, retail(), editors=("C2",))
    for who in (ANNE, BEN):
        with pytest.raises(Refusal) as refused:
            await till.customers.edit(ID, patch(phone="1"), who)
        assert refused.value.code == "customer.no_edit_right"
        assert refused.value.params == {"name": "Dupont Jeanne"}
    assert await till.shown(ID) == retail()


async def test_cust_2_a_missing_field_saves_nothing(till: TestTill) -> None:
    refusal = await refusal_of_adding(till, draft(kind="retail", code="A-1", first_name="J"))
    assert [one.name for one in refusal.fields] == ["last_name"]


async def test_sync_1_a_customer_the_erp_would_refuse_for_its_size_is_refused_at_once(
    till: TestTill,
) -> None:
    signed = [
        {"definition": f"d{n}", "state": "given", "signature": "é" * 22_000} for n in range(3)
    ]
    large = retail("A", consents=signed)
    refused = await refusal_of_adding(till, draft(large))
    size = len(envelope.dump(large))
    assert refused.code == "customer.too_large"
    assert refused.params["limit"] == str(RECORD_BYTES)
    assert RECORD_BYTES < size < int(refused.params["size"]) < size + 500
    await till.hold(ID, retail("A", consents=signed[:2]))
    with pytest.raises(Refusal) as edited:
        await till.customers.edit(ID, patch(consents=signed), ANNE)
    assert (edited.value.code, await journalled(till)) == ("customer.too_large", [])
    assert await till.shown(ID) == retail("A", consents=signed[:2])
    await till.customers.edit(ID, patch(phone="1"), ANNE)


async def test_cust_3_a_code_used_here_is_refused(till: TestTill) -> None:
    await till.hold(ID, retail("a-1"))
    refusal = await refusal_of_adding(till, draft(retail(" A-1 ")))
    assert (refusal.code, refusal.params) == ("customer.code_taken", {"code": "A-1"})
    assert [one.name for one in refusal.fields] == ["code"]


async def test_cust_3_a_code_used_in_the_erp_is_refused_the_same_way(till: TestTill) -> None:
    till.erp.script = _codes(taken={"A-1"})
    till.go_online()
    refusal = await refusal_of_adding(till, draft(retail("A-1")))
    assert (refusal.code, refusal.params) == ("customer.code_taken", {"code": "A-1"})
    assert [one.name for one in refusal.fields] == ["code"]
    assert till.erp.asked == [CodeCheck(code="A-1")]


async def test_cust_3_offline_the_erp_is_not_asked(till: TestTill) -> None:
    till.erp.script = _codes(taken={"A-1"})
    till.go_offline()
    await till.customers.add(draft(retail("A-1")), ANNE)
    assert till.erp.asked == []


async def test_cust_4_an_erp_that_does_not_answer_holds_nobody_up(till: TestTill) -> None:
    till.go_online()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await till.customers.add(draft(retail("A-1")), ANNE)
    assert CODE_CHECK_S * 0.9 < loop.time() - began < 5
    assert len(await journalled(till)) == 1


async def test_cust_4_an_erp_that_hangs_holds_a_cashier_up_once(till: TestTill) -> None:
    till.go_online()
    for number in range(5):
        await till.customers.add(draft(retail(f"A-{number}")), ANNE)
    assert till.erp.asked == [CodeCheck(code="A-0")]
    till.contact.hear_beat(NOON)
    await till.customers.add(draft(retail("B-1")), ANNE)
    assert till.erp.asked == [CodeCheck(code="A-0")], "a beat is no answer"


async def test_cust_3_an_erp_that_answers_again_is_asked_again(till: TestTill) -> None:
    till.go_online()
    await till.customers.add(draft(retail("A-1")), ANNE)
    till.erp.script = _codes(taken={"A-2"})
    till.contact.hear()
    for _ in range(2):
        await refusal_of_a_code(till, "A-2")


async def test_cust_3_a_link_that_is_down_for_a_moment_is_no_reason_not_to_ask_again(
    till: TestTill,
) -> None:
    till.go_online()
    till.erp.attached.clear()
    await till.customers.add(draft(retail("A-1")), ANNE)
    till.erp.attached.set()
    till.erp.script = _codes(taken={"A-2"})
    await refusal_of_a_code(till, "A-2")


async def test_cust_4_an_erp_that_refuses_to_answer_is_no_refusal(till: TestTill) -> None:
    async def refuse(question: BaseModel) -> BaseModel:
        return Refused(code="till.unknown")

    till.erp.script = refuse
    till.go_online()
    await till.customers.add(draft(retail("A-1")), ANNE)
    assert len(await journalled(till)) == 1


async def test_cust_3_a_changed_code_is_checked_and_ones_own_is_not(till: TestTill) -> None:
    await till.hold(ID, retail("A-1"))
    await till.hold(OTHER, retail("A-2"))
    till.erp.script = _codes(taken={"A-1", "A-3"})
    till.go_online()
    await till.customers.edit(ID, patch(code="a-1", phone="1"), ANNE)
    for code in ("A-2", "A-3"):
        with pytest.raises(Refusal) as refused:
            await till.customers.edit(ID, patch(code=code), ANNE)
        assert refused.value.code == "customer.code_taken"
    edited = await till.customers.edit(ID, patch(code="A-4"), ANNE)
    assert edited.customer == retail("A-4", phone="1")
    assert CodeCheck(code="A-4", customer_id=ID) in till.erp.asked


async def test_cust_5_the_tax_number_of_another_is_a_warning_to_confirm(till: TestTill) -> None:
    await till.hold(ID, business("B-1", "Martin SA", tax_number="FR 40 303 265 045"))
    typed = draft(business("B-2", tax_number="fr40303265045"))
    refusal = await refusal_of_adding(till, typed)
    assert refusal.code == "customer.duplicate_tax_number"
    assert refusal.params == {"name": "Martin SA"}
    assert [one.name for one in refusal.fields] == ["tax_number"]
    await till.customers.add(typed, ANNE, same_tax_number_is_fine=True)
    assert len(await journalled(till)) == 1


async def test_cust_5_an_unchanged_tax_number_is_not_warned_of_again(till: TestTill) -> None:
    await till.hold(ID, business("B-1", tax_number="123"))
    await till.hold(OTHER, business("B-2", tax_number="1-2-3"))
    edited = await till.customers.edit(ID, patch(phone="1", tax_number="12 3"), ANNE)
    assert edited.customer == business("B-1", tax_number="12 3", phone="1")


async def test_cust_9_a_new_customer_gets_the_default_of_its_kind(till: TestTill) -> None:
    await till.settings(lowest_price_business=True)
    company = await till.customers.add(draft(business()), ANNE)
    person = await till.customers.add(draft(retail()), ANNE)
    assert company.customer is not None
    assert person.customer is not None
    assert (company.customer.lowest_price, person.customer.lowest_price) == (True, False)


async def test_cust_11_the_description_is_not_changed_here(till: TestTill) -> None:
    await till.hold(ID, retail(description="of the ERP"))
    with pytest.raises(Refusal) as refused:
        await till.customers.edit(ID, patch(description="mine"), ANNE)
    assert refused.value.code == "customer.description_read_only"
    await till.customers.edit(ID, patch(description="of the ERP", phone="1"), ANNE)
    assert await till.shown(ID) == retail(description="of the ERP", phone="1")


async def test_cust_13_an_edit_tells_what_was_seen_before(till: TestTill) -> None:
    await till.hold(ID, retail(phone="1", email="a@b.fr"), version=7)
    await till.customers.edit(ID, patch(phone="2"), ANNE)
    await till.customers.edit(ID, patch(phone="3", email=None), ANNE)
    first, second = await journalled(till)
    assert isinstance(first, CustomerEdited)
    assert isinstance(second, CustomerEdited)
    assert first.base_version == second.base_version == 7
    assert [(one.path, one.old, one.new) for one in first.changes] == [("phone", "1", "2")]
    assert [(one.path, one.old, one.new) for one in second.changes] == [
        ("email", "a@b.fr", None),
        ("phone", "2", "3"),
    ]


async def test_without_a_difference_nothing_is_journalled(till: TestTill) -> None:
    await till.hold(ID, retail(phone="1"))
    same = await till.customers.edit(ID, patch(phone=" 1 "), ANNE)
    assert same.customer == retail(phone="1")
    assert await journalled(till) == []


async def test_an_edit_of_what_is_no_longer_there_is_refused(till: TestTill) -> None:
    await till.hold(ID, retail(phone="1"))
    stored = await till.find(ID)
    assert stored is not None
    wish = Wish(patch(phone="2").make, seen=etag_of(stored))
    await till.hold(ID, retail(phone="3"), version=2)
    with pytest.raises(Refusal) as refused:
        await till.customers.edit(ID, wish, ANNE)
    assert refused.value.code == "customer.changed_meanwhile"
    assert await till.shown(ID) == retail(phone="3")


async def test_a_customer_nobody_knows_is_refused(till: TestTill) -> None:
    with pytest.raises(Refusal) as refused:
        await till.customers.edit(ID, patch(phone="1"), ANNE)
    assert refused.value.code == "customer.unknown"


async def test_a_new_entry_leaves_at_once(till: TestTill) -> None:
    await till.customers.add(draft(retail()), ANNE)
    await asyncio.wait_for(till.publisher.took.wait(), 10)
    assert till.publisher.sent == [1]


def _codes(taken: set[str]) -> Script:
    async def script(question: BaseModel) -> BaseModel:
        assert isinstance(question, CodeCheck)
        return CodeChecked(code=question.code, taken=question.code in taken)

    return script
