"""Generated customers: valid, varied, the same for the same seed (CUST-2, CUST-5, CUST-6)."""

import json
import time
from collections import Counter
from datetime import date
from functools import partial
from pathlib import Path
from typing import get_args

import phonenumbers
import pytest
from pydantic import TypeAdapter
from stdnum.fr import siren, siret, tva
from stdnum.pl import nip, pesel

from contracts.changes import flatten
from contracts.customers import Customer, code_key, missing_fields, tax_key
from contracts.feed import CustomerRow
from contracts.matching import words_of
from contracts.reference import (
    REFERENCE_KINDS,
    Centre,
    Choice,
    Entry,
    Operator,
    ReferenceRecord,
    Right,
    reference_key,
)
from contracts.settings import Settings
from erp_node.imports.cells import CUSTOMERS
from erp_node.imports.files import Lines
from erp_node.imports.rows import Row, read_json_line
from erp_node.imports.table import Table
from ops.samples import (
    SampleCustomer,
    generate_customers,
    generate_json_lines,
    sample_reference,
    write_csv,
    write_json_lines,
)

COUNT = 4_000
CENTRES = ("lyon", "krakow", "lille")


@pytest.fixture(scope="module")
def samples() -> list[SampleCustomer]:
    return list(generate_customers(COUNT, 7, CENTRES))


def test_samples_the_same_seed_gives_the_same_customers() -> None:
    some = list(generate_json_lines(200, 7, CENTRES))
    assert list(generate_json_lines(300, 7, CENTRES))[:200] == some
    assert list(generate_json_lines(200, 8, CENTRES)) != some


def test_cust_2_samples_have_what_a_customer_needs_and_codes_of_their_own(
    samples: list[SampleCustomer],
) -> None:
    assert not any(
        missing_fields(one.customer.kind, partial(getattr, one.customer)) for one in samples
    )
    assert len({code_key(one.customer.code) for one in samples}) == COUNT
    assert len({one.id for one in samples}) == COUNT
    assert all(one.id.version == 4 for one in samples)


def test_samples_are_of_two_kinds_and_countries_and_about_a_kilobyte(
    samples: list[SampleCustomer],
) -> None:
    kinds = Counter((one.customer.kind, one.customer.country_code) for one in samples)
    assert set(kinds) == {
        ("retail", "FR"),
        ("retail", "PL"),
        ("business", "FR"),
        ("business", "PL"),
    }
    assert min(kinds.values()) > COUNT / 20
    sizes = [len(one.customer.model_dump_json(exclude_none=True).encode()) for one in samples]
    assert 850 < sum(sizes) / COUNT < 1_200
    for one in samples:
        assert len(flatten(one.customer)) >= 25
        assert len(one.customer.addresses) == 2
        assert one.customer.addresses[0].type == "main"
        assert len(one.customer.consents) == 3
    assert COUNT / 20 < sum(bool(one.customer.contacts) for one in samples) < COUNT / 4


def test_numbers_of_samples_pass_the_checks_of_their_country(samples: list[SampleCustomer]) -> None:
    for one in (sample.customer for sample in samples):
        match one.kind, one.country_code:
            case "business", "FR":
                assert one.tax_number
                assert one.siret
                tva.validate(one.tax_number)
                siret.validate(one.siret)
                siren.validate(one.siret[:9])
                assert one.tax_number.endswith(one.siret[:9])
            case "business", "PL":
                assert one.tax_number
                nip.validate(one.tax_number)
            case "retail", "PL":
                assert one.national_id
                assert pesel.validate(one.national_id) == one.national_id
                assert pesel.get_birth_date(one.national_id) == one.birth_date
                assert pesel.get_gender(one.national_id) == ("F" if one.title == "pani" else "M")
    keys = [tax_key(one.customer.tax_number) for one in samples if one.customer.tax_number]
    assert len(set(keys)) == len(keys)


def test_samples_have_telephone_numbers_of_their_country(samples: list[SampleCustomer]) -> None:
    for one in (sample.customer for sample in samples):
        assert one.country_code
        for phone in (one.phone, one.extra_phone):
            assert phone
            number = phonenumbers.parse(phone, one.country_code)
            assert phonenumbers.is_valid_number_for_region(number, one.country_code), phone
    assert len({one.customer.phone for one in samples}) > COUNT * 0.99


def test_samples_have_postal_codes_of_their_towns(samples: list[SampleCustomer]) -> None:
    districts: dict[tuple[str, str], set[str]] = {}
    for address in (address for one in samples for address in one.customer.addresses):
        assert address.country
        assert address.town
        assert address.postal_code
        pattern = "NNNNN" if address.country == "FR" else "NN-NNN"
        assert "".join("N" if sign.isdigit() else sign for sign in address.postal_code) == pattern
        districts.setdefault((address.country, address.town), set()).add(address.postal_code[:2])
    assert all(len(found) == 1 for (country, _), found in districts.items() if country == "FR")
    assert districts["FR", "Lyon"] == {"69"}
    assert districts["PL", "Kraków"] == {"30", "31"}


def test_samples_agree_with_themselves(samples: list[SampleCustomer]) -> None:
    for one in (sample.customer for sample in samples):
        assert one.email
        assert one.email.partition("@")[2] in ("example.com", "example.org", "example.net")
        assert one.email.isascii()
        if one.kind == "retail":
            assert one.birth_date
            assert date(1935, 1, 1) <= one.birth_date < date(2005, 1, 1)
            assert one.last_name
            assert not (one.title == "pani" and one.last_name.endswith("ski"))


