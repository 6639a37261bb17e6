"""Which line of a TOML text a key stands on, and what is wrong with a text that is no TOML.

`tomllib` gives values without places. A person who mends a file needs the line, so this walks the same text once
more, only when there is something to complain about.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import Any, Final

from telemetry.errors import Mistake, SettingsError

Key = tuple[str | int, ...]

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_TEXT: Final = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'", re.DOTALL)
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_\-]+")
_SCALAR: Final = re.compile(r"[^,\]}#\n]+")
_PLACE: Final = re.compile(r" \(at line (\d+), column \d+\)$| \(at end of document\)$")
_MAX_DEPTH: Final = 64
_TWICE: Final = ("overwrite", "declare", "redefine", "mutate", "duplicate")


class TomlLines:
    r"""Lines (from 1) of every key of a text.

    A path goes from the root: names of tables and keys, and indexes in arrays of tables and in arrays.

    >>> lines = TomlLines('[pilot]\nid = "a"\n[[alarms]]\n[[alarms]]\nlevels = {MINOR = 1}\n')
    >>> lines.of(("pilot", "id")), lines.of(("alarms", 1, "levels", "MINOR")), lines.of(("alarms", 0, "when"))
    (2, 5, 3)
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends = [found.start() for found in re.finditer("\n", text)]
        self._lines: dict[Key, int] = {(): 1}
        self._set_here: dict[Key, int] = {}
        self._arrays: dict[Key, int] = {}
        self.twice: list[tuple[Key, int, int]] = []
        self.too_deep: int | None = None
        self.unfinished: Key = ()
        self._walk()

    def of(self, path: Key) -> int:
        """Give the line of `path`, or of the nearest table above it when the path itself is not in the text."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def last_on(self, line: int) -> Key:
        """Give the path that is set last on `line`, () when none is."""
        return next((path for path, at in reversed(self._set_here.items()) if at == line), ())

    def _walk(self) -> None:
        table: Key = ()
        at = _BLANK.match(self._text).end()  # type: ignore[union-attr]  # matches the empty text too
        try:
            while at < len(self._text):
                table, at = self._statement(table, at)
                at = _after(_BLANK, self._text, at)
        except _Stuck:
            return

    def _statement(self, table: Key, at: int) -> tuple[Key, int]:
        if self._text.startswith("[[", at):
            names, end = self._names(at + 2)
            return self._open_array(names, at), _expect(self._text, end, "]]")
        if self._text[at] == "[":
            names, end = self._names(at + 1)
            return self._open_table(names, at), _expect(self._text, end, "]")
        return table, self._pair(table, at, 0)

    def _open_array(self, names: Key, at: int) -> Key:
        path = self._resolve(names[:-1]) + names[-1:]
        index = self._arrays.get(path, -1) + 1
        self._arrays[path] = index
        self._lines.setdefault(path, self._line(at))
        self._note((*path, index), at)
        return (*path, index)

    def _open_table(self, names: Key, at: int) -> Key:
        path = self._resolve(names)
        self._define(path, at)
        return path

    def _resolve(self, names: Key) -> Key:
        """Turn names of a header into a path, going into the newest element of each array of tables on the way."""
        path: Key = ()
        for name in names:
            path = (*path, name)
            if path in self._arrays:
                path = (*path, self._arrays[path])
        return path

    def _pair(self, table: Key, at: int, depth: int) -> int:
        names, end = self._names(at)
        end = _expect(self._text, end, "=")
        path = (*table, *names)
        self._define(path, at)
        self.unfinished = path
        end = self._value(path, _after(_SPACE, self._text, end), depth)
        self.unfinished = ()
        return end

    def _value(self, path: Key, at: int, depth: int) -> int:
        if depth > _MAX_DEPTH:
            self.too_deep = self._line(at)
            raise _Stuck
        if self._text.startswith("{", at):
            return self._inline_table(path, at + 1, depth)
        if self._text.startswith("[", at):
            return self._array(path, at + 1, depth)
        return _after(_TEXT if self._text.startswith(('"', "'"), at) else _SCALAR, self._text, at)

    def _inline_table(self, path: Key, at: int, depth: int) -> int:
        at = _after(_BLANK, self._text, at)
        while not self._text.startswith("}", at):
            at = self._after_comma(self._pair(path, at, depth + 1), "}")
        return at + 1

    def _array(self, path: Key, at: int, depth: int) -> int:
        at = _after(_BLANK, self._text, at)
        index = 0
        while not self._text.startswith("]", at):
            self._note((*path, index), at)
            at = self._after_comma(self._value((*path, index), at, depth + 1), "]")
            index += 1
        return at + 1

    def _after_comma(self, at: int, closing: str) -> int:
        at = _after(_BLANK, self._text, at)
        if self._text.startswith(closing, at):
            return at
        return _after(_BLANK, self._text, _expect(self._text, at, ","))

    def _names(self, at: int) -> tuple[Key, int]:
        names: list[str | int] = []
        while True:
            at = _after(_SPACE, self._text, at)
            quoted = self._text.startswith(('"', "'"), at)
            end = _after(_TEXT if quoted else _BARE_KEY, self._text, at)
            names.append(_unquoted(self._text[at:end]) if quoted else self._text[at:end])
            at = _after(_SPACE, self._text, end)
            if not self._text.startswith(".", at):
                return tuple(names), at
            at += 1

    def _define(self, path: Key, at: int) -> None:
        line = self._line(at)
        if path in self._set_here:
            self.twice.append((path, line, self._set_here[path]))
        else:
            self._set_here[path] = line
        self._note(path, at)

    def _note(self, path: Key, at: int) -> None:
        """Remember the line of `path`, and of tables above it that have no line of their own yet."""
        line = self._line(at)
        self._lines[path] = line
        above = path[:-1]
        while above not in self._lines:
            self._lines[above] = line
            above = above[:-1]

    def _line(self, at: int) -> int:
        return bisect_right(self._ends, at - 1) + 1


class _Stuck(Exception):
    """The walk met something that is no TOML; what was seen before it stands."""


def _after(form: re.Pattern[str], text: str, at: int) -> int:
    found = form.match(text, at)
    if found is None:
        raise _Stuck
    return found.end()


def _expect(text: str, at: int, sign: str) -> int:
    if not text.startswith(sign, at):
        raise _Stuck
    return at + len(sign)


def _unquoted(quoted: str) -> str:
    try:
        return str(tomllib.loads(f"_ = {quoted}")["_"])
    except tomllib.TOMLDecodeError:
        raise _Stuck from None


def key_text(path: Key) -> str:
    """Write a path as a person would: names with dots, indexes in brackets counted from 0.

    >>> key_text(("alarms", 1, "levels", "MINOR"))
    'alarms[1].levels.MINOR'
    """
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".") or "(the file)"


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """Parse `text`; `SettingsError` names `file`, the line and the key of a syntax error or of a key given twice."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([_syntax_mistake(text, file, str(error))]) from None
    except (RecursionError, ValueError) as error:  # nesting without end; an integer of thousands of digits
        lines = TomlLines(text)
        line = lines.too_deep or _longest_number_line(text)
        what = "nested too deeply" if lines.too_deep else f"cannot be read: {error}"
        cure = f"nest at most {_MAX_DEPTH} deep and write numbers that fit in 64 bits"
        raise SettingsError([Mistake(file, line, "(the file)", what, cure)]) from None


