"""The till's commands: `comptoir pos …`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pos_node.settings import PosSettings, read_enrolment
from runtime.settings import WrongSettings, explain, load

app = typer.Typer(help="A till.", no_args_is_help=True)
said = Console(stderr=True)


@app.callback()
def till() -> None:
    """A till: works with or without the ERP."""


@app.command(epilog=explain(PosSettings))
def run(
    enrolment: Annotated[
        Path | None, typer.Option(help="instead of COMPTOIR_POS_ENROLMENT")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="instead of COMPTOIR_POS_DATA")] = None,
    http_port: Annotated[int | None, typer.Option(help="instead of COMPTOIR_POS_HTTP_PORT")] = None,
) -> None:
    """Runs the till until told to stop. Says `ready URL` once it serves.

    Ends with 2 when a setting is wrong, with 1 when its folder, file or port cannot be used.
    """
    from pos_node.app import CannotRun, run_node
    from pos_node.store.database import StoreError
    from runtime.logs import configure_logs
    from runtime.run import run as run_until_told

    try:
        settings = load(PosSettings, enrolment=enrolment, data=data, http_port=http_port)
        who = read_enrolment(settings.enrolment)
    except WrongSettings as error:
        raise _wrong(str(error)) from None
    configure_logs(f"pos.{who.pos_id}", settings.log_format, settings.log_level)
    try:
        run_until_told(
            lambda: run_node(settings, who, lambda url: print(f"ready {url}", flush=True))  # noqa: T201
        )
    except (StoreError, CannotRun) as error:
        raise _wrong(str(error), 1) from None


def _wrong(text: str, code: int = 2) -> typer.Exit:
    said.print(f"comptoir pos: {text}", style="red", highlight=False, markup=False, soft_wrap=True)
    return typer.Exit(code)


if __name__ == "__main__":
    app()
