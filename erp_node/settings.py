"""Settings of the ERP node."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

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
