"""`rasad bench` through the real command line, very small: every figure is there and nothing is lost."""

import json
import subprocess
import sys
from typing import Any

import pytest

from benchmarks.contenders import CONTENDERS, REFERENCE
from benchmarks.plan import PARTS, plan


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service", "bench", *options], capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def answer() -> dict[str, Any]:
    done = bench("--json", "--quick", "--messages", "2000")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def positive(figures: dict[str, Any], *names: str) -> bool:
    return all(figures[name] > 0 for name in names)


def test_every_part_is_in_the_object(answer: dict[str, Any]) -> None:
    assert set(answer) == {"machine", "stream", *PARTS}
    assert answer["stream"]["messages"] == 2000


def test_every_contender_got_the_whole_stream(answer: dict[str, Any]) -> None:
    contenders = answer["cost"]["contenders"]
    assert set(contenders) == set(CONTENDERS) == set(answer["cost"]["ratios"])
    for figures in contenders.values():
        assert figures["lost"] == 0
        assert positive(figures, "cpu_us_per_message", "messages_per_s", "peak_rss_mb", f"ratio_to_{REFERENCE}")
    assert answer["cost"]["ratios"][REFERENCE] == 1.0


def test_latencies_cover_the_messages_and_the_stream(answer: dict[str, Any]) -> None:
    found = answer["latency"]
    assert found["lost"] == 0
    assert found["to_puback"]["samples"] > 1_000
    assert found["watched"]["to_latest_on_stream"]["samples"] > 100
    for figures in (found["to_puback"], found["watched"]["to_puback"], found["watched"]["to_latest_on_stream"]):
        assert 0 < figures["p50_ms"] <= figures["p99_ms"] <= figures["max_ms"]


def test_queries_were_answered_in_full(answer: dict[str, Any]) -> None:
    # the benchmark fails by itself when an answer has not the rows of the history
    found = answer["queries"]
    assert found["history_readings"] == 2 * 1440 * 4 * 5
    assert found["readings_24h"]["samples"] == found["windows_1h"]["samples"] == 50


def test_growth_and_rest_are_measured(answer: dict[str, Any]) -> None:
    assert [row["series"] for row in answer["series"]] == [1_000, 10_000]
    for row in answer["series"]:
        assert row["lost"] == 0
        assert positive(row, "cpu_us_per_message", "peak_rss_mb", "ready_s", "relative")
    assert positive(answer["idle"], "ready_s", "rss_mb")


def test_wrong_usage_is_exit_code_2_with_the_choice() -> None:
    done = bench("--only", "costs")
    assert done.returncode == 2
    assert "choose from cost, latency, queries, series, idle" in done.stderr
    assert bench("--quick", "--full").returncode == 2


def test_a_plan_keeps_the_order_of_the_parts() -> None:
    assert plan("idle,cost").parts == ("cost", "idle")
    assert plan(full=True).series[-1] == 1_000_000
    assert plan(messages=5_000, rounds=2).messages == 5_000
