"""What the ERP's refusals are in HTTP."""

from collections.abc import Awaitable, Callable, Mapping

import asyncpg
import structlog
from starlette.requests import Request
from starlette.responses import Response

from erp_node.card_office import CardRefused
from erp_node.centres import CentreInUse
from erp_node.customers import CustomerRefused
from erp_node.reference import WrongRecord
from erp_node.store.faults import is_transient
from erp_node.tills import WrongTill
from messaging.admin import AdminError
from messaging.channel import MessagingError
from web.access import place_of
from web.language import language_of
from web.problems import FieldProblem, Problem, problem_response

log = structlog.get_logger("erp.api")

OTHERWISE = 409
SHOWN_AT_MOST = 50
"""Fields at fault."""

STATUS = {
    "customer.unknown": 404,
    "customer.deleted": 410,
    "customer.anonymised": 410,
    "customer.changed_meanwhile": 412,
    "customer.too_large": 413,
    "customer.code_invisible": 422,
    "customer.field_required": 422,
    "customer.field_invalid": 422,
    "address.second_main": 422,
    "card.unknown": 404,
    "card.changed_meanwhile": 412,
    "card.field_required": 422,
    "card.reason_unknown": 422,
    "card.type_other_form": 422,
    "card.type_unknown": 422,
    "card.voucher_only": 422,
    "card.voucher_without_points": 422,
    "request.part_twice": 422,
    "request.centre_unknown": 422,
    "till.unknown": 404,
    "reference.unknown_kind": 404,
}
"""Of every code; what clashes with something that is there is 409."""


async def answer_customer_refused(request: Request, error: Exception) -> Response:
    """The handler of CustomerRefused."""
    assert isinstance(error, CustomerRefused)
    fields = [FieldProblem(error.field, error.code, error.params)] if error.field else []
    params = {"field": error.field, **error.params} if error.field else error.params
    problem = Problem(STATUS.get(error.code, OTHERWISE), error.code, params, fields)
    return problem_response(problem, language_of(request))


async def answer_card_refused(request: Request, error: Exception) -> Response:
    """The handler of CardRefused: every field at fault, the first refusal being the problem's."""
    assert isinstance(error, CardRefused)
    first, fields = error.refusals[0], [one for one in error.refusals if one.field]
    problem = Problem(
        STATUS.get(first.code, OTHERWISE),
        first.code,
        first.params,
        [FieldProblem(one.field or "", one.code, one.params) for one in fields[:SHOWN_AT_MOST]],
    )
    return problem_response(problem, language_of(request))


async def answer_wrong(request: Request, error: Exception) -> Response:
    """The handler of WrongRecord and WrongTill."""
    assert isinstance(error, WrongRecord | WrongTill)
    params = {"field": error.field, **error.params}
    status = STATUS.get(error.code, 422)
    problem = Problem(status, error.code, params, [FieldProblem(error.field, error.code, params)])
    return problem_response(problem, language_of(request))


async def answer_centre_in_use(request: Request, error: Exception) -> Response:
    """The handler of CentreInUse."""
    assert isinstance(error, CentreInUse)
    params = {"tills": str(error.tills), "customers": str(error.customers)}
    problem = Problem(409, "reference.centre_in_use", params)
    return problem_response(problem, language_of(request))


async def answer_database(request: Request, error: Exception) -> Response:
    """The handler of the database's errors: one that will pass is 503, nothing was changed or nobody
    knows; any other is raised on, and 500."""
    if not is_transient(error):
        raise error
    return _unavailable(request, "store.failed", error)


async def answer_no_broker(request: Request, error: Exception) -> Response:
    """The handler of a broker, or its administration, that does not do what was asked."""
    return _unavailable(request, "broker.unavailable", error)


def _unavailable(request: Request, code: str, error: Exception) -> Response:
    log.warning("not available", action="api.unavailable", code=code, error=place_of(error))
    return problem_response(Problem(503, code, headers={"Retry-After": "2"}), language_of(request))


Handler = Callable[[Request, Exception], Awaitable[Response]]

HANDLERS: Mapping[type[Exception], Handler] = {
    CustomerRefused: answer_customer_refused,
    CardRefused: answer_card_refused,
    CentreInUse: answer_centre_in_use,
    WrongRecord: answer_wrong,
    WrongTill: answer_wrong,
    asyncpg.PostgresError: answer_database,
    asyncpg.InterfaceError: answer_database,
    asyncpg.InternalClientError: answer_database,
    OSError: answer_database,
    TimeoutError: answer_database,
    MessagingError: answer_no_broker,
    AdminError: answer_no_broker,
}
"""What exceptions of the use cases are in HTTP."""
