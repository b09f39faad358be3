"""The ERP node's commands: `comptoir erp …`."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from erp_node.settings import ErpSettings
from runtime.settings import WrongSettings, explain, load

app = typer.Typer(help="The ERP node: the authority on customers.", no_args_is_help=True)
said = Console(stderr=True)

_SETTINGS = explain(ErpSettings)


@app.command(epilog=_SETTINGS)
def setup() -> None:
    """Makes or upgrades the database, the ERP's own broker user, exchanges, queues and limits."""
    from erp_node.setup import set_up

    settings = _settings()
    for line in _run(lambda: set_up(settings)):
        typer.echo(line)


@app.command(epilog=_SETTINGS)
def run(
    http_port: Annotated[int | None, typer.Option(help="instead of COMPTOIR_ERP_HTTP_PORT")] = None,
) -> None:
    """Runs the ERP node until told to stop. Says `ready URL` once it serves."""
    from erp_node.app import NodeFailed, run_node
    from erp_node.setup import CannotDo
    from runtime.logs import configure_logs
    from runtime.run import run as run_until_told

    settings = _settings(http_port=http_port)
    configure_logs("erp", settings.log_format, settings.log_level)

    def say_ready(url: str) -> None:
        print(f"ready {url}", flush=True)  # noqa: T201

    try:
        run_until_told(lambda: run_node(settings, say_ready))
    except CannotDo as error:
        raise _wrong(str(error)) from None
    except NodeFailed:
        raise typer.Exit(1) from None


@app.command(name="import", epilog=_SETTINGS)
def import_customers(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or JSON Lines")],
    rejects: Annotated[
        Path | None, typer.Option(help="where bad rows go; default: FILE.rejects.csv")
    ] = None,
) -> None:
    """Imports customers. Good rows go in; bad ones go to the rejects file with line, column and reason."""
    from erp_node.setup import import_with_progress

    settings = _settings()
    path = rejects or file.with_name(f"{file.name}.rejects.csv")
    report = _run(lambda: import_with_progress(settings, file, path, said))
    typer.echo(
        f"{report.rows} rows: {report.created} created, {report.changed} changed, "
        f"{report.unchanged} unchanged, {report.rejected} rejected"
    )
    if report.rejected:
        typer.echo(f"rejected rows: {path}")


@app.command(epilog=_SETTINGS)
def enrol_till(
    pos_id: Annotated[str, typer.Argument(help="lower-case letters, digits and dashes")],
    centre: Annotated[str, typer.Option(help="the store it stands in")],
    mode: Annotated[
        Literal["full", "local_only"], typer.Option(help="full: all customers of the centre")
    ] = "full",
    output: Annotated[
        Path | None, typer.Option(help="the till's enrolment file; default: POS_ID.toml")
    ] = None,
) -> None:
    """Enrols a till: its own broker user and queues, and the file the till starts from. Again: a new password."""
    from erp_node.setup import enrol

    settings = _settings()
    path = output or Path(f"{pos_id}.toml")
    _run(lambda: enrol(settings, pos_id, centre, mode, path))
    typer.echo(f"{pos_id} enrolled; take {path} to the till")


@app.command(epilog=_SETTINGS)
def retire_till(pos_id: str) -> None:
    """Takes a till's broker user and queues away."""
    from erp_node.setup import retire

    settings = _settings()
    _run(lambda: retire(settings, pos_id))
    typer.echo(f"{pos_id} retired")


@app.command(epilog=_SETTINGS)
def add_user(
    name: str,
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, envvar="COMPTOIR_PASSWORD")
    ],
    right: Annotated[list[str] | None, typer.Option(help="several times; default: all")] = None,
) -> None:
    """Adds a user of the ERP's HTTP API, or gives an existing one a new password and rights."""
    from erp_node.setup import add_erp_user

    settings = _settings()
    _run(lambda: add_erp_user(settings, name, password, right))
    typer.echo(f"{name} may log in")


@app.command(epilog=_SETTINGS)
def load_reference(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON Lines")],
) -> None:
    """Loads centres, operators, settings and lists: one record of contracts.reference per line."""
    from erp_node.setup import load_reference_file

    settings = _settings()
    count = _run(lambda: load_reference_file(settings, file))
    typer.echo(f"{count} reference rows")


def _settings(**overrides: object) -> ErpSettings:
    try:
        return load(ErpSettings, **overrides)
    except WrongSettings as error:
        raise _wrong(str(error)) from None


def _run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Runs one command; what a person can mend is one line, not a traceback."""
    from erp_node.setup import CannotDo

    try:
        return asyncio.run(main())
    except CannotDo as error:
        raise _wrong(str(error)) from None


def _wrong(text: str) -> typer.Exit:
    said.print(f"comptoir erp: {text}", style="red", highlight=False, markup=False, soft_wrap=True)
    return typer.Exit(2)


if __name__ == "__main__":
    app()
