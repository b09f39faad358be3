"""What a till's refusals are in HTTP."""

from starlette.requests import Request
from starlette.responses import Response

from pos_node.refusal import Refusal
from pos_node.store.errors import DiskFull, StoreError
from web.language import language_of
from web.problems import Problem, problem_response

OTHERWISE = 409

STATUS = {
    "right.missing": 403,
    "customer.no_edit_right": 403,
    "customer.unknown": 404,
    "customer.anonymised": 410,
    "customer.deleted": 410,
    "customer.changed_meanwhile": 412,
    "customer.too_large": 413,
    "customer.too_many_changes": 413,
    "customer.code_invisible": 422,
    "customer.incomplete": 422,
    "customer.description_read_only": 422,
    "customer.lowest_price_read_only": 422,
    "customer.etag_missing": 428,
    "customer.unretrievable": 503,
    "card.unknown": 404,
    "card.choose_type": 422,
    "card.type_unknown": 422,
    "card.number_missing": 422,
    "card.virtual_has_no_number": 422,
    "card.field_required": 422,
    "card.reason_unknown": 422,
    "card.verify_offline": 503,
    "card.unconfirmed": 503,
    "search.unknown": 404,
    "search.no_criteria": 422,
    "view.column_twice": 422,
    "view.wrong_column": 422,
    "notice.unknown": 404,
    "list.unknown": 404,
    "scope.not_followed": 404,
    "request.invalid": 422,
}
"""Of every code; what clashes with something that is there (a code in use, a warning) is 409."""


async def answer_refusal(request: Request, error: Exception) -> Response:
    """The handler of Refusal."""
    assert isinstance(error, Refusal)
    status = STATUS.get(error.code, OTHERWISE)
    problem = Problem(status, error.code, error.params, error.fields)
    return problem_response(problem, language_of(request))


async def answer_store_error(request: Request, error: Exception) -> Response:
    """The handler of StoreError: nothing was changed."""
    assert isinstance(error, StoreError)
    code = "store.disk_full" if isinstance(error, DiskFull) else "store.failed"
    return problem_response(Problem(503, code), language_of(request))
