"""Plain tables, as a TOML parser gives them, into msgspec structs, collecting every mistake instead of the first.

The quick way (`msgspec.convert`) is taken first. Only where it fails, or where a number is not finite or too large, are
the tables walked key by key; a value that cannot be used is then complained of and replaced by a neutral one, so that
the rest can be checked too.
"""

from __future__ import annotations

import difflib
import math
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from telemetry.toml_lines import Key, key_text

T = TypeVar("T")

#: beyond this neither float64 nor a browser holds an integer exactly
LARGEST_INTEGER: Final = 2**53
_WANTED: Final[dict[Any, str]] = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}
_NEUTRAL: Final[dict[Any, Any]] = {str: "", bool: False, int: 0, float: 0.0}


@dataclass(frozen=True)
class Complaint:
    """What is wrong at a path, and the cure.

    `of_name`: the last name of the path itself is wrong, not its value. `given`: other paths that must be usable for
    this complaint to mean anything.
    """

    path: Key
    what: str
    cure: str
    of_name: bool = False
    given: tuple[Key, ...] = ()


@dataclass
class TableReader:
    """Reads tables into structs. `examples` gives, by the name of a key, how its value is written."""

    examples: Mapping[str, str]
    complaints: list[Complaint] = field(default_factory=list)

    def read(self, raw: Any, wanted: type[T]) -> T:
        """Give `raw` as a `wanted`; where there are `complaints` afterwards, unusable values in it are neutral."""
        if not _has_odd_number(raw):
            try:
                return msgspec.convert(raw, wanted)
            except msgspec.ValidationError:
                pass
        return self._any(raw, wanted, ())  # type: ignore[no-any-return]

    def meaningful(self, complaints: Iterable[Complaint]) -> Iterator[Complaint]:
        """Keep the complaints about values that were read, and drop those about the neutral ones put in their place."""
        broken = {c.path for c in self.complaints}
        around_broken = {path[:length] for path in broken for length in range(len(path) + 1)}

        def usable(path: Key) -> bool:
            return not any(path[:length] in broken for length in range(len(path) + 1))

        for complaint in complaints:
            whole = complaint.of_name or complaint.path not in around_broken
            if whole and usable(complaint.path) and all(map(usable, complaint.given)):
                yield complaint

    def _complain(self, path: Key, what: str, cure: str) -> None:
        self.complaints.append(Complaint(path, what, cure))

    def _any(self, raw: Any, wanted: Any, path: Key) -> Any:  # noqa: PLR0911  # one for each form of a type
        origin, args = get_origin(wanted), get_args(wanted)
        if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
            return self._struct(raw, wanted, path)
        if origin in (Union, types.UnionType):
            return self._any(raw, next(arg for arg in args if arg is not types.NoneType), path)
        if origin is dict:
            return self._dict(raw, args[0], args[1], path)
        if origin is list:
            return self._list(raw, args[0], path)
        if origin is tuple:
            return self._tuple(raw, args, path)
        if origin is Literal:
            return self._choice(raw, args, path)
        return self._free(raw, path) if wanted is Any else self._scalar(raw, wanted, path)

    def _struct(self, raw: Any, wanted: type[msgspec.Struct], path: Key) -> Any:
        if not isinstance(raw, dict):
            self._mistyped(raw, "a table", path)
            return neutral(wanted)
        known = {info.encode_name: info for info in msgspec.structs.fields(wanted)}
        for key in raw.keys() - known.keys():
            self._complain((*path, key), "is not known", meant(key, known))
        values = {}
        for key, info in known.items():
            if key in raw:
                values[info.name] = self._any(raw[key], info.type, (*path, key))
            elif info.required:
                self._complain((*path, key), "is missing", f"add {key} = {self._example(key, info.type)}")
                values[info.name] = neutral(info.type)
        return wanted(**values)

    def _dict(self, raw: Any, key_type: Any, value_type: Any, path: Key) -> dict[Any, Any]:
        if not isinstance(raw, dict):
            self._mistyped(raw, "a table", path)
            return {}
        return {
            key: self._any(value, value_type, (*path, key))
            for key, value in raw.items()
            if get_origin(key_type) is not Literal or self._is_choice(key, get_args(key_type), (*path, key))
        }

    def _list(self, raw: Any, item_type: Any, path: Key) -> list[Any]:
        if not isinstance(raw, list):
            self._mistyped(raw, "a list (or [[tables]])", path)
            return []
        return [self._any(item, item_type, (*path, index)) for index, item in enumerate(raw)]

    def _tuple(self, raw: Any, item_types: tuple[Any, ...], path: Key) -> tuple[Any, ...]:
        if not isinstance(raw, list) or len(raw) != len(item_types):
            given = f"has {len(raw)} values" if isinstance(raw, list) else f"is {_given(raw)}"
            self._complain(path, f"{given} where {len(item_types)} numbers in brackets are wanted", self._write(path))
            return tuple(neutral(item) for item in item_types)
        pairs = enumerate(zip(raw, item_types, strict=True))
        return tuple(self._any(item, kind, (*path, index)) for index, (item, kind) in pairs)

    def _choice(self, raw: Any, choices: tuple[Any, ...], path: Key) -> Any:
        return raw if self._is_choice(raw, choices, path) else choices[0]

    def _is_choice(self, raw: Any, choices: tuple[Any, ...], path: Key) -> bool:
        if raw in choices:
            return True
        self._complain(path, f"{raw!r} is none of the choices", f"write one of {', '.join(map(str, choices))}")
        return False

    def _free(self, raw: Any, path: Key) -> Any:
        if isinstance(raw, dict):
            return {key: self._free(value, (*path, key)) for key, value in raw.items()}
        if isinstance(raw, list):
            return [self._free(value, (*path, index)) for index, value in enumerate(raw)]
        return self._number(raw, path) if isinstance(raw, int | float) else raw

    def _scalar(self, raw: Any, wanted: Any, path: Key) -> Any:
        fits = (int, float) if wanted is float else wanted
        if not isinstance(raw, fits) or (wanted is not bool and isinstance(raw, bool)):
            self._mistyped(raw, _WANTED[wanted], path)
            return neutral(wanted)
        return self._number(raw, path) if wanted in (int, float) else raw

    def _number(self, raw: float, path: Key) -> float:
        if isinstance(raw, float) and not math.isfinite(raw):
            self._complain(path, f"is {raw}", "write a finite number")
            return 0
        if isinstance(raw, int) and abs(raw) > LARGEST_INTEGER:
            cure = f"write a whole number between -{LARGEST_INTEGER} and {LARGEST_INTEGER}"
            self._complain(path, "is too large", cure)
            return 0
        return raw

    def _mistyped(self, raw: Any, wanted: str, path: Key) -> None:
        self._complain(path, f"is {_given(raw)} where {wanted} is wanted", self._write(path))

    def _write(self, path: Key) -> str:
        key = next((part for part in reversed(path) if isinstance(part, str)), "")
        return f"write {key} = {self.examples[key]}" if key in self.examples else f"mend {key_text(path)}"

    def _example(self, key: str, wanted: Any) -> str:
        return self.examples.get(key) or {str: '"…"', float: "1.0", int: "1", bool: "true"}.get(wanted, "{…}")


