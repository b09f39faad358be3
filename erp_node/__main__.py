"""The ERP node's commands: `comptoir erp …`."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from erp_node.settings import ErpSettings
from runtime.settings import WrongSettings, explain, load

if TYPE_CHECKING:
    from erp_node.imports import Import
    from erp_node.stuck import Stuck

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
    """Runs the ERP node until told to stop. Says `ready URL` once it serves.

    Ends with 2 when a setting is wrong, with 1 when what it needs cannot be used.
    """
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
        raise _wrong(str(error), 1) from None
    except NodeFailed:
        raise typer.Exit(1) from None


@app.command(name="import", epilog=_SETTINGS)
def import_customers(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or JSON Lines")],
    rejects: Annotated[
        Path | None, typer.Option(help="where bad rows go; default: FILE.rejects.csv")
    ] = None,
) -> None:
    """Imports customers. Good rows go in; bad ones go to the rejects file with line, column and reason.

    CSV: the first line names the columns, separated by , ; | or tabs. kind
    (retail or business) and code are required. Others: title, academic_title,
    first_name, last_name, name, birth_date, tax_number, issuing_authority,
    phone, extra_phone, email, country_code, national_id, siret,
    identity_document, description, reverse_charge, lowest_price, groups;
    of the main address: country, postal_code, town, locality, street, building,
    flat, continuation_1, continuation_2, commune, district, post_office,
    region, address.phone, address.email; attribute.NAME; consent.DEFINITION;
    and id, everywhere, centres, editors, is_customer, active.

    JSON Lines: one customer per line. docs/operations.md explains both.

    Ends with 1 when every row was rejected.
    """
    from erp_node.imports import import_file

    _import(file, rejects, import_file)


@app.command(epilog=_SETTINGS)
def import_cards(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or JSON Lines")],
    rejects: Annotated[
        Path | None, typer.Option(help="where bad rows go; default: FILE.rejects.csv")
    ] = None,
) -> None:
    """Imports loyalty cards. Good rows go in; bad ones go to the rejects file with line, column and reason.

    CSV: the first line names the columns, separated by , ; | or tabs. number is
    required. Others: form (physical, virtual or voucher), type, state (active,
    inactive, blocked; of a voucher also confirmed, received), reason (of a
    blocked one), points, reusable and value (of a voucher), customer (the code
    of whom the card is given to). What a row leaves out a new card has by
    itself, and one that is there keeps.

    JSON Lines: one card per line, with the same fields. docs/operations.md
    explains both.

    Ends with 1 when every row was rejected.
    """
    from erp_node.imports.cards import import_cards as load

    _import(file, rejects, load)


def _import(file: Path, rejects: Path | None, load: "Import") -> None:
    from erp_node.setup import import_with_progress

    settings = _settings()
    path = rejects or file.with_name(f"{file.name}.rejects.csv")
    report = _run(lambda: import_with_progress(settings, file, path, said, load))
    typer.echo(
        f"{report.rows} rows: {report.created} created, {report.changed} changed, "
        f"{report.unchanged} unchanged, {report.rejected} rejected"
    )
    if report.rejected:
        typer.echo(f"rejected rows: {path}")
    if report.rows and report.rejected == report.rows:
        raise typer.Exit(1)


@app.command(epilog=_SETTINGS)
def enrol_till(
    pos_id: Annotated[str, typer.Argument(help="lower-case letters, digits and dashes")],
    centre: Annotated[str, typer.Option(help="the store it stands in")],
    mode: Annotated[
        Literal["full", "local_only"],
        typer.Option(
            help="full: all customers of the centre; local_only: only those made at the till or fetched "
            "there by online search"
        ),
    ] = "full",
    output: Annotated[
        Path | None, typer.Option(help="the till's enrolment file; default: POS_ID.toml")
    ] = None,
) -> None:
    """Enrols a till: its own broker user and queues, and the file the till starts from. Again: a new password."""
    from erp_node.setup import enrol

    settings = _settings()
    path = output or Path(f"{pos_id}.toml")
    defined = _run(lambda: enrol(settings, pos_id, centre, mode, path))
    typer.echo(f"{pos_id} enrolled; take {path} to the till")
    if not defined:
        typer.echo(f"no centre is defined yet, {centre} neither: load it with `erp load-reference`")


@app.command(epilog=_SETTINGS)
def retire_till(pos_id: str) -> None:
    """Takes a till's broker user and queues away."""
    from erp_node.setup import retire

    settings = _settings()
    now = _run(lambda: retire(settings, pos_id))
    typer.echo(f"{pos_id} retired" if now else f"{pos_id} was retired already")


@app.command(epilog=_SETTINGS)
def add_user(
    name: str,
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, envvar="COMPTOIR_PASSWORD")
    ],
    right: Annotated[list[str] | None, typer.Option(help="several times; default: all")] = None,
) -> None:
    """Adds a user of the ERP's HTTP API, or gives an existing one a new password and rights.

    The password, of 8 signs at least, is asked for, or taken from COMPTOIR_PASSWORD.
    """
    from erp_node.setup import add_erp_user

    settings = _settings()
    _run(lambda: add_erp_user(settings, name, password, right))
    typer.echo(f"{name} may log in")


@app.command(epilog=_SETTINGS)
def load_reference(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON Lines")],
) -> None:
    """Loads centres, operators, settings and lists: one JSON object per line, all lines or none.

    Each has kind (centre, operator, setting, choice, attribute, consent,
    card_type, payment_form or document_control) and code. A line replaces what
    has the same kind and code; what no line names stays. For example:

    {"kind": "centre", "code": "lyon", "labels": {"en": "Lyon"}, "country": "FR"}

    An operator has password_hash (argon2id, PHC form). The ERP's API takes a
    password instead: PUT /api/v1/reference/operator/CODE.
    docs/operations.md lists the fields of each kind.
    """
    from erp_node.setup import load_reference_file

    settings = _settings()
    count = _run(lambda: load_reference_file(settings, file))
    typer.echo(f"{count} reference rows")


@app.command(epilog=_SETTINGS)
def stuck() -> None:
    """Shows at a glance what is stuck, where, since when and why: connections, journals, tills, feeds, dead letters,
    customers that cannot be sent, e-mails that were not.

    To be run where the ERP runs, with the same settings. When something waits it looks a second time after 12 s:
    what moves is not stuck. Ends with 0 when nothing is stuck, otherwise with 1.
    """
    from erp_node.look import look_for_stuck

    settings = _settings()
    found, uncounted = _run(lambda: look_for_stuck(settings))
    shown = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    if found:
        shown.print(_table(found))
    else:
        shown.print("nothing is stuck")
    if uncounted:
        shown.print(f"journals and dead letters are not counted: {uncounted}", markup=False)
    if found:
        raise typer.Exit(1)


def _table(found: "Sequence[Stuck]") -> Table:
    table = Table(box=SIMPLE)
    for heading in ("what", "where", "since (UTC)", "why"):
        table.add_column(heading, overflow="fold")
    for one in found:
        since = f"{one.since:%Y-%m-%d %H:%M:%S}" if one.since else ""
        table.add_row(*map(Text, (one.what, one.where, since, one.why)))
    return table


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
        raise _wrong(str(error), 1) from None


def _wrong(text: str, code: int = 2) -> typer.Exit:
    """2: the command line or a setting; 1: what the command works on."""
    said.print(f"comptoir erp: {text}", style="red", highlight=False, markup=False, soft_wrap=True)
    return typer.Exit(code)


if __name__ == "__main__":
    app()
