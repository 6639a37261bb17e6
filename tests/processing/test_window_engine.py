"""Windows in any order, with any lateness, over restarts: always the batch answer."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processing.rollup import Pairs
from processing.window_engine import WindowEngine
from processing.windows import HOUR_NS, MINUTE_NS
from telemetry.columns import Readings, Windows
from telemetry.ports import RESOLUTIONS, Resolution
from tests.processing.batch_answer import assert_windows_equal, batch_windows

S = 10**9
BASE_NS = 10 * S
SPANS: dict[Resolution, int] = {"base": BASE_NS, "1m": MINUTE_NS, "1h": HOUR_NS}


class Keeper:
    """Everything that was settled, in plain dicts: what a store would answer."""

    def __init__(self) -> None:
        self.readings = Readings.empty()
        self.windows: dict[Resolution, dict[tuple[int, int], tuple[Windows, int]]] = {name: {} for name in RESOLUTIONS}

    def keep(self, new: Readings, windows: dict[Resolution, Windows]) -> None:
        self.readings = Readings.concat([self.readings, new])
        for name, rows in windows.items():
            for i in range(len(rows)):
                self.windows[name][int(rows.series[i]), int(rows.start_ns[i])] = (rows, i)

    def recall(self, pairs: Pairs, span_ns: int) -> Readings:
        wanted = set(zip(pairs.series.tolist(), pairs.start_ns.tolist(), strict=True))
        start = self.readings.time_ns // span_ns * span_ns
        return self.readings.take(
            np.array(
                [(s, t) in wanted for s, t in zip(self.readings.series.tolist(), start.tolist(), strict=True)], bool
            )
        )

    def recall_windows(self, hours: Pairs, name: Resolution) -> Windows:
        wanted = set(zip(hours.series.tolist(), hours.start_ns.tolist(), strict=True))
        rows = [
            w.take([i])
            for (s, t), (w, i) in sorted(self.windows[name].items())
            if (s, t // HOUR_NS * HOUR_NS) in wanted
        ]
        return Windows.concat(rows)

    def all(self, name: Resolution) -> Windows:
        return Windows.concat([w.take([i]) for _, (w, i) in sorted(self.windows[name].items())])


def settle(engine: WindowEngine, keeper: Keeper, new: Readings, watermark_ns: int, now_ns: int = 0) -> None:
    new = new.take(np.lexsort((new.time_ns, new.series)))
    engine.grow(8, BASE_NS)
    wanted = engine.readings_wanted(new.series, new.time_ns)
    closed = engine.close([new], keeper.recall(wanted, BASE_NS), watermark_ns, now_ns)
    hours = engine.base_wanted(closed, watermark_ns)
    published = {name: keeper.recall_windows(hours, name) for name in engine.rollups}
    keeper.keep(new, engine.roll(closed, keeper.recall_windows(hours, "base"), published, watermark_ns, now_ns))


def settle_the_rest(engine: WindowEngine, keeper: Keeper) -> None:
    for _ in range(4):
        settle(engine, keeper, Readings.empty(), 10**7 * S, 1000 * S)
        if engine.next_due_ns is None:
            return
    raise AssertionError("something waits for ever")


def readings(rows: list[tuple[int, int, float, int]]) -> Readings:
    """Rows of (series, time in seconds, value, flag); one reading per series and time."""
    unique = {(s, t): (s, t * S, np.nan if f == 9 else v, f, 0, t * S) for s, t, v, f in rows}
    columns = list(zip(*unique.values(), strict=True)) if unique else [()] * 6
    return Readings(*(np.array(c, dtype) for c, dtype in zip(columns, Readings.DTYPES.values(), strict=True)))


def check(keeper: Keeper) -> None:
    for name, span_ns in SPANS.items():
        assert_windows_equal(keeper.all(name), batch_windows(keeper.readings, span_ns), percentiles=name == "base")


row = st.tuples(
    st.integers(0, 3), st.integers(0, 3 * 3600), st.floats(-1e6, 1e6), st.sampled_from([1, 1, 1, 2, 3, 4, 9])
)


@settings(max_examples=300, deadline=None)
@given(st.lists(row, max_size=120), st.integers(1, 8), st.randoms(use_true_random=False), st.booleans())
def test_any_order_and_batching_gives_the_batch_answer(
    rows: list[tuple[int, int, float, int]], batches: int, rnd: random.Random, forget: bool
) -> None:
    whole = readings(rows)
    order = list(range(len(whole)))
    rnd.shuffle(order)
    engine, keeper = WindowEngine(), Keeper()
    for part in np.array_split(np.array(order, int), batches):
        # the watermark may lie anywhere: before, within or after the data
        settle(engine, keeper, whole.take(part), rnd.choice([0, 3600, 5400, 10**6]) * S, rnd.randrange(20) * S)
        if forget and rnd.random() < 0.3:
            engine = restarted(engine, keeper)
    settle_the_rest(engine, keeper)
    assert len(keeper.readings) == len(whole)
    check(keeper)


def restarted(old: WindowEngine, keeper: Keeper) -> WindowEngine:
    """What a new process knows: waiting readings, the newest published windows, and what was dirty."""
    new = WindowEngine()
    new.grow(8, BASE_NS)
    new.waiting, new.emitted_ns = old.waiting, old.emitted_ns
    for name, rollup in old.rollups.items():
        dirty = np.flatnonzero(rollup.dirty).astype(np.int32)
        new.rollups[name].pending = rollup.pending.plus(Pairs.of(dirty, rollup.open.start_ns[dirty]))
    return new


@pytest.mark.parametrize("late_by_s", [5, 25, 300, 7200])
def test_a_revised_window_says_so(late_by_s: int) -> None:
    engine, keeper = WindowEngine(), Keeper()
    settle(engine, keeper, readings([(0, 4000 + 10 * i, i, 1) for i in range(800)]), 12_000 * S, 100 * S)
    settle(engine, keeper, Readings.empty(), 12_000 * S, 102 * S)
    late = 11_995 - late_by_s
    settle(engine, keeper, readings([(0, late, 7.5, 1)]), 12_010 * S, 110 * S)
    settle(engine, keeper, Readings.empty(), 20_000 * S, 1000 * S)
    check(keeper)
    base = keeper.all("base")
    assert base.revision[base.start_ns == late // 10 * 10 * S].tolist() == [1]
    assert (base.revision == 1).sum() == 1
    minutes = keeper.all("1m")
    assert minutes.revision[minutes.start_ns == late // 60 * 60 * S].tolist() == [1]


def test_in_order_data_asks_the_store_for_nothing() -> None:
    engine, keeper = WindowEngine(), Keeper()
    for k in range(50):
        part = readings([(s, 100 * k + i, i * s, 1) for s in range(4) for i in range(100)])
        engine.grow(8, BASE_NS)
        assert not len(engine.readings_wanted(part.series, part.time_ns))
        closed = engine.close([part], Readings.empty(), (100 * k + 100) * S, 0)
        assert not len(engine.base_wanted(closed, (100 * k + 100) * S))
        keeper.keep(part, engine.roll(closed, Windows.empty(), {}, (100 * k + 100) * S, 0))
    settle(engine, keeper, Readings.empty(), 10**7 * S, 1000 * S)
    check(keeper)
