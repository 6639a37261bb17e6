"""Makes `docs/cli.md` from the verbs themselves, so that the page cannot say anything else.

Run as `python -m service.cli_page docs/cli.md`; a test holds the committed page against this.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from service.cli import app

_HEAD = """# The command line

<!-- Made from service/cli.py and service/commands/ by `make docs`; edit there. -->

`rasad VERB --help` shows the same. Settings come from `--config FILE`, then `RASAD_SECTION__KEY` in the environment,
then options ([settings.md](settings.md)). Data goes to standard output, words to standard error.

| exit code | means |
|---|---|
| 0 | done |
| 1 | failed: something that was tried did not work, or was not all good |
| 2 | wrong usage, settings or pilots; each mistake with file, line, key and cure |
"""

_MORE = {
    "backfill": """\
| format | endings | a line |
|---|---|---|
| `json` | `.jsonl`, `.ndjson`, `.json` | recorded feed, or an object with `device`, `ts`, `values` (or bare values) |
| `csv` | `.csv` | head `time,device,metric,value`, `time,device,METRIC…`, or `time,value` with `--device --metric` |
| `line` | `.lp`, `.line`, `.influx` | tags `pilot`, `device`, `metric` and field `value`, or a field a metric |

Each may be gzipped. Times are s, ms, µs or ns since 1970 by their size (below 10¹¹ they are s; in JSON always ms, as
in messages), or ISO 8601; without zone and offset `--timezone` must say where. An hour that the clock repeats is taken
as the first of the two and counted. What `rasad export` writes as CSV can be read back.

Readings go through journal, admission, windows and ledger as live ones do, without a device's rate limit. On a data
directory that nobody uses, a worker of this process does the work; while `rasad up` or `rasad ingest` runs there, the
messages go to its broker at QoS 1 and the verb waits for the ledger. Status messages are left out: they say how a
device is now. A line that cannot be read is counted and shown, all others are taken, and the exit code is 1
(`--skip-bad`: 0). What is older than the pilot's `max_age` is quarantined; what is older than `retention` allows is
taken and then forgotten by the store.
""",
    "export": """\
While a process serves the API of the data directory, the export comes from there; else from the store directly. The
file appears whole or not at all. Text cells that a spreadsheet would run get a leading apostrophe.
""",
    "quarantine": """\
Over the API while a process runs on the data directory, else on its operational database; what is requeued there is
taken at the next start. Beside `rasad ingest` alone, its worker does it within a second or two.
""",
    "ingest": """\
Needs a broker (`--mqtt`). `/healthz`, `/readyz`, `/metrics` and `/api/v1/ledger` answer on `--http`. Live values and
closed windows are published on `city/v1/{pilot}/_live`, at most twice a second.
""",
    "api": """\
Needs InfluxDB, the broker that carries the bus, and the data directory of `rasad ingest` (read, but for quarantine).
With DuckDB it is refused: that file belongs to one process.
""",
}


def page() -> str:
    """Give the whole page."""
    root = typer.main.get_command(app)
    return "\n".join([_HEAD, *("\n".join(_verb(verb, f"rasad {verb.name}", 2)) for verb in _below(root))])


def _below(group: Any) -> list[Any]:
    """Commands of a group; typer carries a click of its own, so its classes are told by what they can."""
    context = typer.Context(group)
    return [group.get_command(context, name) for name in group.list_commands(context)]


def _verb(verb: Any, called: str, depth: int) -> Iterator[str]:
    yield f"{'#' * depth} `{' '.join([called, *_arguments(verb)])}`\n"
    yield f"{(verb.help or '').strip()}\n"
    if depth == 2 and verb.name in _MORE:
        yield _MORE[verb.name]
    if hasattr(verb, "list_commands"):
        for below in _below(verb):
            yield from _verb(below, f"{called} {below.name}", depth + 1)
        return
    rows = [_row(option) for option in verb.params if option.param_type_name == "option"]
    if rows:
        yield "\n".join(["| option | meaning |", "|---|---|", *rows]) + "\n"


def _arguments(verb: Any) -> list[str]:
    found = [one for one in verb.params if one.param_type_name == "argument"]
    return [f"{(one.metavar or one.name or '').upper()}{'…' if one.nargs == -1 else ''}" for one in found]


def _row(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    meaning = (option.help or "").replace("|", "\\|")
    if option.required:
        return f"| {names} | {meaning} Required. |"
    shown = option.default if isinstance(option.default, str | int | float | Path) else None
    plain = shown is None or isinstance(shown, bool)
    return f"| {names} | {meaning}{'' if plain else f' Default `{shown}`.'} |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
