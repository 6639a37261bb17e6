"""Whether the quality limits of a metric make sense, before any reading is judged by them."""

from __future__ import annotations

import math
from collections.abc import Iterator

from processing.pilot import FlatLine, Limits, Metric, RateLimits, SpikeLimits
from processing.typed_tables import Complaint
from telemetry.durations import duration_ns
from telemetry.names import is_metric
from telemetry.toml_lines import Key


def limit_complaints(metric: Metric, path: Key) -> Iterator[Complaint]:
    """Complain of a metric's unit, decimals, codes and the limits of its four tests."""
    if not metric.unit.strip():
        yield Complaint((*path, "unit"), "is empty", 'write the UCUM unit, "1" for a plain number')
    if not 0 <= metric.decimals <= 9:
        yield Complaint((*path, "decimals"), f"{metric.decimals} cannot be shown", "write 0 to 9")
    if metric.gross_range is not None:
        yield from _range_complaints(metric.gross_range, (*path, "gross_range"))
    if metric.spike is not None:
        yield from _threshold_complaints(metric.spike, (*path, "spike"))
    if metric.rate_of_change is not None:
        yield from _threshold_complaints(metric.rate_of_change, (*path, "rate_of_change"))
    if metric.flat_line is not None:
        yield from _flat_line_complaints(metric.flat_line, (*path, "flat_line"))
    for code, meaning in metric.codes.items():
        yield from _code_complaints(code, meaning, (*path, "codes", code))


def _range_complaints(limits: Limits, path: Key) -> Iterator[Complaint]:
    for key, span in (("fail", limits.fail), ("suspect", limits.suspect)):
        if span is not None and span[0] > span[1]:
            yield Complaint((*path, key), f"[{span[0]:g}, {span[1]:g}] runs backwards", "write [lowest, highest]")
    if limits.fail is None and limits.suspect is None:
        yield Complaint(path, "sets no span", "write {fail = [0, 300], suspect = [0, 160]} or leave it out")
    if limits.fail and limits.suspect and not _inside(limits.suspect, limits.fail):
        suspect, fail = limits.suspect, limits.fail
        what = f"[{suspect[0]:g}, {suspect[1]:g}] reaches outside fail = [{fail[0]:g}, {fail[1]:g}]"
        yield Complaint((*path, "suspect"), what, "suspect stands inside fail: what fails is never only suspect")


def _inside(inner: tuple[float, float], outer: tuple[float, float]) -> bool:
    backwards = inner[0] > inner[1] or outer[0] > outer[1]
    return backwards or (outer[0] <= inner[0] and inner[1] <= outer[1])


def _threshold_complaints(limits: SpikeLimits | RateLimits, path: Key) -> Iterator[Complaint]:
    for key, threshold in (("suspect", limits.suspect), ("fail", limits.fail)):
        if threshold is not None and threshold <= 0:
            yield Complaint((*path, key), f"{threshold:g} is not above 0", "write how large a step is too large")
    if limits.suspect is None and limits.fail is None:
        yield Complaint(path, "sets no threshold", "write suspect = …, fail = … or leave it out")
    if limits.suspect is not None and limits.fail is not None and limits.suspect >= limits.fail:
        what = f"{limits.fail:g} is not above suspect = {limits.suspect:g}"
        yield Complaint((*path, "fail"), what, "thresholds rise: suspect < fail")


def _flat_line_complaints(limits: FlatLine, path: Key) -> Iterator[Complaint]:
    if limits.tolerance <= 0:
        what = f"{limits.tolerance:g} is not above 0, so no line would ever be flat"
        yield Complaint((*path, "tolerance"), what, "write the smallest change that the sensor resolves")
    if limits.suspect is None and limits.fail is None:
        yield Complaint(path, "sets no duration", 'write suspect = "30m", fail = "2h" or leave it out')
    lengths = {}
    for key, text in (("suspect", limits.suspect), ("fail", limits.fail)):
        if text is not None:
            lengths[key] = _length_ns(text)
            if not lengths[key]:
                cure = "write a number above 0 and ms, s, m, h or d, for example 30m"
                yield Complaint((*path, key), f"{text!r} is no duration", cure)
    if 0 < lengths.get("fail", 0) <= lengths.get("suspect", 0):
        what = f"{limits.fail} is not longer than suspect = {limits.suspect}"
        yield Complaint((*path, "fail"), what, "durations rise: suspect < fail")


def _length_ns(text: str) -> int:
    try:
        return duration_ns(text)
    except (ValueError, OverflowError):
        return 0


def _code_complaints(code: str, meaning: str, path: Key) -> Iterator[Complaint]:
    try:
        finite = math.isfinite(float(code))
    except ValueError:
        finite = False
    if not finite:
        cure = 'write the magic value as the key, for example 9999 = "no_echo"'
        yield Complaint(path, f"{code!r} is no number", cure, of_name=True)
    if not is_metric(meaning):
        cure = "use small letters, digits and underscores, for example no_echo"
        yield Complaint(path, f"{meaning!r} cannot name a reason", cure)
