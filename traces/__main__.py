"""The commands `comptoir trace …`."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from traces.chosen import Chosen, choose, unmet
from traces.conversations import find_conversations
from traces.moments import read_moment
from traces.reading import Trace, WrongTrace, read_trace
from traces.subjects import counted, is_background

if TYPE_CHECKING:
    from traces.recording import Wanted

app = typer.Typer(
    help="What nodes said to each other: recorded, shown, counted, compared.", no_args_is_help=True
)

Files = Annotated[
    list[Path], typer.Argument(exists=True, help="files of a trace, or folders with them")
]
Customers = Annotated[
    list[str] | None, typer.Option("--customer", help="id, or how it begins; several times")
]
Cards = Annotated[
    list[str] | None, typer.Option("--card", help="its number in the trace; several times")
]
Tills = Annotated[list[str] | None, typer.Option("--till", help="its id; several times")]
Types = Annotated[
    list[str] | None,
    typer.Option("--type", help="as customer.edited or 'customer.*'; several times"),
]
Outcomes = Annotated[
    list[str] | None, typer.Option("--outcome", help="ok, retry, parked, expired …; several times")
]
Since = Annotated[
    str | None, typer.Option(help="UTC, from this time on: 12:30:05.120, or 2026-03-01 12:30")
]
Until = Annotated[str | None, typer.Option(help="UTC, before this time, as --since")]
All = Annotated[bool, typer.Option("--all", help="signs of life and sweeps as well")]

_WIDE = 200
"""Columns when the output is no terminal."""


@app.command()
def record(
    folder: Annotated[Path, typer.Argument(help="where the files go; made if missing")],
    outside: Annotated[
        bool, typer.Option("--outside", help="from a queue of its own on a live bus")
    ] = False,
    amqp_url: Annotated[
        str, typer.Option(envvar="COMPTOIR_AMQP_URL", help="host and virtual host of the bus")
    ] = "",
    admin_url: Annotated[
        str,
        typer.Option(envvar="COMPTOIR_AMQP_ADMIN_URL", help="its management API, administrator"),
    ] = "",
    key: Annotated[
        Path | None,
        typer.Option(
            envvar="COMPTOIR_TRACE_KEY", help="key of the pseudonyms; default: FOLDER.key"
        ),
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="then end")] = None,
) -> None:
    """Records all messages of a bus. Nodes record by themselves when COMPTOIR_TRACE names a folder."""
    from traces.recording import Wanted

    if not outside:
        raise _wrong("start the nodes with COMPTOIR_TRACE=FOLDER, or record a bus with --outside")
    if not amqp_url or not admin_url:
        raise _wrong("--outside needs --amqp-url and --admin-url (COMPTOIR_AMQP_URL, _ADMIN_URL)")
    lines = _record(Wanted(amqp_url, admin_url, folder, key, seconds))
    typer.echo(f"{counted(lines, 'line')} in {folder}")


def _record(wanted: "Wanted") -> int:
    """The number of lines. What goes wrong is told with the option that names it: 2 when that is wrong, 1 when
    what it names cannot be used."""
    from messaging.admin import AdminError
    from messaging.channel import MessagingError
    from traces.inside import reason_of
    from traces.outside import WrongVhost
    from traces.pseudonyms import WrongKey
    from traces.recording import Unrecorded
    from traces.recording import record as run

    try:
        return run(wanted, typer.echo)
    except NotADirectoryError as error:
        raise _wrong(f"comptoir trace record: {reason_of(error)}") from None
    except WrongKey as error:
        raise _wrong(f"comptoir trace record: --key (COMPTOIR_TRACE_KEY): {error}") from None
    except (WrongVhost, MessagingError) as error:
        raise _failed(f"comptoir trace record: --amqp-url (COMPTOIR_AMQP_URL): {error}") from None
    except AdminError as error:
        said = f"comptoir trace record: --admin-url (COMPTOIR_AMQP_ADMIN_URL): {error}"
        raise _failed(said) from None
    except (OSError, Unrecorded) as error:
        why = reason_of(error) if isinstance(error, OSError) else str(error)
        raise _failed(f"comptoir trace record: {why}") from None


@app.command()
def show(
    files: Files,
    customer: Customers = None,
    card: Cards = None,
    till: Tills = None,
    type_: Types = None,
    outcome: Outcomes = None,
    since: Since = None,
    until: Until = None,
    background: All = False,
    svg: Annotated[
        Path | None, typer.Option(help="draw the sequence diagram into this file")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="conversations at most")] = 200,
) -> None:
    """One conversation after another: cause, effects, and how long each took."""
    from traces.shown import show as shown
    from traces.svg import draw

    trace = _read(files)
    chosen = _chosen(trace, customer, card, till, type_, outcome, since, until, background)
    found = choose(find_conversations(trace.lines), chosen)
    if not found:
        _tell_none(trace, chosen)
    if svg is not None:
        try:
            svg.write_text(draw(found[:limit]), "utf-8")
        except OSError as error:
            raise _failed(f"comptoir trace show: {svg}: {error.strerror or error}") from None
        typer.echo(f"{svg}: {counted(min(len(found), limit), 'conversation')}")
    else:
        console = _console()
        for one in shown(found[:limit]):
            console.print(one)
    if len(found) > limit:
        typer.echo(f"… and {len(found) - limit} more (--limit)")


@app.command()
def stats(
    files: Files,
    customer: Customers = None,
    card: Cards = None,
    till: Tills = None,
    type_: Types = None,
    outcome: Outcomes = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Counts, rates, latencies and retries of each type of message."""
    from traces.stats import count, table_of

    trace = _read(files)
    chosen = _chosen(trace, customer, card, till, type_, outcome, since, until, background=True)
    lines = [line for line in trace.lines if chosen.takes(line)]
    if not lines:
        _tell_none(trace, chosen)
    _console().print(table_of(count(lines)))
    typer.echo(_summary(trace, len(lines)))


