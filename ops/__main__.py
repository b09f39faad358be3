"""The commands of `./comptoir`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from erp_node.__main__ import app as erp_app
from pos_node.__main__ import app as pos_app
from traces.__main__ import app as trace_app

app = typer.Typer(
    help="Keeps the tills of many stores and one ERP in agreement about customers.\n\n"
    "`./comptoir --yes COMMAND` answers every question with yes (such as: install missing services?).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(erp_app, name="erp")
app.add_typer(pos_app, name="pos")
app.add_typer(trace_app, name="trace")

_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command()
def demo(
    check: Annotated[
        bool, typer.Option("--check", help="play the whole story, say ok or FAIL, and end")
    ] = False,
    customers: Annotated[
        int, typer.Option(min=100, max=2_000_000, help="customers generated")
    ] = 20_000,
    stores: Annotated[int, typer.Option(min=2, max=20, help="stores, one till each")] = 2,
    seed: Annotated[int, typer.Option(help="of the generated customers")] = 7,
    yes: Annotated[
        bool, typer.Option("--yes", help="install missing services without asking")
    ] = False,
) -> None:
    """Runs an ERP and tills of several stores with generated customers; leaves nothing behind."""
    from ops.demo import run_demo

    raise typer.Exit(
        run_demo(
            check=check, customers=customers, stores=stores, seed=seed, consent=yes or _consent()
        )
    )


@app.command(context_settings=_PASS_ON)
def test(context: typer.Context) -> None:
    """Lint, types, import borders and the whole suite; arguments go to pytest."""
    from ops.checks import run_checks

    raise typer.Exit(run_checks(context.args))


@app.command()
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="fewer rows and rounds")] = False,
    customers: Annotated[
        int | None,
        typer.Option(min=1_000, max=2_000_000, help="rows; default 200,000, quick 50,000"),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the ratios here")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="measure this figure; several times")
    ] = None,
) -> None:
    """Measures the product beside its floors in one run."""
    from bench.run import run_bench

    raise typer.Exit(
        run_bench(customers or (50_000 if quick else 200_000), quick, json_file, only, _consent())
    )


@app.command()
def simulate(
    context: typer.Context,
    seeds: Annotated[int, typer.Option(min=1, help="schedules to play")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="the first seed")] = 0,
    jobs: Annotated[
        int | None, typer.Option(min=1, max=64, help="processes; default: one per processor")
    ] = None,
    schedule: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="play this schedule.json instead, once"),
    ] = None,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="plant bugs instead: how many seeds find each?")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="with --mutants: this one; several times")
    ] = None,
    failures: Annotated[
        Path, typer.Option(file_okay=False, help="where traces of failing schedules go")
    ] = Path("simulation-failures"),
) -> None:
    """Both nodes on simulated time, network and chance: what goes wrong, heals, and the invariants after it."""
    from simulation.campaign import default_jobs, run_schedule, run_seeds

    if mutants or schedule is not None:
        _refuse_unused(context, "--mutants" if mutants else "--schedule", "seeds", "seed")
    if schedule is not None:
        _refuse_unused(context, "--schedule", "jobs")
    if only and not mutants:
        raise typer.BadParameter("needs --mutants", param_hint="--only")
    if mutants and schedule is not None:
        raise typer.BadParameter("one of them only", param_hint="--schedule, --mutants")
    if mutants:
        from simulation.mutants.hunt import hunt_all

        raise typer.Exit(hunt_all(jobs or default_jobs(), only or ()))
    if schedule is not None:
        raise typer.Exit(run_schedule(schedule))
    raise typer.Exit(run_seeds(seed, seeds, jobs or default_jobs(), failures))


def _refuse_unused(context: typer.Context, beside: str, *names: str) -> None:
    """Raises typer.BadParameter for an option that would not be heeded."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"has no meaning with {beside}", param_hint=f"--{name}")


@app.command()
def chaos(
    minutes: Annotated[
        float, typer.Option(min=0.1, max=1_440, help="how long things go wrong")
    ] = 10.0,
    seed: Annotated[
        int, typer.Option(min=0, help="decides which faults, when and against whom")
    ] = 0,
    history: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="keep the history of a run that ends well, too"),
    ] = None,
    failures: Annotated[
        Path, typer.Option(file_okay=False, help="where everything of a run that ends badly goes")
    ] = Path("chaos-failures"),
) -> None:
    """Real RabbitMQ, PostgreSQL, ERP processes and tills while everything goes wrong; then the same invariants."""
    from chaos.run import Wanted, run_chaos

    raise typer.Exit(run_chaos(Wanted(minutes, seed, history, failures, _consent())))


@trace_app.command()
def replay(
    files: Annotated[
        list[Path], typer.Argument(exists=True, help="files of a trace, or folders with them")
    ],
    speed: Annotated[
        str,
        typer.Option(help="recorded, a factor such as 10, or step; default: as fast as it goes"),
    ] = "",
    drop: Annotated[float, typer.Option(min=0, max=1, help="share of messages lost")] = 0.0,
    dup: Annotated[float, typer.Option(min=0, max=1, help="share delivered twice")] = 0.0,
    reorder: Annotated[
        int, typer.Option(min=0, help="a message may be overtaken by so many after it")
    ] = 0,
    seed: Annotated[int, typer.Option(help="of what is lost, doubled and late")] = 0,
    broker: Annotated[
        str, typer.Option(help="memory, or real: a RabbitMQ of its own, in real time")
    ] = "memory",
    into: Annotated[
        Path, typer.Option(file_okay=False, help="where the nodes' states go, and a trace of it")
    ] = Path("replayed"),
) -> None:
    """A recorded trace given to fresh nodes; then digests, invariants, and their state to look at."""
    from simulation.replay.command import Wanted, run_replay
    from simulation.replay.faults import Faults

    if broker not in ("memory", "real"):
        raise typer.BadParameter("memory or real", param_hint="--broker")
    if broker == "real" and speed == "step":
        raise typer.BadParameter("step needs --broker memory", param_hint="--speed")
    raise typer.Exit(
        run_replay(
            Wanted(
                tuple(files), into, Faults(drop, dup, reorder, seed),
                _factor(speed), speed == "step", broker == "real", _consent(),
            )
        )
    )  # fmt: skip


def _factor(speed: str) -> float | None:
    """How many times as fast as recorded; None: nobody waits."""
    if speed in ("", "step"):
        return None
    try:
        factor = 1.0 if speed == "recorded" else float(speed)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise typer.BadParameter("recorded, a factor above 0, or step", param_hint="--speed")
    return factor


@app.command()
def asyncapi(
    output: Annotated[Path | None, typer.Option(help="a file instead of standard output")] = None,
) -> None:
    """Prints the AsyncAPI 3 document of all messages, as JSON."""
    from contracts.asyncapi import document

    text = json.dumps(document(), indent=2, ensure_ascii=False)
    if output:
        try:
            output.write_text(text + "\n", "utf-8")
        except OSError as error:
            sys.stderr.write(f"comptoir asyncapi: {output}: {error.strerror or error}\n")
            raise typer.Exit(1) from None
    else:
        sys.stdout.write(text + "\n")


def _consent() -> bool:
    """Whether the launcher was told --yes."""
    return os.environ.get("COMPTOIR_YES") == "1"


if __name__ == "__main__":
    app(prog_name="comptoir")
