"""Settings of a node: environment first, then a TOML file; a wrong one is one clear line."""

import os
import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

S = TypeVar("S", bound="NodeSettings")

CONFIG_VARIABLE = "COMPTOIR_CONFIG"


class WrongSettings(Exception):
    """A setting is missing or wrong; the text names each, and where it can be set."""


class NodeSettings(BaseSettings):
    """Fields are read from `<env_prefix><FIELD>` and from the TOML file under the field's name."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        file = os.environ.get(CONFIG_VARIABLE)
        toml = (TomlConfigSettingsSource(settings_cls, Path(file)),) if file else ()
        return (init_settings, env_settings, *toml)


def load(model: type[S], **overrides: object) -> S:
    """Reads the settings of a node. Raises WrongSettings."""
    file = os.environ.get(CONFIG_VARIABLE)
    if file and not Path(file).is_file():
        raise WrongSettings(f"{CONFIG_VARIABLE}: {file} is not a file")
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return model(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [_line(model, found["loc"], found["msg"]) for found in error.errors()]
        raise WrongSettings("; ".join(lines)) from None
    except tomllib.TOMLDecodeError as error:
        raise WrongSettings(f"{file}: {error}") from None


def explain(model: type[NodeSettings]) -> str:
    """One line per setting, for --help: variable, meaning, default."""
    lines = []
    for name, info in model.model_fields.items():
        default = "required" if info.is_required() else f"default {info.default}"
        lines.append(f"{variable(model, name)}: {info.description} ({default})")
    intro = f"Settings come from the environment, or from the TOML file named by {CONFIG_VARIABLE}:"
    return "\n\n".join([intro, *lines])


def variable(model: type[NodeSettings], name: str) -> str:
    """The environment variable of a field."""
    info = model.model_fields.get(name)
    if info is not None and isinstance(info.validation_alias, str):
        return info.validation_alias.upper()
    return f"{model.model_config.get('env_prefix', '')}{name}".upper()


def _line(model: type[NodeSettings], where: tuple[int | str, ...], message: str) -> str:
    name = str(where[0]) if where else ""
    field = next(
        (f for f, i in model.model_fields.items() if name in (f, i.validation_alias)), name
    )
    return f"{variable(model, field)}: {message[:1].lower()}{message[1:]}"
