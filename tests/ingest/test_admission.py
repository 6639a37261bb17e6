"""Admission against the obvious slow version: a dict of what stands, one reading after the other."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.admission import Admission, Arrivals, Limits, conflict_asides, settle_suspects
from ingest.decode import GroupDecoder
from ingest.message import Message
from telemetry.reasons import Aside
from tests.ingest.quay import DAY_NS, MAX_AGE_NS, NOW_NS, make_registry, message

Key = tuple[str, str, int]


class PlainAdmission:
    """Readings one by one: new, the same again, or another value at the same time."""

    def __init__(self) -> None:
        self.standing: dict[Key, float | None] = {}
        self.duplicates: Counter[Key] = Counter()
        self.conflicts: Counter[tuple[Key, float | None]] = Counter()

    def take(self, device: str, metric: str, time_ms: int, value: float | None) -> None:
        """Take one reading."""
        key = (device, metric, time_ms)
        if key not in self.standing:
            self.standing[key] = value
        elif self.standing[key] == value:
            self.duplicates[key] += 1
        else:
            self.conflicts[key, value] += 1


class Vectorised:
    """The real one, with everything that was taken so far as its store; `restart` forgets what is not stored."""

    def __init__(self) -> None:
        self.registry = make_registry()
        self.admission = Admission(self.registry, Limits())
        self.decoder = GroupDecoder(self.registry)
        self.stored = Arrivals.empty()
        self.standing: dict[Key, float | None] = {}
        self.duplicates: Counter[Key] = Counter()
        self.conflicts: Counter[tuple[Key, float | None]] = Counter()

    def take(self, group: list[Message]) -> None:
        """Take a group and settle it at once."""
        decoded = self.decoder.decode(group)
        admitted = self.admission.admit(decoded, NOW_NS)
        self._conflicts(decoded.asides)
        known = Arrivals.concat([self.stored, admitted.fresh])
        new, duplicates, conflicts = settle_suspects(known, admitted.suspects)
        self._conflicts(conflict_asides(conflicts, self.registry.series))
        for row in (*self._rows(admitted.fresh), *self._rows(new)):
            assert row[0] not in self.standing
            self.standing[row[0]] = row[1]
        self.duplicates.update(key for key, _ in (*self._rows(admitted.duplicates), *self._rows(duplicates)))
        self.stored = Arrivals.concat([known, new])

    def restart(self) -> None:
        """Come back with the newest times alone, as from a checkpoint."""
        newest = self.admission.newest_ns
        self.admission = Admission(self.registry, Limits())
        self.admission.newest_ns[: len(newest)] = newest

    def _rows(self, rows: Arrivals) -> list[tuple[Key, float | None]]:
        keys = [self.registry.series.key(series) for series in rows.series.tolist()]
        times = (rows.time_ns // 10**6).tolist()
        values = [None if value != value else value for value in rows.value.tolist()]
        return [((k.device, k.metric, t), v) for k, t, v in zip(keys, times, values, strict=True)]

    def _conflicts(self, asides: list[Aside]) -> None:
        for aside in asides:
            assert str(aside.reason) == "conflict"
            rows, registry = GroupDecoder(self.registry).decode([message(aside.payload)]), self.registry
            value = None if np.isnan(rows.value[0]) else float(rows.value[0])
            metric = registry.series.key(int(rows.series[0])).metric
            self.conflicts[(aside.device, metric, int(rows.time_ns[0]) // 10**6), value] += 1


_BASE_MS = NOW_NS // 10**6
_READING = st.tuples(
    st.sampled_from(["g1", "g2"]),
    st.sampled_from(
        [_BASE_MS - 1, _BASE_MS - 2, _BASE_MS - 3, _BASE_MS - 60 * 86_400_000, _BASE_MS - 399 * 86_400_000]
    ),
    st.dictionaries(st.sampled_from(["level", "flow"]), st.sampled_from([1.0, 2.0, None, -0.5]), min_size=1),
)
_MESSAGE = st.lists(_READING, min_size=1, max_size=4)
_GROUPS = st.lists(st.one_of(st.lists(_MESSAGE, min_size=1, max_size=5), st.just("restart")), min_size=1, max_size=8)


@settings(max_examples=200, deadline=None)
@given(_GROUPS)
def test_admission_equals_the_plain_version(groups: list[object]) -> None:
    plain, real = PlainAdmission(), Vectorised()
    for group in groups:
        if group == "restart":
            real.restart()
            continue
        messages: list[Message] = []
        for readings in group:  # type: ignore[attr-defined]
            device = readings[0][0]
            objects = [{"ts": ts, "values": values} for _, ts, values in readings]
            messages.append(message(objects, topic=f"city/v1/quay/{device}/telemetry"))
            for _, ts, values in readings:
                for metric, value in values.items():
                    plain.take(device, metric, ts, value)
        real.take(messages)
    assert real.standing == plain.standing
    assert real.duplicates == plain.duplicates
    assert real.conflicts == plain.conflicts


def admit(
    admission: Admission, decoder: GroupDecoder, *messages: Message, now_ns: int = NOW_NS
) -> tuple[int, Counter[str]]:
    """Fresh readings, and how many were set aside or refused by reason."""
    decoded = decoder.decode(messages)
    admitted = admission.admit(decoded, now_ns)
    reasons: Counter[str] = Counter()
    for aside in decoded.asides:
        reasons[str(aside.reason)] += aside.readings
    for refused in decoded.refused:
        reasons[str(refused.reason)] += refused.readings
    rest = len(admitted.suspects) + len(admitted.duplicates)
    assert sum(decoded.received.values()) == len(admitted.fresh) + rest + reasons.total()
    return len(admitted.fresh), reasons


def test_limits_of_time_are_exact() -> None:
    registry = make_registry()
    admission, decoder = Admission(registry, Limits()), GroupDecoder(registry)
    edges = [(NOW_NS + 300 * 10**9, ""), (NOW_NS + 300 * 10**9 + 10**6, "future"), (NOW_NS - MAX_AGE_NS, ""),
             (NOW_NS - MAX_AGE_NS - 10**6, "too_old"), (NOW_NS - DAY_NS, ""), (10**6, "too_old")]  # fmt: skip
    for time_ns, reason in edges:
        fresh = Admission(registry, Limits())
        expected = (0, Counter({reason: 2})) if reason else (2, Counter())
        body = {"ts": time_ns // 10**6, "values": {"level": 1, "flow": 2}}
        assert admit(fresh, decoder, message(body)) == expected
    assert admit(admission, decoder) == (0, Counter())


def test_a_device_over_its_rate_is_refused_and_its_neighbour_is_not() -> None:
    registry = make_registry()
    admission, decoder = Admission(registry, Limits(device_messages_per_s=10, device_burst=5)), GroupDecoder(registry)

    def burst(count: int, at_ns: int, device: str) -> list[Message]:
        topic = f"city/v1/quay/{device}/telemetry"
        return [message({"level": i}, topic, received_ns=at_ns + i * 1000) for i in range(count)]

    assert admit(admission, decoder, *burst(8, NOW_NS, "g1"), *burst(5, NOW_NS, "g2")) == (10, Counter(rate_limited=3))
    later = NOW_NS + 300_000_000
    assert admit(admission, decoder, *burst(8, later, "g1"), now_ns=later) == (3, Counter(rate_limited=5))
    much_later = NOW_NS + 10**12
    assert admit(admission, decoder, *burst(8, much_later, "g1"), now_ns=much_later) == (5, Counter(rate_limited=3))


def test_rates_are_those_of_arrival_also_when_a_journal_is_taken_again_at_once() -> None:
    registry = make_registry()
    admission, decoder = Admission(registry, Limits(device_messages_per_s=10, device_burst=5)), GroupDecoder(registry)
    slow = [message({"level": i}, received_ns=NOW_NS + i * 200_000_000) for i in range(40)]
    taken = [admit(admission, decoder, one, now_ns=NOW_NS + 10**10) for one in slow]
    assert taken == [(1, Counter())] * 40


def test_a_clock_that_steps_back_refuses_nobody_for_long() -> None:
    registry = make_registry()
    admission, decoder = Admission(registry, Limits(device_messages_per_s=10, device_burst=5)), GroupDecoder(registry)
    assert admit(admission, decoder, message({"level": 1}, received_ns=NOW_NS + 10**15), now_ns=NOW_NS + 10**15)[0] == 1
    assert admit(admission, decoder, message({"flow": 1}, received_ns=NOW_NS))[0] == 1
    assert admit(admission, decoder, message({"flow": 2}, received_ns=NOW_NS + 10**9), now_ns=NOW_NS + 10**9)[0] == 1
