"""Settings from flags, environment and one TOML file, in this order of strength, or every mistake with its cure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import InitSettingsSource, PydanticBaseSettingsSource
from pydantic_settings import SettingsError as UnreadableVariable

from processing.typed_tables import meant
from service.settings import Section, Settings
from telemetry.errors import Mistake, SettingsError
from telemetry.toml_lines import TomlLines, key_text, parse_toml

ENVIRONMENT = "environment"
COMMAND_LINE = "command line"
_PREFIX = "RASAD_"
_TYPE_NAMES = {
    "int": "a whole number",
    "float": "a number",
    "string": "a text",
    "bool": "true or false",
    "path": "a path",
    "tuple": "a list",
}

Tables = dict[str, Any]


def load_settings(config: Path | None = None, flags: Mapping[str, Mapping[str, Any]] | None = None) -> Settings:
    """Read settings; `SettingsError` names file, line and key, or the variable, or the option of every mistake.

    `flags` are nested as sections and keys; a value of None means that the option was not given. Secrets named by a
    `…_file` key are read here: afterwards `password` and `token` hold them.
    """
    text = read_text(config) if config else ""
    sources = _Sources(str(config), text, parse_toml(text, str(config)), _given(flags or {}))
    mistakes = list(_misnamed_variables())
    try:
        read = sources.settings()
        settings, unread = _with_secrets(read, sources)
        mistakes += unread
    except ValidationError as error:
        mistakes += [sources.mistake(tuple(e["loc"]), *_what_and_cure(e)) for e in error.errors(include_url=False)]
    except UnreadableVariable as error:
        mistakes.append(Mistake(ENVIRONMENT, 0, str(error), "cannot be read", "set single keys, RASAD_SECTION__KEY"))
    if mistakes:
        raise SettingsError(sorted(mistakes, key=lambda m: (str(m.file), m.line, m.key)))
    return settings


def read_text(file: Path) -> str:
    """Read a settings file; `SettingsError` when it cannot be read or is no UTF-8."""
    try:
        return file.read_bytes().decode("utf-8").replace("\r\n", "\n")
    except OSError as error:
        what, cure = f"cannot be read: {error.strerror}", "mend the path or the rights of the file"
        raise SettingsError([Mistake(str(file), 0, "(the file)", what, cure)]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        what = f"byte {error.start} is no UTF-8"
        raise SettingsError([Mistake(str(file), line, "(the file)", what, "save the file as UTF-8")]) from None


class _Sources:
    """The three places that settings come from, and which of them a given key came from."""

    def __init__(self, file: str, text: str, tables: Tables, flags: Tables) -> None:
        self._file = file
        self._text = text
        self._tables = tables
        self._flags = flags

    def settings(self) -> Settings:
        tables = self._tables

        class WithFile(Settings):
            @classmethod
            def settings_customise_sources(
                cls,
                settings_cls: Any,
                init_settings: PydanticBaseSettingsSource,
                env_settings: PydanticBaseSettingsSource,
                dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the signature is pydantic's
                file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            ) -> tuple[PydanticBaseSettingsSource, ...]:
                return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=tables)

        read = WithFile(**self._flags)
        return Settings.model_construct(read.model_fields_set, **{name: getattr(read, name) for name in _sections()})

    def mistake(self, path: tuple[int | str, ...], what: str, cure: str) -> Mistake:
        variable = f"{_PREFIX}{'__'.join(map(str, path[:2]))}".upper()
        if _holds(self._flags, path):
            return Mistake(COMMAND_LINE, 0, key_text(path), what, cure)
        if len(path) > 1 and any(name.upper() == variable for name in os.environ):
            return Mistake(ENVIRONMENT, 0, variable, what, cure)
        if _holds(self._tables, path) or _holds(self._tables, path[:1]):
            return Mistake(self._file, TomlLines(self._text).of(path), key_text(path), what, cure)
        return Mistake(ENVIRONMENT, 0, variable, what, cure)


def _sections() -> dict[str, type[Section]]:
    return {name: info.annotation for name, info in Settings.model_fields.items()}  # type: ignore[misc]  # all are


def _given(flags: Mapping[str, Mapping[str, Any]]) -> Tables:
    kept = {section: {k: v for k, v in keys.items() if v is not None} for section, keys in flags.items()}
    return {section: keys for section, keys in kept.items() if keys}


def _holds(tables: Any, path: tuple[int | str, ...]) -> bool:
    for part in path:
        if isinstance(tables, dict) and part in tables:
            tables = tables[part]
        elif not (isinstance(tables, list | tuple) and isinstance(part, int) and part < len(tables)):
            return False
    return True


def _what_and_cure(error: Any) -> tuple[str, str]:
    """Turn an error of pydantic into what is wrong and the cure."""
    kind, path, limits = error["type"], tuple(error["loc"]), error.get("ctx", {})
    if kind == "extra_forbidden":
        known = Settings.model_fields if len(path) == 1 else _sections()[path[0]].model_fields
        return "is not known", meant(str(path[-1]), known)
    if kind == "value_error":
        what, _, cure = str(limits["error"]).partition("; ")
        return what, cure
    if kind == "literal_error":
        return f"{error['input']!r} is none of the choices", f"write one of {limits['expected']}"
    given = error["input"] if isinstance(error["input"], str | int | float | bool) else type(error["input"]).__name__
    return f"is {given!r}: {_wanted(kind, error['msg'])}", f"write {_example(path)}"


def _wanted(kind: str, message: str) -> str:
    named = _TYPE_NAMES.get(kind.partition("_")[0])
    if named and kind.endswith(("_type", "_parsing", "_from_float")):
        return f"{named} is wanted"
    return "a table is wanted" if kind == "model_type" else message.removeprefix("Input should be ").lower()


def _example(path: tuple[int | str, ...]) -> str:
    section = _sections().get(str(path[0]))
    if section is None or len(path) < 2 or path[1] not in section.model_fields:
        return f"[{path[0]}] as a table"
    default = section.model_fields[str(path[1])].default
    quoted = f'"{default}"' if isinstance(default, str | Path) else default
    shown = {None: "a text in quotes", (): '["…"]'}.get(default, quoted)
    return f"{path[1]} = {shown}"


def _misnamed_variables() -> Iterator[Mistake]:
    """Find variables that look like settings and would silently do nothing."""
    for name in os.environ:
        section, separator, key = name.removeprefix(_PREFIX).lower().partition("__")
        if not name.startswith(_PREFIX) or section in _sections():
            continue
        if separator:
            yield Mistake(ENVIRONMENT, 0, name, f"there is no section {section!r}", meant(section, _sections()))
            continue
        head, _, key = section.partition("_")
        if head in _sections() and key in _sections()[head].model_fields:
            cure = f"write {_PREFIX}{head.upper()}__{key.upper()} with two underscores"
            yield Mistake(ENVIRONMENT, 0, name, "is not known", cure)


def _with_secrets(settings: Settings, sources: _Sources) -> tuple[Settings, list[Mistake]]:
    """Read the files that `…_file` keys name into the secrets beside them."""
    mistakes: list[Mistake] = []
    sections = {}
    for name, keys in (("mqtt", ("password",)), ("store", ("token", "password"))):
        section = getattr(settings, name)
        secrets = {}
        for key in keys:
            file = getattr(section, f"{key}_file")
            if file is not None and getattr(section, key) is not None:
                mistakes.append(sources.mistake((name, f"{key}_file"), f"{key} is set too", "keep one of the two"))
            elif file is not None:
                secrets[key], unread = _secret(file)
                mistakes += [sources.mistake((name, f"{key}_file"), *unread)] if unread else []
        sections[name] = type(section).model_validate({**section.model_dump(exclude_unset=True), **secrets})
    return settings.model_copy(update=sections), mistakes


def _secret(file: Path) -> tuple[str | None, tuple[str, str] | None]:
    try:
        line = file.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", error)
        return None, (f"{file} cannot be read: {why}", "mend the path or the rights of the file")
    return line or None, None if line else (f"{file} has an empty first line", "write the secret on its first line")
