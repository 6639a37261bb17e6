r"""InfluxDB line protocol: our own readings (tags pilot, device, metric), and tag device with a field a metric.

Source: the line protocol reference of InfluxDB 2.7. `\,` `\ ` `\=` are escapes in names and tags, `\"` `\\` in strings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any, Final

from service.history.lines import Asked, Bad, Item, Sample
from service.history.times import epoch_ms

#: a key or value: anything but the separators, unless escaped
_NAME: Final = re.compile(r"(?:[^,= \\]|\\.)+")
_FIELD_VALUE: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[^, ]+')
_ESCAPED: Final = re.compile(r"\\([,= \"\\])")
_WORDS: Final = {"t": True, "T": True, "true": True, "True": True, "TRUE": True,
                 "f": False, "F": False, "false": False, "False": False, "FALSE": False}  # fmt: skip
#: fields of our own readings besides the value
_BESIDE: Final = {"flag", "reasons", "received"}


def read(lines: IO[bytes], asked: Asked) -> Iterator[Item]:
    """Read line by line."""
    for line_number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith(b"#"):
            continue
        try:
            yield _sample(text.decode(), asked)
        except ValueError as error:
            yield Bad(line_number, "is no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error))


def _sample(text: str, asked: Asked) -> Sample:
    tags, fields, time_text = _parts(text)
    pilot, device = tags.get("pilot", asked.pilot), tags.get("device", asked.device)
    if not device:
        raise ValueError("has no tag device; give --device")
    if not pilot:
        raise ValueError("has no tag pilot; give --pilot")
    try:
        ts = epoch_ms(int(time_text))
    except ValueError:
        raise ValueError(f"has no usable time ({time_text[:30]!r}); history needs its time") from None
    metric = tags.get("metric", asked.metric if set(fields) <= {"value", *_BESIDE} else None)
    if metric is not None:
        # a reading of ours without `value` was a missing one
        fields = {metric: fields.get("value")}
    return Sample(pilot, device, ts, fields)


def _parts(text: str) -> tuple[dict[str, str], dict[str, Any], str]:
    _, at = _name(text, 0)
    tags: dict[str, str] = {}
    while text[at : at + 1] == ",":
        key, at = _name(text, at + 1)
        value, at = _name(text, _after(text, at, "="))
        tags[key] = value
    at = _after(text, at, " ")
    fields: dict[str, Any] = {}
    while True:
        key, at = _name(text, at)
        found = _FIELD_VALUE.match(text, _after(text, at, "="))
        if not found:
            raise ValueError(f"has no value for field {key!r}")
        fields[key], at = _value(found[0]), found.end()
        if text[at : at + 1] != ",":
            break
        at += 1
    return tags, fields, text[at:].strip()


def _name(text: str, at: int) -> tuple[str, int]:
    found = _NAME.match(text, at)
    if not found:
        raise ValueError(f"is no line protocol at column {at + 1}: a name is wanted")
    name = found[0]
    return (_ESCAPED.sub(r"\1", name) if "\\" in name else name), found.end()


def _after(text: str, at: int, mark: str) -> int:
    if text[at : at + 1] != mark:
        raise ValueError(f"is no line protocol at column {at + 1}: {mark!r} is wanted")
    return at + 1


def _value(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    try:
        return float(text[:-1] if text[-1] in "iu" else text)
    except ValueError:
        return text
