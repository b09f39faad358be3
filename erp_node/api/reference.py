"""Centres, operators, lists: what the ERP defines for its tills."""

from typing import Annotated, Literal, TypeAlias, get_args

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, WrapValidator

from contracts.customers import Code
from contracts.reference import (
    AttributeDefinition,
    CardType,
    Centre,
    Choice,
    ConsentDefinition,
    DocumentControl,
    Operator,
    PaymentForm,
    ReferenceRecord,
    Right,
    Setting,
)
from erp_node import reference
from erp_node.api.services import ErpServices
from web.docs import problems
from web.passwords import LONGEST, SHORTEST
from web.problems import FieldProblem, Problem
from web.sessions import SignedIn
from web.validation import invalid

Name = Annotated[str, Field(min_length=1, max_length=120)]


class OperatorShown(BaseModel):
    """A person at the tills of `centres`; the password's hash is not shown."""

    kind: Literal["operator"] = "operator"
    code: Code
    name: Name
    centres: list[Code] = []
    rights: list[Right] = []
    active: bool = True


class OperatorWanted(BaseModel):
    """An operator to be stored. Without `password` the present one stays."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    centres: list[Code] = []
    rights: list[Right] = []
    active: bool = True
    password: Annotated[
        str | None,
        Field(min_length=SHORTEST, max_length=LONGEST, json_schema_extra={"format": "password"}),
    ] = None


Record: TypeAlias = (
    Centre
    | Setting
    | Choice
    | AttributeDefinition
    | ConsentDefinition
    | CardType
    | PaymentForm
    | DocumentControl
)
FORMS: dict[str, TypeAdapter[Record]] = {
    form.model_fields["kind"].default: TypeAdapter(form) for form in get_args(Record)
}
RecordGiven = Annotated[Record, WrapValidator(lambda given, _: given)]
"""Documented as what it must be, and read once the address has said which of them (`_read`)."""

RecordShown = Annotated[Record | OperatorShown, Field(discriminator="kind")]
RecordCode = Annotated[str, Path(max_length=120, description="may contain /")]


class Records(BaseModel):
    rows: list[RecordShown]


def reference_router(services: ErpServices) -> APIRouter:
    """All below /reference. Settings have routes of their own (see settings.py)."""
    router = APIRouter(prefix="/reference", tags=["reference"])
    pool, gate = services.pool, services.gate
    reader = Annotated[SignedIn, Depends(gate.needs("erp.read"))]
    writer = Annotated[SignedIn, Depends(gate.needs("erp.settings"))]

    @router.get("/{kind}", responses=problems(401, 403))
    async def list_records(kind: str, who: reader) -> Records:
        """All rows of a kind, by code."""
        return Records(rows=[_shown(one) for one in await reference.list_of(pool, kind)])

    @router.get("/{kind}/{code:path}", responses=problems(401, 403, 404))
    async def get_record(kind: str, code: RecordCode, who: reader) -> RecordShown:
        """One row."""
        return _shown(await _find(services, kind, code))

    @router.put("/operator/{code}", responses=problems(401, 403))
    async def put_operator(code: Code, wanted: OperatorWanted, who: writer) -> OperatorShown:
        """Stores an operator (RIGHTS); the tills of the centres named learn of it, others forget it."""
        operator = Operator(code=code, password_hash="", **wanted.model_dump(exclude={"password"}))
        try:
            stored = await reference.put_operator(
                pool, services.passwords, operator, wanted.password
            )
        except reference.NoPassword:
            raise _wrong("password", "request.field_missing") from None
        return _operator_shown(stored)

    @router.put("/{kind}/{code:path}", responses=problems(401, 403))
    async def put_record(
        kind: str, code: RecordCode, given: RecordGiven, who: writer
    ) -> RecordShown:
        """Stores a row; every till it concerns has it in a moment. `kind` and `code` are those of the address."""
        record = _read(kind, code, given)
        if isinstance(record, Setting):
            await reference.check_place(pool, record.level)
        await reference.put_all(pool, [record])
        return record

    @router.delete("/{kind}/{code:path}", status_code=204, responses=problems(401, 403, 404, 409))
    async def delete_record(kind: str, code: RecordCode, who: writer) -> None:
        """Takes a row away from every till; 409 for a centre that has tills, or customers of its own."""
        if not await reference.delete(pool, f"{kind}/{code}"):
            raise Problem(404, "reference.unknown")

    return router


def _read(kind: str, code: str, given: object) -> Record:
    """The row that a body is. Raises Problem request.invalid, naming the fields, or WrongRecord."""
    if kind == "operator":
        raise _wrong("code", "request.wrong_value")
    if kind not in FORMS:
        raise reference.unknown_kind(kind)
    if isinstance(given, dict):
        given = {"kind": kind, "code": code, **given}
    try:
        record = FORMS[kind].validate_python(given, extra="forbid")
    except ValidationError as error:
        raise invalid({**one, "loc": ("body", *one["loc"])} for one in error.errors()) from None
    if record.code != code:
        raise _wrong("code", "request.wrong_value")
    return record


async def _find(services: ErpServices, kind: str, code: str) -> ReferenceRecord:
    found = await reference.find(services.pool, f"{kind}/{code}")
    if found is None:
        raise Problem(404, "reference.unknown")
    return found


def _wrong(field: str, code: str) -> Problem:
    return Problem(422, "request.invalid", fields=[FieldProblem(field, code)])


def _shown(record: ReferenceRecord) -> RecordShown:
    return _operator_shown(record) if isinstance(record, Operator) else record


def _operator_shown(operator: Operator) -> OperatorShown:
    return OperatorShown(**operator.model_dump(exclude={"password_hash"}))
