"""Every fault does what its name says, and nothing else."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from simulators.faults import NAMES, SKEW_MOST_MS
from simulators.message import Message
from simulators.world import feed
from tests.simulators.feeds import SUNDAY_MS, columns, shipped

HOURS = 6


@cache
def muttrah(*faults: str) -> tuple[Message, ...]:
    """Six hours of Muttrah's first nine devices with some faults."""
    return tuple(feed(shipped("muttrah"), 5, SUNDAY_MS, HOURS * 3600, devices=9, faults=faults))


def telemetry(messages: tuple[Message, ...]) -> list[Message]:
    """Telemetry alone."""
    return [message for message in messages if message.topic.endswith("/telemetry")]


def is_json(payload: bytes) -> bool:
    """Tell whether a payload can be read at all."""
    try:
        json.loads(payload)
    except ValueError:
        return False
    return True


def identities(messages: tuple[Message, ...]) -> list[tuple[str, bytes]]:
    """Topic and payload of the telemetry, as sets and multisets want them."""
    return [(message.topic, message.payload) for message in telemetry(messages)]


@pytest.mark.parametrize("name", NAMES)
def test_every_fault_changes_the_feed(name: str) -> None:
    assert muttrah(name) != muttrah()


def test_dropout_loses_some_messages_and_their_numbers_show_it() -> None:
    sound, lossy = identities(muttrah()), identities(muttrah("dropout"))
    assert set(lossy) < set(sound)
    assert 0.02 < 1 - len(lossy) / len(sound) < 0.20
    seqs = [json.loads(payload)["seq"] for topic, payload in lossy if "/aq-souq/" in topic]
    assert (np.diff(seqs) > 1).any()


def test_silence_takes_a_device_away_for_half_an_hour() -> None:
    quiet = columns(muttrah("silence"))
    gaps_s = [np.diff(rows[:, 0]).max() / 1000 for rows in quiet.values()]
    assert max(gaps_s) >= 1750
    assert set(identities(muttrah("silence"))) < set(identities(muttrah()))


def test_spikes_are_rare_high_and_alone() -> None:
    sound, spiky = columns(muttrah()), columns(muttrah("spike"))
    differences = np.concatenate([spiky[s][:, 1] - sound[s][:, 1] for s in sound])
    hit = differences != 0
    assert 0.003 < hit.mean() < 0.03
    temperature = spiky["aq-souq", "temperature"][:, 1] - sound["aq-souq", "temperature"][:, 1]
    assert temperature.max() > 20


def test_drift_starts_at_nothing_and_grows() -> None:
    sound, drifting = columns(muttrah()), columns(muttrah("drift"))
    away = np.abs(drifting["aq-souq", "temperature"][:, 1] - sound["aq-souq", "temperature"][:, 1])
    assert away[0] == 0
    assert away[-1] == pytest.approx(0.1 * 44 * HOURS / 24, abs=0.15)


def test_stuck_metrics_repeat_their_value_while_their_neighbours_live() -> None:
    sound, stuck = (_still_hours(muttrah(*faults)) for faults in ((), ("stuck",)))
    assert not sound.any()
    assert 0.15 < stuck.mean() < 0.60
    assert (stuck.any(axis=0) & ~stuck.all(axis=0)).any(), "an hour in which some are stuck and others live"


def _still_hours(messages: tuple[Message, ...]) -> npt.NDArray[np.bool_]:
    """Whether each of the air station's metrics kept one value through each whole hour; rows are metrics."""
    rows = [values for (device, _), values in columns(messages).items() if device == "aq-souq"]
    hours = [(values[:, 0] // 3_600_000 - SUNDAY_MS // 3_600_000, values[:, 1]) for values in rows]
    return np.array([[np.unique(value[hour == h]).size == 1 for h in range(HOURS)] for hour, value in hours])


def test_a_skewed_clock_is_off_by_the_same_all_the_time() -> None:
    sound, skewed = columns(muttrah()), columns(muttrah("skewed-clock"))
    offsets = {series[0]: np.unique(skewed[series][:, 0] - rows[:, 0]) for series, rows in sound.items()}
    assert all(len(offset) == 1 and 30_000 <= abs(offset[0]) <= SKEW_MOST_MS for offset in offsets.values())
    assert len({float(offset[0]) for offset in offsets.values()}) == len(offsets)


def test_duplicates_are_the_same_bytes_again() -> None:
    sound, double = identities(muttrah()), identities(muttrah("duplicate"))
    assert set(double) == set(sound)
    assert 0.02 < len(double) / len(sound) - 1 < 0.12


def test_reorder_changes_the_order_alone() -> None:
    sound, mixed = identities(muttrah()), identities(muttrah("reorder"))
    assert sorted(mixed) == sorted(sound)
    times = columns(muttrah("reorder"))["crowd-souq", "people"][:, 0]
    assert (np.diff(times) < 0).any()


def test_truncated_payloads_are_beginnings_of_what_was_meant() -> None:
    sound = {message.at_ms: message.payload for message in telemetry(muttrah()) if "/aq-souq/" in message.topic}
    cut = {m.at_ms: m.payload for m in telemetry(muttrah("truncated")) if "/aq-souq/" in m.topic}
    assert cut.keys() == sound.keys()
    broken = [at for at in sound if cut[at] != sound[at]]
    assert broken
    assert all(sound[at].startswith(cut[at]) and not is_json(cut[at]) for at in broken)


def test_garbage_is_no_utf_8() -> None:
    broken = [m.payload for m in telemetry(muttrah("garbage")) if not is_json(m.payload)]
    assert broken
    for payload in broken:
        with pytest.raises(UnicodeDecodeError):
            payload.decode()


def test_faults_add_up() -> None:
    both = muttrah("skewed-clock", "duplicate")
    assert len(identities(both)) == len(identities(muttrah("duplicate")))
    assert set(identities(both)) == set(identities(muttrah("skewed-clock")))
