"""`rasad tokens`: who may use the API."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.data_options import (
    ConfigOption,
    DataOption,
    JsonOption,
    existing_data,
    failed,
    print_json,
    say,
    settings_of,
    wrong_usage_ends,
)
from telemetry.durations import duration_ns

if TYPE_CHECKING:
    from storage.tokens import Token, TokenBook

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Make, list and revoke tokens of the API.")


@app.command()
def create(
    role: Annotated[str, typer.Option(help="viewer, operator or admin.")],
    label: Annotated[str, typer.Option(help="Whose it is or what for.")],
    pilots: Annotated[str | None, typer.Option(help="Only these pilots, with commas; all if not given.")] = None,
    expires: Annotated[str | None, typer.Option(help="Valid for so long: 12h, 90d. Without end if not given.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Make a token and print it; it can never be shown again."""
    now_ns = time.time_ns()
    with _book(config, data) as book, wrong_usage_ends():
        expires_ns = now_ns + duration_ns(expires) if expires is not None else None
        limited = [name.strip() for name in pilots.split(",") if name.strip()] if pilots is not None else None
        text, token = book.create(role, label=label, now_ns=now_ns, pilots=limited, expires_ns=expires_ns)  # type: ignore[arg-type]
    if as_json:
        print_json({"token": text, **_view(token)})
    else:
        print(text)
        say(f"token {token.prefix}: keep it now, it cannot be shown again")


@app.command("list")
def list_tokens(as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None) -> None:
    """List every token, oldest first, without its secret."""
    with _book(config, data) as book:
        views = [_view(token) for token in book.list()]
    if as_json:
        print_json({"items": views, "next": None})
        return
    for view in views:
        pilots = ",".join(view["pilots"]) if view["pilots"] is not None else "all pilots"
        print(
            f"{view['prefix']}  {view['role']:<8}  {pilots:<20}  expires {view['expires'] or 'never':<24}"
            f"  last used {view['last_used'] or 'never':<24}  {view['label']}"
        )


@app.command()
def revoke(
    prefix: Annotated[str, typer.Argument(help="Twelve signs after `rasad_`, as listed.")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Take a token back for good; whoever uses it is let in no more."""
    with _book(config, data) as book:
        if not book.revoke(prefix):
            raise failed(f"there is no token {prefix!r}; `rasad tokens list` shows them")
    say(f"token {prefix} is revoked")


@contextmanager
def _book(config: Any, data: Any) -> Iterator[TokenBook]:
    from storage.tokens import TokenBook

    book = TokenBook(existing_data(settings_of(config, data)) / "access.sqlite")
    try:
        yield book
    finally:
        book.close()


def _view(token: Token) -> dict[str, Any]:
    return {
        "prefix": token.prefix,
        "role": token.role,
        "pilots": None if token.pilots is None else sorted(token.pilots),
        "label": token.label,
        "created": _iso(token.created_ns),
        "expires": _iso(token.expires_ns),
        "last_used": _iso(token.last_used_ns),
    }


def _iso(time_ns: int | None) -> str | None:
    if time_ns is None:
        return None
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
