"""The decoder never raises and loses nothing, whatever bytes come: against a second, slow reading of the same JSON."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.sequence import SequenceTracker
from tests.ingest.quay import decode, message, outcome

_NAMES = st.sampled_from(["level", "flow", "depth", "Level", "", "\ud800", "a" * 70])
_VALUES = st.one_of(
    st.floats(), st.booleans(), st.none(), st.integers(-(10**30), 10**30), st.just(10**500), st.text(max_size=3),
    st.lists(st.none(), max_size=1), st.dictionaries(st.text(max_size=1), st.none(), max_size=1),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_one_reading_or_one_trouble(payload: bytes) -> None:
    values, reasons = outcome(payload)
    assert sum(reasons.values()) <= 1 or values or reasons


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(_NAMES, _VALUES, min_size=1, max_size=6))
def test_each_value_stands_for_itself(values: dict[str, Any]) -> None:
    expected: dict[str, float | None] = {}
    reasons: Counter[str] = Counter()
    for name, value in values.items():
        number = _plain(value)
        if number == "bad":
            reasons["bad_value"] += 1
        elif name in ("level", "flow"):
            expected[name] = number  # type: ignore[assignment]
        else:
            reasons["unknown_metric"] += 1
    got, why = outcome(json.dumps({"ts": 1_799_999_999_000, "values": values}).encode())
    assert (got, why) == (expected, reasons)


def _plain(value: Any) -> float | str | None:
    if value is None:
        return None
    if isinstance(value, bool | int | float):
        try:
            return float(value) if math.isfinite(value) else "bad"
        except OverflowError:
            return "bad"
    return "bad"


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["ts", "values", "seq", "level", "x"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=600, deadline=None)
@given(_JSON, st.booleans())
def test_any_json_is_counted_whole(document: Any, retain: bool) -> None:
    outcome(json.dumps(document).encode(), retain=retain)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=40), st.binary(max_size=20), st.booleans()), max_size=6))
def test_any_topics_are_counted_whole(group: list[tuple[str, bytes, bool]]) -> None:
    decoded, _ = decode(*[message(payload, topic, retain) for topic, payload, retain in group])
    assert sum(decoded.received.values()) == len(group) == len(decoded.asides)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 300), unique=True), st.randoms(use_true_random=False))
def test_gaps_are_the_numbers_that_never_came(lost: list[int], draw: Any) -> None:
    sent = [n for n in range(302) if n not in set(lost) or n in (0, 301)]
    arrived = [n for _, n in sorted((i + draw.uniform(0, 50), n) for i, n in enumerate(sent))]
    tracker = SequenceTracker()
    tracker.see(0)
    for number in (*arrived, *arrived[::3]):
        tracker.see(number)
    assert tracker.missing == 302 - len(sent)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-(2**70), 2**70) | st.sampled_from([0, 2**53 - 1, 2**63, 2**64])))
def test_hostile_sequence_numbers_still_fit_the_database(numbers: list[int]) -> None:
    tracker = SequenceTracker()
    for number in numbers * 3:
        tracker.see(number)
    assert -1 <= tracker.high < 2**63
    assert 0 <= tracker.missing < 2**63
    assert len(tracker.seen.to_bytes(512, "little")) == 512
