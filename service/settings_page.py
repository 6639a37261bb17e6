"""Makes `docs/settings.md` from the settings themselves, so that the page cannot say anything else.

Run as `python -m service.settings_page docs/settings.md`; a test holds the committed page against this.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from service.settings import Section, Settings

_HEAD = """# Settings

<!-- Made from service/settings.py by `make docs`; edit there. -->

One TOML file, named by `--config FILE` (or `RASAD_CONFIG`), then environment variables `RASAD_SECTION__KEY` (two
underscores), then options on the command line: the later wins. Every key has a default; a file may hold only what
differs. Unknown keys are errors. `rasad check` names file, line, key and cure of each mistake.

Paths are relative to the working directory. A secret is better kept in a file of its own (mode 0600) named by the
`…_file` key beside it. Lists in the environment are written with commas.
"""
_TYPES: dict[Any, str] = {
    int: "whole number", float: "number", str: "text", bool: "true or false", Path: "path", SecretStr: "secret text",
    type(None): "not set",
}  # fmt: skip


def settings_page() -> str:
    """Give the page as Markdown."""
    return "\n".join([_HEAD, *_sections()])


def _sections() -> Iterator[str]:
    for name, info in Settings.model_fields.items():
        section: type[Section] = info.annotation  # type: ignore[assignment]  # every field is a section
        yield f"## `[{name}]`\n\n{section.__doc__}\n"
        yield "| key | type | default | meaning |\n|---|---|---|---|"
        yield from (_row(key, field) for key, field in section.model_fields.items())
        yield ""


def _row(key: str, field: FieldInfo) -> str:
    return f"| `{key}` | {_type(field.annotation)}{_bounds(field)} | {_default(field.default)} | {field.description} |"


def _type(annotation: Any) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(args[0])
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in args)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(arg) for arg in args if arg is not type(None))
    if origin is tuple:
        return f"list of {_type(args[0])}s"
    return _TYPES[annotation]


def _bounds(field: FieldInfo) -> str:
    signs = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
    found = [f"{sign} {getattr(one, name):,}" for one in field.metadata for name, sign in signs if hasattr(one, name)]
    return f", {', '.join(found)}" if found else ""


def _default(default: Any) -> str:
    if default is None or default == "":
        return "not set"
    if isinstance(default, tuple):
        return "`[]`"
    return f'`"{default}"`' if isinstance(default, str | Path) else f"`{default}`"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(settings_page(), encoding="utf-8")
