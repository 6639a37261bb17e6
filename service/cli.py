"""The command line `rasad`: every verb is a module of `service.commands`, imported when it is called."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Final

import typer
from typer.core import TyperGroup

from telemetry.errors import RasadError, SettingsError

#: verb -> module and function in `service.commands`
VERBS: Final = {
    "up": "up:up",
    "check": "check:check",
    "simulate": "simulate:simulate",
    "record": "record:record",
    "replay": "replay:replay",
    "bench": "bench:bench",
    "backfill": "backfill:backfill",
    "export": "export:export",
    "quarantine": "quarantine:app",
    "tokens": "tokens:app",
    "doctor": "doctor:doctor",
    "ingest": "ingest:ingest",
    "api": "api:api",
}


class LazyVerbs(TyperGroup):
    """Imports a verb's module only when it is used, so that `rasad check` does not wait for a database driver."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        """Give every verb."""
        return list(VERBS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ARG002
        """Load one verb; None when there is none of that name."""
        place = VERBS.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        verb = getattr(importlib.import_module(f"service.commands.{module}"), attribute)
        if not isinstance(verb, typer.Typer):
            single = typer.Typer(add_completion=False)
            single.command(cmd_name)(verb)
            verb = single
        command = typer.main.get_command(verb)
        command.name = cmd_name
        return command


app = typer.Typer(cls=LazyVerbs, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def rasad() -> None:
    """Rasad: city telemetry, from MQTT sensors to trusted readings, windows and screens."""


def main(arguments: Sequence[str] | None = None) -> Any:
    """Run the command line; exit codes 0 done, 1 failed, 2 wrong usage or settings."""
    try:
        return app(args=arguments)
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise SystemExit(2) from None
    except RasadError as error:
        typer.echo(f"rasad: {error}", err=True)
        raise SystemExit(1) from None
