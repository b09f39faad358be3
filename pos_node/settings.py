"""Settings of a till, and the enrolment file the ERP made for it."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import SettingsConfigDict

from contracts.topology import POS_ID
from runtime.logs import LogFormat
from runtime.settings import NodeSettings, WrongSettings


class PosSettings(NodeSettings):
    """Where the till keeps its data, who it is, and how it serves."""

    model_config = SettingsConfigDict(env_prefix="COMPTOIR_POS_")

    enrolment: Annotated[
        Path, Field(description="the file `comptoir erp enrol-till` wrote for this till")
    ]
    data: Annotated[Path, Field(description="folder of the till's database; made if missing")]
    http_host: Annotated[str, Field(description="address the HTTP API listens on")] = "127.0.0.1"
    http_port: Annotated[int, Field(ge=0, le=65535, description="its port; 0 takes a free one")] = (
        8801
    )
    trace: Annotated[
        Path | None,
        Field(
            validation_alias="COMPTOIR_TRACE",
            description="folder to record all messages into, without personal values (docs/traces.md)",
        ),
    ] = None
    trace_key: Annotated[
        Path | None,
        Field(
            validation_alias="COMPTOIR_TRACE_KEY",
            description="file with the key of the pseudonyms, made if missing; not given: the folder's name with .key",
        ),
    ] = None
    log_format: Annotated[LogFormat, Field(description="json or console")] = "json"
    log_level: Annotated[
        str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="least level logged")
    ] = "INFO"


class Enrolment(BaseModel):
    """Who a till is, and its own user on the broker."""

    model_config = ConfigDict(frozen=True)

    pos_id: Annotated[str, Field(pattern=POS_ID)]
    centre: str
    mode: Literal["full", "local_only"] = "full"
    amqp_url: Annotated[str, Field(pattern=r"^amqps?://")]


def read_enrolment(path: Path) -> Enrolment:
    """Reads an enrolment file. Raises WrongSettings naming file and field."""
    try:
        return Enrolment.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise WrongSettings(f"enrolment {path}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WrongSettings(f"enrolment {path}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise WrongSettings(f"enrolment {path}: {first['loc'][0]}: {first['msg']}") from None
