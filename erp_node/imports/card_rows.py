"""A card to import: its columns, read and checked by themselves, before anything is known of the cards there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.cards import CardForm, CardNumber, CardState, Value
from contracts.customers import Code, Short
from contracts.limits import Count
from erp_node.imports.files import Line, WrongFile
from erp_node.imports.rows import Reject, explain, read_object
from erp_node.imports.table import Form


class CardFields(BaseModel):
    """What a row says of a card; None: what a new one has by itself, and an old one keeps.

    `customer` is the code of whom it is given to, or of whose card was blocked; `reason` goes with the state blocked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: CardNumber
    form: CardForm | None = None
    type: Code | None = None
    state: CardState | None = None
    reason: Code | None = None
    points: Count | None = None
    reusable: bool | None = None
    value: Value | None = None
    customer: Short | None = None


CARD_COLUMNS = tuple(CardFields.model_fields)
"""What columns of cards can be called."""


@dataclass(frozen=True, slots=True)
class CardRow:
    """A readable row."""

    line: int
    raw: str
    fields: CardFields


class CardCells:
    """Reads rows of cells under the columns of a header."""

    def __init__(self, names: Sequence[str]) -> None:
        """Raises WrongFile for a column that is unknown or there twice, and without the number."""
        for place, name in enumerate(names):
            if name not in CARD_COLUMNS:
                there = ", ".join(CARD_COLUMNS)
                raise WrongFile(f"there is no column {name or 'without a name'}; there are {there}")
            if name in names[:place]:
                raise WrongFile(f"column {name} is there twice")
        if "number" not in names:
            raise WrongFile("column number is missing")
        self._names = names

    def read(self, number: int, text: str, cells: Sequence[str]) -> CardRow | Reject:
        """The row of a line, as it stands there; an empty cell says nothing."""
        given = {name: cell for name, cell in zip(self._names, cells, strict=True) if cell}
        return _read(number, text, given)


def read_card_line(line: Line) -> CardRow | Reject | None:
    """A card of one line of JSON Lines; None when it is empty."""
    found = read_object(line)
    return _read(line.number, line.text, found) if isinstance(found, dict) else found


CARDS = Form(CARD_COLUMNS.__contains__, lambda names: CardCells(names).read, read_card_line)


def _read(number: int, text: str, given: Mapping[str, object]) -> CardRow | Reject:
    try:
        return CardRow(number, text, CardFields.model_validate(given))
    except ValidationError as error:
        column, reason = explain(error)
        return Reject(number, column, reason, text)
