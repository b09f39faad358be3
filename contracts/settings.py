"""The switches the ERP sets for its tills, and how the levels all, centre and till resolve."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.reference import Setting


class UnknownSetting(ValueError):
    """No setting has this name."""


class WrongSetting(ValueError):
    """The value does not fit the setting."""


class Settings(BaseModel):
    """Every switch with its default; names are the field names. A switch comes with what it switches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    search_online: Annotated[bool, Field(description="SEARCH-1: online search at the tills")] = True
    search_wait_window_s: Annotated[
        float, Field(gt=0, le=60, description="SEARCH-12: seconds before the waiting window opens")
    ] = 1.0
    search_deadline_s: Annotated[
        float, Field(gt=0, le=60, description="SEARCH-12: seconds after which an answer is late")
    ] = 10.0
    language: Annotated[Literal["en", "fr"], Field(description="texts shown at the till")] = "en"
    code_series: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_-]{0,20}$",
            description="CUST-4: prefix of clashing codes; empty: the till's id",
        ),
    ] = ""
    card_verify_on_issue: Annotated[
        bool, Field(description="CARD-8: a card is given only when the ERP has confirmed it")
    ] = False
    card_lock_s: Annotated[
        float, Field(ge=1, le=600, description="CARD-15: how long a card's lock lasts")
    ] = 60.0
    lowest_price_retail: Annotated[bool, Field(description="CUST-9")] = False
    lowest_price_business: Annotated[bool, Field(description="CUST-9")] = False
    lockout_attempts: Annotated[
        int, Field(ge=1, le=100, description="wrong passwords in a row before a lock-out")
    ] = 5
    lockout_minutes: Annotated[
        int, Field(ge=1, le=1440, description="how long a lock-out lasts")
    ] = 5


def check_setting(name: str, value: object) -> Setting:
    """Makes the row of one setting at level all. Raises UnknownSetting or WrongSetting, naming the field."""
    if name not in Settings.model_fields:
        raise UnknownSetting(f"{name}: there is no such setting")
    try:
        checked = Settings.model_validate({name: value})
    except ValidationError as error:
        raise WrongSetting(f"{name}: {error.errors()[0]['msg']}") from None
    return Setting(code=f"all/{name}", level="all", name=name, value=getattr(checked, name))


def resolve(rows: Iterable[Setting], centre: str, pos_id: str) -> Settings:
    """The switches that hold at one till: its own level over its centre's over all."""
    order = {"all": 0, f"centre.{centre}": 1, f"pos.{pos_id}": 2}
    known = [row for row in rows if row.level in order and row.name in Settings.model_fields]
    values: dict[str, object] = {}
    for row in sorted(known, key=lambda row: order[row.level]):
        try:
            Settings.model_validate({row.name: row.value})
        except ValidationError:
            continue
        values[row.name] = row.value
    return Settings.model_validate(values)
