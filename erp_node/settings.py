"""Settings of the ERP node."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import SettingsConfigDict

from erp_node.smtp_url import read_sender, read_smtp_url
from runtime.logs import LogFormat
from runtime.settings import NodeSettings


class ErpSettings(NodeSettings):
    """Where the ERP's database and broker are, and how it serves."""

    model_config = SettingsConfigDict(env_prefix="COMPTOIR_ERP_")

    dsn: Annotated[
        str,
        Field(
            pattern=r"^postgres(ql)?://",
            description="PostgreSQL, as postgresql://user:password@host/database",
        ),
    ]
    amqp_url: Annotated[
        str,
        Field(
            validation_alias="COMPTOIR_AMQP_URL",
            pattern=r"^amqps?://",
            description="RabbitMQ as the ERP's own user, as amqp://user:password@host:5672/vhost",
        ),
    ]
    amqp_admin_url: Annotated[
        str | None,
        Field(
            validation_alias="COMPTOIR_AMQP_ADMIN_URL",
            pattern=r"^https?://",
            description="RabbitMQ's management API as an administrator, http://user:password@host:15672; "
            "needed to set up and to enrol tills; with it the running ERP mends what a broker loses: "
            "users after its disk was wiped, queues without a leader",
        ),
    ] = None
    http_host: Annotated[str, Field(description="address the HTTP API listens on")] = "127.0.0.1"
    http_port: Annotated[int, Field(ge=0, le=65535, description="its port; 0 takes a free one")] = (
        8800
    )
    pool_size: Annotated[int, Field(ge=2, le=64, description="database connections")] = 16
    beat_s: Annotated[
        float, Field(gt=0, le=60, description="seconds between signs of life to tills")
    ] = 3.0
    smtp_url: Annotated[
        str | None,
        Field(
            description="mail server for letters to customers, smtp://user:password@host:587 or smtps://host; "
            "without it they wait",
        ),
    ] = None
    smtp_from: Annotated[
        str | None,
        Field(
            validate_default=True,
            description="who letters come from, Shop <cards@shop.example>; needed with smtp_url",
        ),
    ] = None
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

    @field_validator("smtp_url", "smtp_from", mode="before")
    @classmethod
    def _may_be_left_empty(cls, text: object) -> object:
        """As files of settings have it where there is none."""
        return None if text == "" else text

    @field_validator("smtp_url")
    @classmethod
    def _names_a_server(cls, url: str | None) -> str | None:
        if url is not None:
            _check(read_smtp_url, url)
        return url

    @field_validator("smtp_from")
    @classmethod
    def _is_an_address(cls, sender: str | None, info: ValidationInfo) -> str | None:
        if sender is not None:
            _check(read_sender, sender)
        elif info.data.get("smtp_url"):
            raise PydanticCustomError("missing", "field required beside {url}", {"url": "smtp_url"})
        return sender


def _check(read: Callable[[str], object], text: str) -> None:
    """What is wrong, in the reader's own words, which tell no password."""
    try:
        read(text)
    except ValueError as error:
        raise PydanticCustomError("unreadable", "{why}", {"why": str(error)}) from None
