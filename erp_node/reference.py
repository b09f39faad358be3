"""What the ERP defines for its tills: settings by level, centres, operators, lists (RIGHTS and SETTINGS)."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import get_args

from contracts.customers import Code, Country
from contracts.reference import (
    REFERENCE_KINDS,
    CardType,
    Centre,
    Entry,
    Operator,
    ReferenceRecord,
    Setting,
    reference_key,
)
from contracts.settings import Settings as Switches
from contracts.settings import UnknownSetting, WrongSetting, check_setting, resolve
from contracts.topology import ALL, POS_ID, centre_scope, pos_scope
from erp_node.centres import known_centres, remove_centre, unknown_place
from erp_node.store import reference as store
from erp_node.store import tills
from erp_node.store.pool import Database, Pool
from web.passwords import Passwords

REQUIRABLE = (
    "birth_date", "code", "email", "extra_phone", "first_name", "last_name", "name", "phone", "postal_code",
    "tax_number", "title",
)  # fmt: skip
"""What a card may require of its customer (CARD-3); the postal code is the main address's."""

_CODE = re.compile(get_args(Code)[1].metadata[0].pattern)
_COUNTRY = re.compile(get_args(Country)[1].metadata[0].pattern)
_POS = re.compile(POS_ID)
_NO_PARAMS: Mapping[str, str] = MappingProxyType({})


class WrongRecord(ValueError):
    """A reference row cannot be stored; `code`, its `params` and `field` say why and where."""

    def __init__(
        self, code: str, field: str, text: str, params: Mapping[str, str] = _NO_PARAMS
    ) -> None:
        super().__init__(f"{field}: {text}")
        self.code = code
        self.field = field
        self.text = text
        self.params = dict(params)


class NoPassword(ValueError):
    """An operator who has no password yet cannot be stored without one."""


async def put_all(pool: Pool, records: Sequence[ReferenceRecord]) -> None:
    """Stores rows, all or none. Raises WrongRecord."""
    seen: dict[str, int] = {}
    for number, record in enumerate(records, 1):
        check_record(record)
        key = reference_key(record)
        if key in seen:
            raise WrongRecord(
                "reference.twice", "code", f"{key} is there twice, as rows {seen[key]} and {number}"
            )
        seen[key] = number
    if records:
        await store.put_records(pool, records)


async def put_settings(pool: Pool, level: str, values: Mapping[str, object]) -> None:
    """Sets switches at a level (`all`, `centre.C`, `pos.P`), all or none; None takes the level's own
    value away, so that the level above holds. Raises WrongRecord naming the setting, or the level when
    there is no such centre or till; values can be taken away there all the same."""
    check_level(level)
    given = [_setting(level, name, value) for name, value in values.items() if value is not None]
    cleared = [name for name, value in values.items() if value is None]
    for name in cleared:
        if name not in Switches.model_fields:
            raise WrongRecord("setting.unknown", name, f"{name}: there is no such setting")
    async with pool.acquire() as connection, connection.transaction():
        if given:
            await check_place(connection, level)
            await store.put_records(connection, given)
        for name in sorted(cleared):
            await store.delete_record(connection, f"setting/{level}/{name}")


def _setting(level: str, name: str, value: object) -> Setting:
    try:
        checked = check_setting(name, value)
    except UnknownSetting as error:
        raise WrongRecord("setting.unknown", name, str(error)) from None
    except WrongSetting as error:
        choices = {"choices": _choices(name)}
        raise WrongRecord("setting.wrong", name, str(error), choices) from None
    return checked.model_copy(update={"code": f"{level}/{name}", "level": level})


def _choices(name: str) -> str:
    """The values a setting can have, in signs of no language: `en, fr`, `0 < … ≤ 60`."""
    form = Switches.model_json_schema()["properties"][name]
    if "enum" in form:
        return ", ".join(form["enum"])
    if form["type"] == "boolean":
        return "true, false"
    if "pattern" in form:
        return str(form["pattern"]).strip("^$")
    lowest = f"{form['minimum']} ≤" if "minimum" in form else f"{form['exclusiveMinimum']} <"
    return f"{lowest} … ≤ {form['maximum']}"


async def settings_at(pool: Pool, level: str) -> dict[str, object]:
    """The values set at one level itself, by name."""
    check_level(level)
    rows = await store.list_records(pool, "setting")
    return {row.name: row.value for row in rows if isinstance(row, Setting) and row.level == level}


async def settings_for(pool: Pool, centre: str, pos_id: str) -> Switches:
    """The switches that hold at one till."""
    rows = await store.list_records(pool, "setting")
    return resolve((row for row in rows if isinstance(row, Setting)), centre, pos_id)