def _syntax_mistake(text: str, file: str, message: str) -> Mistake:
    lines = TomlLines(text)
    if lines.twice and any(word in message.lower() for word in _TWICE):
        path, line, first = lines.twice[0]
        cure = "keep one of the two" if path else "name it"
        return Mistake(file, line, key_text(path), f"is given twice, first on line {first}", cure)
    found = _PLACE.search(message)
    line = int(found[1]) if found and found[1] else text.rstrip().count("\n") + 1
    what = _PLACE.sub("", message)
    path = lines.unfinished or lines.last_on(line)
    key = key_text(path) if path else _written_key(text.split("\n")[line - 1])
    return Mistake(file, line, key, f"is no TOML: {what[:1].lower()}{what[1:]}", _syntax_cure(what))


def _written_key(line: str) -> str:
    return line.partition("=")[0].strip().strip("[]")[:60] or "(the file)"


def _syntax_cure(what: str) -> str:
    if "Invalid value" in what or "Expected newline" in what:
        return 'texts stand in quotes ("10s"), numbers are written plainly, yes and no are true and false'
    if any(word in what for word in ("Unclosed", "Unterminated", "Illegal character", "']'", "initial character")):
        return "close the bracket or the quotes before the line ends"
    if "'='" in what or "after a key" in what:
        return "write key = value, one on each line"
    return "see https://toml.io for how it is written"


def _longest_number_line(text: str) -> int:
    longest = max(re.finditer(r"\d+", text), key=lambda found: len(found[0]), default=None)
    return text.count("\n", 0, longest.start()) + 1 if longest else 1