def test_sync_1_samples_are_available_to_all_to_some_and_editable_by_some(
    samples: list[SampleCustomer],
) -> None:
    everywhere = [one for one in samples if one.everywhere]
    assert 0.1 < len(everywhere) / COUNT < 0.3
    for one in samples:
        assert bool(one.centres) != one.everywhere
        assert set(one.centres) <= set(CENTRES)
        assert one.editors is None or set(one.editors) <= set(one.centres)
    assert any(one.editors for one in samples)
    assert {one.centres[0] for one in samples if one.centres} == set(CENTRES)
    assert all(
        one.centres == ("krakow",)
        for one in samples
        if one.centres and one.customer.country_code == "PL"
    )


def test_list_5_samples_have_names_to_search_and_to_tell_apart(
    samples: list[SampleCustomer],
) -> None:
    names = Counter(one.customer.display_name for one in samples)
    assert len(names) > COUNT * 0.8
    lines = [" ".join(words_of(one.customer)) for one in samples]
    assert 3 < sum(" lyon " in f" {line} " for line in lines) < COUNT / 4
    assert any("œ" in name for name in names)
    assert any("Ł" in name for name in names)
    assert any("'" in name for name in names)
    assert any("-" in name for name in names)


def test_samples_written_as_lines_are_read_back(
    folder: Path, samples: list[SampleCustomer]
) -> None:
    path = folder / "customers.jsonl"
    write_json_lines(path, 50, 7, CENTRES)
    read = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [Customer.model_validate(one["record"]) for one in read] == [
        one.customer for one in samples[:50]
    ]
    assert [one["id"] for one in read] == [str(one.id) for one in samples[:50]]
    row = {**read[0], "key": read[0]["id"], "version": 1}
    assert CustomerRow.model_validate(row).record == samples[0].customer


def test_samples_written_as_lines_are_what_the_erp_imports(
    folder: Path, samples: list[SampleCustomer]
) -> None:
    path = folder / "customers.jsonl"
    write_json_lines(path, 50, 7, CENTRES)
    with path.open("rb") as file:
        rows = [read_json_line(line) for line in Lines(file)]
    for row, sample in zip(rows, samples, strict=False):
        assert isinstance(row, Row), row
        assert row.record == sample.customer
        assert (row.placing.id, row.placing.everywhere) == (sample.id, sample.everywhere)
        assert tuple(row.placing.centres or ()) == sample.centres
        assert tuple(row.placing.editors or ()) == (sample.editors or ())


def test_samples_written_as_a_table_are_what_the_erp_imports(
    folder: Path, samples: list[SampleCustomer]
) -> None:
    path = folder / "customers.csv"
    write_csv(path, 50, 7, CENTRES)
    with path.open("rb") as file:
        lines = Lines(file)
        rows = [row for _, row in Table(next(lines), CUSTOMERS).read(lines)]
    assert len(rows) == 50
    for row, sample in zip(rows, samples, strict=False):
        assert isinstance(row, Row), row
        less = sample.customer.model_copy(update={"contacts": [], "addresses": []})
        assert row.record.model_copy(update={"addresses": []}) == less
        assert row.record.main_address
        assert sample.customer.main_address
        assert row.record.main_address.town == sample.customer.main_address.town
        assert row.placing.id == sample.id
        assert tuple(row.placing.editors or ()) == (sample.editors or ())


def test_samples_a_million_take_no_more_than_minutes() -> None:
    begun = time.process_time()
    made = sum(1 for _ in generate_json_lines(20_000, 7))
    assert made / (time.process_time() - begun) > 10_000


@pytest.fixture(scope="module")
def reference() -> list[Entry]:
    return sample_reference(
        CENTRES, password="secret", hash_password=lambda password: f"hash of {password}"
    )


def test_rights_reference_has_every_kind_and_is_valid(reference: list[Entry]) -> None:
    adapter: TypeAdapter[Entry] = TypeAdapter(ReferenceRecord)
    assert [
        adapter.validate_json(one.model_dump_json(exclude_none=True)) for one in reference
    ] == reference
    assert {reference_key(one).partition("/")[0] for one in reference} == set(REFERENCE_KINDS)
    assert len({reference_key(one) for one in reference}) == len(reference)
    assert {one.country for one in reference if isinstance(one, Centre)} == {"FR", "PL"}


def test_rights_each_centre_has_an_operator_with_all_rights_and_one_with_none(
    reference: list[Entry],
) -> None:
    people = {one.code: one for one in reference if isinstance(one, Operator)}
    assert len(people) == 2 * len(CENTRES)
    for centre in CENTRES:
        assert people[f"manager-{centre}"].rights == list(get_args(Right))
        assert people[f"trainee-{centre}"].rights == []
        assert people[f"trainee-{centre}"].centres == [centre]
    assert {one.password_hash for one in people.values()} == {"hash of secret"}


def test_rights_without_a_password_nobody_is_made() -> None:
    assert not any(isinstance(one, Operator) for one in sample_reference(CENTRES))


def test_list_3_samples_use_codes_of_the_reference(
    samples: list[SampleCustomer], reference: list[Entry]
) -> None:
    codes = {kind: set() for kind in REFERENCE_KINDS}  # type: dict[str, set[str]]
    for one in reference:
        kind, _, code = reference_key(one).partition("/")
        codes[kind].add(code)
    groups = {
        one.code for one in reference if isinstance(one, Choice) and one.list == "customer_group"
    }
    for customer in (sample.customer for sample in samples):
        assert set(customer.groups) <= groups
        assert set(customer.attributes) <= codes["attribute"]
        assert {one.definition for one in customer.consents} <= codes["consent"]
        assert customer.title is None or customer.title in codes["choice"]


def test_settings_of_the_reference_are_settings(reference: list[Entry]) -> None:
    names = {
        one.code.partition("/")[2] for one in reference if reference_key(one).startswith("setting/")
    }
    assert names
    assert names <= set(Settings.model_fields)