async def put_operator(
    pool: Pool, passwords: Passwords, operator: Operator, password: str | None
) -> Operator:
    """Stores an operator with a new password, or with None the one there is; as it is stored then.

    Raises NoPassword when there is none, WrongRecord.
    """
    check_record(operator)
    await check_centres(pool, "centres", operator.centres)
    hashed = None if password is None else await passwords.hash(password)
    async with pool.acquire() as connection, connection.transaction():
        if hashed is None:
            found = await store.lock_record(connection, reference_key(operator))
            hashed = found.password_hash if isinstance(found, Operator) else None
        if hashed is None:
            raise NoPassword(operator.code)
        stored = operator.model_copy(update={"password_hash": hashed})
        await store.put_records(connection, [stored])
    return stored


async def delete(pool: Pool, key: str) -> bool:
    """Takes a row away from every till; False when there is none. Raises CentreInUse."""
    kind, _, code = key.partition("/")
    if kind == "centre":
        return await remove_centre(pool, code)
    return await store.delete_record(pool, key)


async def list_of(pool: Pool, kind: str) -> list[ReferenceRecord]:
    """All rows of a kind. Raises WrongRecord when there is no such kind."""
    if kind not in REFERENCE_KINDS:
        raise unknown_kind(kind)
    return await store.list_records(pool, kind)


def unknown_kind(kind: str) -> WrongRecord:
    """What to raise where a kind is none."""
    text = f"{kind} is none of {', '.join(REFERENCE_KINDS)}"
    return WrongRecord("reference.unknown_kind", "kind", text)


async def find(pool: Pool, key: str) -> ReferenceRecord | None:
    """One row by its key, `<kind>/<code>`."""
    return await store.find_record(pool, key)


def check_record(record: Entry) -> None:
    """Raises WrongRecord when a setting does not fit, or a code, level, country or centre cannot be one."""
    if isinstance(record, Setting):
        check_level(record.level)
        _setting(record.level, record.name, record.value)
        if record.code != f"{record.level}/{record.name}":
            raise WrongRecord(
                "reference.wrong_code", "code", f"must be {record.level}/{record.name}"
            )
    if isinstance(record, Centre | Operator) and not _CODE.fullmatch(record.code):
        text = f"{record.code!r}: only letters A to Z, digits, - and _, at most 60"
        raise WrongRecord("request.wrong_form", "code", text, {"example": "lyon-1"})
    if isinstance(record, Centre) and not _COUNTRY.fullmatch(record.country or "FR"):
        text = f"{record.country!r} is not two capital letters, as FR"
        raise WrongRecord("request.wrong_form", "country", text, {"example": "FR"})
    if isinstance(record, CardType):
        for place, name in enumerate(record.required_fields):
            if name not in REQUIRABLE:
                wrong = {"choices": ", ".join(REQUIRABLE)}
                text = f"{name!r} is none of {wrong['choices']}"
                raise WrongRecord("request.no_choice", f"required_fields.{place}", text, wrong)
    if isinstance(record, Operator):
        for centre in record.centres:
            _check_centre(centre)


def check_level(level: str) -> None:
    """Raises WrongRecord unless it is all, centre.C or pos.P."""
    place, _, name = level.partition(".")
    known = (
        level == ALL
        or (place == "centre" and _CODE.fullmatch(name) and level == centre_scope(name))
        or (place == "pos" and _POS.fullmatch(name) and level == pos_scope(name))
    )
    if not known:
        raise WrongRecord("setting.wrong_level", "level", f"{level} is not all, centre.C or pos.P")


async def check_place(database: Database, level: str) -> None:
    """Raises WrongRecord when a level is of a centre that is not known, or of a till that is not enrolled."""
    check_level(level)
    place, _, name = level.partition(".")
    if place == "centre":
        await check_centres(database, "level", [name])
    if place == "pos":
        till = await tills.find(database, name)
        if till is None or not till.active:
            text = f"no till {name} is enrolled"
            raise WrongRecord("setting.unknown_till", "level", text, {"till": name})


async def check_centres(database: Database, field: str, centres: Sequence[str]) -> None:
    """Raises WrongRecord when the ERP knows centres, and one of these is none of them."""
    place = unknown_place(centres, await known_centres(database)) if centres else None
    if place is not None:
        at = f"{field}.{place}" if field == "centres" else field
        text, params = f"there is no centre {centres[place]}", {"centre": centres[place]}
        raise WrongRecord("request.centre_unknown", at, text, params)


def _check_centre(centre: str) -> None:
    if not _CODE.fullmatch(centre):
        raise WrongRecord(
            "reference.wrong_centre", "centres", f"{centre} cannot be a centre's code"
        )
