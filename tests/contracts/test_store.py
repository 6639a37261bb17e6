"""The contract of the store port (`telemetry.ports.Store`), run over every store."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry.columns import Event, Readings, Windows
from telemetry.errors import RangeTooLarge
from telemetry.ports import RESOLUTIONS, Resolution, StoreBatch
from tests.contracts.stores import (
    DAY_NS,
    KEYS,
    NOON_NS,
    Opened,
    StoreSource,
    assert_same,
    batch,
    some_readings,
    some_windows,
    store_kinds,
)

SECOND_NS = 10**9
ODD_NUMBERS = [0.0, -0.0, 1e308, -1e308, 5e-324, 0.1 + 0.2, 1 / 3, 1e22, 123456789012345680.0, float("nan"), -20.0]
FINITE = st.floats(allow_nan=True, allow_infinity=False)


@pytest.fixture(scope="module", params=store_kinds())
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreSource]:
    with ExitStack() as exits:
        yield StoreSource(request.param, tmp_path_factory.mktemp("stores"), exits)


@pytest.fixture
def opened(source: StoreSource) -> Iterator[Opened]:
    with source.empty() as one:
        yield one


def all_readings(opened: Opened, series: int, limit: int = 10**6) -> Readings:
    return opened.run(opened.store.readings(series, 0, 2**62, limit))


def all_windows(opened: Opened, series: int, resolution: Resolution = "base") -> Windows:
    return opened.run(opened.store.windows(series, resolution, 0, 2**62, 10**6))


def test_an_empty_store_answers_nothing(opened: Opened) -> None:
    opened.run(opened.store.ping())
    assert_same(all_readings(opened, 0), Readings.empty())
    assert_same(all_windows(opened, 0), Windows.empty())
    nothing = np.empty(0, np.int32), np.empty(0, np.int64)
    assert_same(opened.run(opened.store.recall_readings(*nothing, SECOND_NS)), Readings.empty())
    assert_same(opened.run(opened.store.recall_windows(*nothing, SECOND_NS, "1h")), Windows.empty())
    assert opened.run(opened.store.events("harbour", None, None, 0, 2**62, 10)) == []


def test_every_column_of_a_reading_comes_back_bit_by_bit(opened: Opened) -> None:
    given_readings = some_readings([0] * len(ODD_NUMBERS), [NOON_NS + k for k in range(len(ODD_NUMBERS))], ODD_NUMBERS)
    opened.run(opened.store.write([batch(1, given_readings)]))
    assert_same(all_readings(opened, 0), given_readings)
    opened.reopen()
    assert_same(all_readings(opened, 0), given_readings)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_every_column_of_a_window_comes_back_bit_by_bit(opened: Opened, resolution: Resolution) -> None:
    windows = some_windows([0] * 7, [NOON_NS + k * 10 * SECOND_NS for k in range(7)])
    windows.mean[:2] = [-0.0, 1e308]
    opened.run(opened.store.write([StoreBatch(1, windows={resolution: windows})]))
    assert_same(all_windows(opened, 0, resolution), windows)
    for other in RESOLUTIONS:
        if other != resolution:
            assert len(all_windows(opened, 0, other)) == 0
    opened.reopen()
    assert_same(all_windows(opened, 0, resolution), windows)


def test_series_do_not_mix_whatever_their_names(opened: Opened) -> None:
    series = list(range(len(KEYS)))
    readings = some_readings(series, [NOON_NS] * len(series), [float(one) for one in series])
    windows = some_windows(series, [NOON_NS] * len(series))
    opened.run(opened.store.write([batch(1, readings, base=windows)]))
    for one in series:
        assert_same(all_readings(opened, one), readings.take(readings.series == one))
        assert_same(all_windows(opened, one), windows.take(windows.series == one))


def test_answers_are_in_time_order_whatever_the_order_of_writing(opened: Opened) -> None:
    shuffled = np.random.default_rng(3).permutation(500)
    times = [NOON_NS + int(k) * SECOND_NS for k in shuffled]
    readings = some_readings([1] * 500, times, [float(k) for k in shuffled])
    windows = some_windows([1] * 500, times)
    opened.run(opened.store.write([batch(1, readings.take(slice(0, 250)), m1=windows.take(slice(0, 250)))]))
    opened.run(opened.store.write([batch(2, readings.take(slice(250, 500)), m1=windows.take(slice(250, 500)))]))
    assert_same(all_readings(opened, 1), readings.take(np.argsort(readings.time_ns)))
    assert_same(all_windows(opened, 1, "1m"), windows.take(np.argsort(windows.start_ns)))


def test_ranges_are_half_open(opened: Opened) -> None:
    readings = some_readings([0] * 3, [NOON_NS, NOON_NS + 1, NOON_NS + 2], [1.0, 2.0, 3.0])
    windows = some_windows([0] * 3, [NOON_NS, NOON_NS + 10, NOON_NS + 20])
    opened.run(opened.store.write([batch(1, readings, base=windows)]))
    got = opened.run(opened.store.readings(0, NOON_NS, NOON_NS + 2, 10))
    assert got.time_ns.tolist() == [NOON_NS, NOON_NS + 1]
    some = opened.run(opened.store.windows(0, "base", NOON_NS + 1, NOON_NS + 20, 10))
    assert some.start_ns.tolist() == [NOON_NS + 10]
    assert len(opened.run(opened.store.readings(0, NOON_NS, NOON_NS, 10))) == 0


def test_a_batch_given_again_changes_nothing(opened: Opened) -> None:
    readings = some_readings([0, 0, 1], [NOON_NS, NOON_NS + 5, NOON_NS], [1.5, float("nan"), -2.0])
    windows = some_windows([0, 1], [NOON_NS, NOON_NS])
    event = Event("harbour", "gate-1", NOON_NS, NOON_NS + 1, "read", "k", "{}")
    first = StoreBatch(7, readings, {"base": windows}, [event])
    second = batch(8, some_readings([0], [NOON_NS + 9], [9.0]))
    opened.run(opened.store.write([first]))
    opened.run(opened.store.write([first, second, second]))
    opened.reopen()
    opened.run(opened.store.write([second]))
    opened.run(opened.store.write([first]))
    assert all_readings(opened, 0).time_ns.tolist() == [NOON_NS, NOON_NS + 5, NOON_NS + 9]
    assert_same(all_readings(opened, 1), readings.take([2]))
    assert_same(all_windows(opened, 0), windows.take([0]))
    assert opened.run(opened.store.events("harbour", None, None, 0, 2**62, 10)) == [event]


def test_the_newest_revision_of_a_window_counts(opened: Opened) -> None:
    starts = [NOON_NS, NOON_NS + 10 * SECOND_NS]
    versions = [some_windows([0, 0], starts, revision, seed=revision + 5) for revision in range(4)]
    opened.run(opened.store.write([batch(1, base=versions[0])]))
    opened.run(opened.store.write([batch(2, base=versions[1]), batch(3, base=versions[2].take([1]))]))
    want = Windows.concat([versions[1].take([0]), versions[2].take([1])])
    assert_same(all_windows(opened, 0), want)
    assert_same(recall_base(opened, [0, 0], starts), want)
    both = Windows.concat([versions[3].take([0]), versions[2].take([0])])
    opened.run(opened.store.write([batch(4, base=both)]))
    assert all_windows(opened, 0).revision.tolist() == [3, 2]
    opened.reopen()
    assert all_windows(opened, 0).revision.tolist() == [3, 2]


def test_a_later_batch_wins_also_with_the_same_revision(opened: Opened) -> None:
    old, new = (some_windows([0], [NOON_NS], revision=0, seed=seed) for seed in (1, 2))
    opened.run(opened.store.write([batch(1, h1=old), batch(2, h1=new)]))
    assert_same(all_windows(opened, 0, "1h"), new)


def test_a_window_revised_to_have_no_usable_reading_has_no_numbers(opened: Opened) -> None:
    full, empty = some_windows([0], [NOON_NS]), some_windows([0] * 3, [NOON_NS] * 3, revision=1).take([2])
    opened.run(opened.store.write([batch(1, base=full)]))
    opened.run(opened.store.write([batch(2, base=empty)]))
    assert_same(all_windows(opened, 0), empty)


def recall_base(opened: Opened, series: list[int], start_ns: list[int]) -> Windows:
    asked = np.array(series, dtype=np.int32), np.array(start_ns, dtype=np.int64)
    return opened.run(opened.store.recall_windows(*asked, 10 * SECOND_NS, "base"))


def test_recall_gives_what_lies_in_the_spans_and_nothing_else(opened: Opened) -> None:
    draw = np.random.default_rng(11)
    times = [NOON_NS + int(k) for k in np.unique(draw.integers(0, 3 * DAY_NS, 900))]
    series = [int(one) for one in draw.integers(0, 4, len(times))]
    readings = some_readings(series, times, [float(k) for k in range(len(times))])
    opened.run(opened.store.write([batch(1, readings, base=some_windows(series, times))]))
    for span_ns, offset_ns in ((60 * SECOND_NS, 0), (3600 * SECOND_NS, 0), (3600 * SECOND_NS, 1234567)):
        picked = draw.integers(0, len(times), 60)
        wanted = np.array([series[k] for k in picked], dtype=np.int32)
        starts = np.array([times[k] // span_ns * span_ns + offset_ns for k in picked])
        inside = in_spans(readings.series, readings.time_ns, wanted, starts, span_ns)
        want = readings.take(inside)
        want = want.take(np.lexsort((want.time_ns, want.series)))
        assert_same(opened.run(opened.store.recall_readings(wanted, starts, span_ns)), want)
        windows = opened.run(opened.store.recall_windows(wanted, starts, span_ns, "base"))
        assert windows.start_ns.tolist() == want.time_ns.tolist()
        assert windows.series.tolist() == want.series.tolist()


def in_spans(
    series: np.ndarray, time_ns: np.ndarray, wanted: np.ndarray, starts: np.ndarray, span_ns: int
) -> list[int]:
    """The obvious slow version."""
    spans = list(zip(wanted.tolist(), starts.tolist(), strict=True))
    rows = enumerate(zip(series.tolist(), time_ns.tolist(), strict=True))
    return [k for k, (one, at) in rows if any(one == s and first <= at < first + span_ns for s, first in spans)]


def test_more_than_the_limit_is_refused_with_the_count_and_the_cure(opened: Opened) -> None:
    times = [NOON_NS + k * SECOND_NS for k in range(30)]
    opened.run(opened.store.write([batch(1, some_readings([0] * 30, times, [1.0] * 30))]))
    for revision in range(3):
        again = some_windows([0] * 30, times, revision)
        opened.run(opened.store.write([batch(2 + revision, base=again)]))
    assert len(all_readings(opened, 0, limit=30)) == 30
    assert len(opened.run(opened.store.windows(0, "base", 0, 2**62, 30))) == 30
    with pytest.raises(RangeTooLarge, match=r"harbour/speed_6005/speed has 30 readings .* carries 29; ask for"):
        all_readings(opened, 0, limit=29)
    with pytest.raises(RangeTooLarge, match=r"has 30 base windows .* carries 29; ask for"):
        opened.run(opened.store.windows(0, "base", 0, 2**62, 29))


def test_events_come_back_whole_and_by_time(opened: Opened) -> None:
    bodies = ["{}", '{"plate": "١٢٣ \\"أ\\"", "note": "a=b, c\\\\d \'x\'"}', "[" + "1," * 50_000 + "1]", '"line\\nend"']
    events = [
        Event("harbour", "gate-1", NOON_NS + 2_000_001, NOON_NS + 5, "read", "tag:42", bodies[0]),
        Event("harbour", "gate-1", NOON_NS + 2_000_001, NOON_NS + 6, "read", "tag:43", bodies[1]),
        Event("harbour", "gate-2", NOON_NS + 1_999_999, NOON_NS + 7, "read", "", bodies[2]),
        Event("harbour", "gate-1", NOON_NS, NOON_NS + 8, "status", "", bodies[3]),
        Event("other", "gate-1", NOON_NS, NOON_NS + 8, "status", "", '"online"'),
    ]
    opened.run(opened.store.write([StoreBatch(1, events=events)]))
    opened.reopen()

    def ask(pilot: str, device: str | None, kind: str | None, from_ns: int, to_ns: int, limit: int = 10) -> list[Event]:
        return opened.run(opened.store.events(pilot, device, kind, from_ns, to_ns, limit))

    assert ask("harbour", None, None, 0, 2**62) == [events[3], events[2], events[0], events[1]]
    assert ask("harbour", None, None, 0, 2**62, limit=2) == [events[3], events[2]]
    assert ask("harbour", "gate-1", "read", 0, 2**62) == [events[0], events[1]]
    assert ask("harbour", None, "read", NOON_NS + 1_999_999, NOON_NS + 2_000_001) == [events[2]]
    assert ask("nobody' OR '1'='1", None, None, 0, 2**62) == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 400 * DAY_NS), FINITE),
        min_size=1,
        max_size=60,
        unique_by=lambda row: row[:2],
    ),
    cuts=st.lists(st.integers(0, 60), max_size=3),
    again=st.booleans(),
)
def test_what_goes_in_comes_out(
    source: StoreSource, rows: list[tuple[int, int, float]], cuts: list[int], again: bool
) -> None:
    series, times, values = (list(column) for column in zip(*rows, strict=True))
    readings = some_readings(series, [NOON_NS - at for at in times], values)
    edges = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
    parts = [readings.take(slice(a, b)) for a, b in itertools.pairwise(edges)]
    batches = [batch(number, part) for number, part in enumerate(parts, 1)]
    with source.empty() as opened:
        opened.run(opened.store.write(batches))
        if again:
            opened.run(opened.store.write(batches))
        for one in set(series):
            want = readings.take(readings.series == one)
            assert_same(all_readings(opened, one), want.take(np.argsort(want.time_ns)))


def test_queries_see_whole_batches_while_writing_goes_on(opened: Opened) -> None:
    rows = 400

    async def write_all() -> None:
        for number in range(15):
            times = [NOON_NS + (number * rows + k) * 1000 for k in range(rows)]
            await opened.store.write([batch(number + 1, some_readings([0] * rows, times, [float(number)] * rows))])

    async def both() -> list[int]:
        seen, writing = [], asyncio.ensure_future(write_all())
        while not writing.done():
            seen.append(len(await opened.store.readings(0, 0, 2**62, 10**6)))
        await writing
        return seen

    seen = opened.run(both())
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert all(count % rows == 0 for count in seen)
    assert len(all_readings(opened, 0)) == 15 * rows
