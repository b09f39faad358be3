"""`comptoir bench`: the product beside its floors, in one run, on one machine; ratios are what counts."""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from bench.figures import FIGURES, Figure, Result
from bench.stand import Stand, open_stand
from ops.errors import ServiceError
from ops.process import NotReady
from ops.progress import ConsoleProgress
from ops.services import start_services
from ops.system import SystemFailed


def run_bench(
    customers: int, quick: bool, json_file: Path | None, only: Sequence[str] | None, consent: bool
) -> int:
    """Measures, prints the table, writes the ratios; 1 when a bound was missed, 2 when a name is wrong."""
    console = Console()
    wanted = [one for one in FIGURES if not only or one.name in only]
    if only and (unknown := set(only) - {one.name for one in FIGURES}):
        names = ", ".join(one.name for one in FIGURES)
        _refuse(f"no figure {', '.join(sorted(unknown))}; there are {names}")
        return 2
    if json_file is not None and not _can_be_written(json_file):
        return 2
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            results = runner.run(_measure(console, customers, quick, wanted, consent))
    except (ServiceError, SystemFailed, NotReady) as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        return 130
    console.print(_table(results, customers))
    if json_file is not None:
        ratios = {one.figure.name: round(one.ratio, 4) for one in results}
        json_file.write_text(json.dumps(ratios, indent=2) + "\n", "utf-8")
    missed = [one.figure.name for one in results if not one.holds]
    if missed:
        console.print(f"bound missed: {', '.join(missed)}", style="red")
    return 1 if missed else 0


def _can_be_written(file: Path) -> bool:
    """Found out before minutes of measuring; says so when not."""
    try:
        file.open("ab").close()
    except OSError as error:
        _refuse(f"--json {file}: {error.strerror or error}")
        return False
    return True


def _refuse(text: str) -> None:
    sys.stderr.write(f"comptoir bench: {text}\n")


async def _measure(
    console: Console, customers: int, quick: bool, wanted: Sequence[Figure], consent: bool
) -> list[Result]:
    progress = ConsoleProgress(console)
    results = []
    with tempfile.TemporaryDirectory(prefix="comptoir-bench-") as place:
        async with (
            start_services(progress=progress, consent=consent) as services,
            open_stand(services, Path(place), customers, quick, progress) as stand,
        ):
            for figure in wanted:
                with progress.step(figure.title):
                    results.append(await _one(figure, stand))
                console.print(f"{figure.name} {results[-1].ratio:.3f}", highlight=False)
    return results


async def _one(figure: Figure, stand: Stand) -> Result:
    began = time.monotonic()
    await stand.settle()
    product, floor, notes = await figure.measure(stand)
    return Result(figure, product, floor, notes, time.monotonic() - began)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table."""

    title: str
    text: Callable[[Result], str]


COLUMNS = (
    Column("figure", lambda one: one.figure.name),
    Column("product", lambda one: one.figure.show(one.product)),
    Column("compared to", lambda one: f"{one.figure.floor}: {one.figure.show(one.floor)}"),
    Column("ratio", lambda one: f"{one.ratio:.3f}"),
    Column("bound", lambda one: one.figure.bound_text),
    Column("", lambda one: "ok" if one.holds else "MISSED"),
    Column("notes", lambda one: one.notes),
)


def _table(results: Sequence[Result], customers: int) -> Table:
    table = Table(*(column.title for column in COLUMNS), title=f"{customers:,} customers")
    for result in results:
        table.add_row(*(column.text(result) for column in COLUMNS))
    return table
