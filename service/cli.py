"""The command line `rasad`: every verb is a module of `service.commands`, imported when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any, Final

import click
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
}


class LazyVerbs(TyperGroup):
    """Imports a verb's module only when it is used, so that `rasad check` does not wait for a database driver."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give every verb."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Load one verb."""
        place = VERBS.get(name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        verb = getattr(importlib.import_module(f"service.commands.{module}"), attribute)
        if isinstance(verb, typer.Typer):
            command = typer.main.get_command(verb)
        else:
            single = typer.Typer(add_completion=False)
            single.command(name)(verb)
            command = typer.main.get_command(single)
        command.name = name
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
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    except RasadError as error:
        print(f"rasad: {error}", file=sys.stderr)
        raise SystemExit(1) from None
