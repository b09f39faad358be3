"""Settings of a node: environment first, then a TOML file; a wrong one is one clear line."""

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

S = TypeVar("S", bound="NodeSettings")

CONFIG_VARIABLE = "COMPTOIR_CONFIG"


class WrongSettings(Exception):
    """A setting is missing or wrong; the text names each, as it was written and where."""


class NodeSettings(BaseSettings):
    """Fields are read from the environment; `load` adds the TOML file, whose keys are the fields' names."""

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
        del settings_cls, dotenv_settings, file_secret_settings
        return (init_settings, env_settings)


def load(model: type[S], **overrides: object) -> S:
    """Reads the settings of a node: `overrides` (of the command line) first, then the environment, then the file
    named by COMPTOIR_CONFIG. Raises WrongSettings."""
    file = os.environ.get(CONFIG_VARIABLE) or None
    given = {name: value for name, value in overrides.items() if value is not None}
    written = {f: v for f, v in _read(model, file).items() if not _in_environment(model, f)}
    try:
        return model(**{_alias(model, f): v for f, v in {**written, **given}.items()})
    except ValidationError as error:
        names = {field: f"--{field.replace('_', '-')}" for field in given}
        names = {field: f"{file}: {field}" for field in written} | names
        lines = [_line(model, found["loc"], found["msg"], names) for found in error.errors()]
        raise WrongSettings("; ".join(lines)) from None


def explain(model: type[NodeSettings]) -> str:
    """One line per setting, for --help: variable, key, meaning, default."""
    lines = []
    for name, info in model.model_fields.items():
        default = "required" if info.is_required() else f"default {info.default}"
        lines.append(f"{variable(model, name)}, {name}: {info.description} ({default})")
    intro = (
        "Settings come from the environment, or else from the TOML file named by "
        f"{CONFIG_VARIABLE}; here first the variable, then the file's key:"
    )
    return "\n\n".join([intro, *lines])


def variable(model: type[NodeSettings], name: str) -> str:
    """The environment variable of a field."""
    alias = _alias(model, name)
    return (alias if alias != name else f"{model.model_config.get('env_prefix', '')}{name}").upper()


def _read(model: type[NodeSettings], file: str | None) -> dict[str, Any]:
    """What the file says, by field."""
    if file is None:
        return {}
    try:
        found = tomllib.loads(Path(file).read_text("utf-8"))
    except OSError as error:
        raise WrongSettings(f"{CONFIG_VARIABLE}: {file}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WrongSettings(f"{file}: {error}") from None
    if unknown := [key for key in found if key not in model.model_fields]:
        raise WrongSettings("; ".join(f"{file}: {text}" for text in _unknown(model, unknown)))
    return found


def _unknown(model: type[NodeSettings], keys: Iterable[str]) -> Iterator[str]:
    """What is wrong with keys: what was meant by a variable; for all others together, the keys there are."""
    meant = {variable(model, field): field for field in model.model_fields}
    strange = []
    for key in keys:
        if key.upper() in meant:
            yield f"{key}: there is no such key, write {meant[key.upper()]}"
        else:
            strange.append(key)
    if strange:
        yield f"{', '.join(strange)}: there is no such key, only {', '.join(model.model_fields)}"


def _in_environment(model: type[NodeSettings], field: str) -> bool:
    """Case does not count in names of variables."""
    return variable(model, field) in (name.upper() for name in os.environ)


def _alias(model: type[NodeSettings], field: str) -> str:
    info = model.model_fields.get(field)
    return info.validation_alias if info and isinstance(info.validation_alias, str) else field


def _line(
    model: type[NodeSettings],
    where: tuple[int | str, ...],
    message: str,
    names: Mapping[str, str],
) -> str:
    """What is wrong with a setting; `names`: how those are called that are not from the environment."""
    name = str(where[0]) if where else ""
    field = next((f for f in model.model_fields if name in (f, _alias(model, f))), name)
    called = names.get(field) or variable(model, field)
    return f"{called}: {message[:1].lower()}{message[1:]}"