@app.command()
def diff(
    a: Annotated[Path, typer.Argument(exists=True, help="file or folder of one run")],
    b: Annotated[Path, typer.Argument(exists=True, help="of the other")],
    background: All = False,
) -> None:
    """Where two runs part, and why. Ends with 1 when they do."""
    from traces.differ import find_partings
    from traces.parted import tell

    one, two = _read([a]), _read([b])
    for path, trace in ((a, one), (b, two)):
        if not trace.lines:
            raise _wrong(f"comptoir trace diff: {path}: no lines")
    if one.names != two.names:
        typer.echo("the pseudonyms have different keys: names differ whatever happened", err=True)
    partings = find_partings(one.lines, two.lines, background=background)
    for text in tell(partings, one.lines, two.lines):
        typer.echo(text)
    raise typer.Exit(1 if partings else 0)


def _read(files: Iterable[Path]) -> Trace:
    try:
        return read_trace(files)
    except (WrongTrace, OSError) as error:
        raise _wrong(str(error)) from None


def _wrong(text: str) -> typer.Exit:
    """The command line or a setting is wrong."""
    typer.echo(text, err=True)
    return typer.Exit(2)


def _failed(text: str) -> typer.Exit:
    """What the command needs cannot be used."""
    typer.echo(text, err=True)
    return typer.Exit(1)


def _tell_none(trace: Trace, chosen: Chosen) -> None:
    """Somebody who looks for what is not there may have mistyped it, or wants what comes by the clock."""
    typer.echo("no lines match", err=True)
    for text in unmet(trace.lines, chosen):
        typer.echo(text, err=True)
    if trace.lines and not chosen.background and any(is_background(one) for one in trace.lines):
        typer.echo("signs of life and sweeps are shown with --all", err=True)


def _chosen(
    trace: Trace,
    customer: list[str] | None,
    card: list[str] | None,
    till: list[str] | None,
    type_: list[str] | None,
    outcome: list[str] | None,
    since: str | None,
    until: str | None,
    background: bool,
) -> Chosen:
    return Chosen(
        customers=tuple(customer or ()),
        cards=tuple(card or ()),
        tills=tuple(one.removeprefix("pos.") for one in till or ()),
        types=tuple(type_ or ()),
        outcomes=tuple(outcome or ()),
        since=_moment(trace, since, "--since"),
        until=_moment(trace, until, "--until"),
        background=background,
    )


def _moment(trace: Trace, text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        return read_moment(text, trace.lines[0].at if trace.lines else datetime.now(UTC))
    except ValueError:
        wanted = "12:30:05.120, 2026-03-01 or 2026-03-01 12:30 (UTC)"
        raise typer.BadParameter(f"{text} is no time such as {wanted}", param_hint=option) from None


def _summary(trace: Trace, chosen: int) -> str:
    if not trace.lines:
        return "no lines"
    first, last = trace.lines[0].at, trace.lines[-1].at
    gaps = f", {trace.gaps} left out" if trace.gaps else ""
    return f"{chosen} of {counted(len(trace.lines), 'line')}, {first:%Y-%m-%d %H:%M:%S} to {last:%H:%M:%S} UTC{gaps}"


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDE)