def neutral(wanted: Any) -> Any:
    """Make a value of the right type that says nothing, to stand in for one that cannot be used."""
    origin, args = get_origin(wanted), get_args(wanted)
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        required = (info for info in msgspec.structs.fields(wanted) if info.required)
        return wanted(**{info.name: neutral(info.type) for info in required})
    if origin in (Union, types.UnionType):
        return None
    if origin in (dict, list):
        return origin()
    if origin is tuple:
        return tuple(neutral(item) for item in args)
    return args[0] if origin is Literal else _NEUTRAL.get(wanted)


def meant(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, or all there are.

    >>> meant("intervall", ["interval", "name"]), meant("zzz", ["interval", "name"])
    ('did you mean interval?', 'known are: interval, name')
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]}?"
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f"known are: {shown}" if names else "there is none yet"


def _given(raw: Any) -> str:
    named = {bool: f"{raw!r}".lower(), str: f"the text {raw!r}", dict: "a table", list: "a list"}
    return named.get(type(raw), f"{raw!r}"[:60] if isinstance(raw, int | float) else f"a {type(raw).__name__}")


def _has_odd_number(raw: Any) -> bool:
    if isinstance(raw, dict):
        return any(map(_has_odd_number, raw.values()))
    if isinstance(raw, list):
        return any(map(_has_odd_number, raw))
    return isinstance(raw, int | float) and not -LARGEST_INTEGER <= raw <= LARGEST_INTEGER
