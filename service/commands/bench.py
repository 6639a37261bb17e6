"""`rasad bench`: what Rasad costs beside mosquitto_sub, aiomqtt and paho, on this machine."""

from __future__ import annotations

import json as json_text
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from service.commands.feed_options import failed, wrong_usage_ends


def bench(
    messages: Annotated[int | None, typer.Option(min=1_000, help="Messages a run; 200000 unless --quick.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Interleaved rounds; 3 unless --quick.")] = None,
    only: Annotated[str, typer.Option(help="Parts, with commas: cost, latency, queries, series, idle.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Two minutes, rough: small sizes, one round.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Also a million series.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object with all figures.")] = False,
) -> None:
    """Measure cost, latency, queries, growth and rest with a Mosquitto of its own; nothing else may be running."""
    from benchmarks.plan import plan
    from benchmarks.process_cost import BenchFailed
    from benchmarks.run import run, steps

    with wrong_usage_ends():
        wanted = plan(only, messages, rounds, quick, full)
    signal.signal(signal.SIGTERM, _stop)
    try:
        with _progress(steps(wanted)) as advance:
            answer = run(wanted, advance)
    except BenchFailed as error:
        raise failed(error) from None
    if json:
        print(json_text.dumps(answer))
        return
    from rich.console import Console

    from benchmarks.report import show

    show(answer, Console() if sys.stdout.isatty() else Console(width=120))


def _stop(_number: int, _frame: FrameType | None) -> None:
    sys.exit(1)  # unwinds, so that every process that was started is stopped


@contextmanager
def _progress(steps: int) -> Iterator[Callable[[str], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=steps)
        began = False

        def advance(what: str) -> None:
            nonlocal began
            progress.update(bar, description=what, advance=1 if began else 0)
            began = True

        yield advance
        progress.update(bar, completed=steps, description="done")
