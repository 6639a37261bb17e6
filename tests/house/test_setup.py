"""Setting up: what it says where it cannot install, and that it does nothing twice."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.house.harbour import ROOT

TOOLS = ["sh", "dirname", "id", "tr", "cat", "env", "printf"]


def bare_machine(tmp_path: Path, *more: str) -> tuple[Path, dict[str, str]]:
    """A checkout with nothing installed, and a PATH that holds a few tools and no apt."""
    checkout, tools = tmp_path / "checkout", tmp_path / "bin"
    (checkout / ".ci").mkdir(parents=True)
    tools.mkdir()
    shutil.copy(ROOT / ".ci/setup", checkout / ".ci/setup")
    for name in (*TOOLS, *more):
        found = shutil.which(name)
        assert found, name
        (tools / name).symlink_to(found)
    return checkout, {"PATH": str(tools)}


def setup(checkout: Path, env: dict[str, str], part: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([".ci/setup", part], cwd=checkout, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("part", "packages"), [("run", ["mosquitto-clients"]), ("test", ["mosquitto-clients", "strace"])]
)
def test_without_apt_it_says_exactly_what_to_install(tmp_path: Path, part: str, packages: list[str]) -> None:
    checkout, env = bare_machine(tmp_path)
    result = setup(checkout, env, part)
    assert result.returncode == 1
    by_hand = next(line for line in result.stderr.splitlines() if "by hand" in line)
    assert all(package in by_hand.split() for package in packages), by_hand
    assert not (checkout / ".venv").exists()


def test_without_a_python_that_is_new_enough_it_says_so(tmp_path: Path) -> None:
    checkout, env = bare_machine(tmp_path)
    for name in ("mosquitto", "mosquitto_sub"):
        (tmp_path / "bin" / name).symlink_to("/bin/true")
    old = tmp_path / "bin" / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    result = setup(checkout, env, "run")
    assert result.returncode == 1
    assert "python3-venv" in result.stderr


def test_a_wrong_word_is_wrong_usage(tmp_path: Path) -> None:
    checkout, env = bare_machine(tmp_path)
    assert setup(checkout, env, "everything").returncode == 2


def test_the_second_time_it_is_quick_and_touches_nothing() -> None:
    stamps = {
        name: (ROOT / ".venv" / name).stat().st_mtime_ns
        for name in (".rasad-run", ".rasad-test")
        if (ROOT / ".venv" / name).exists()
    }
    assert ".rasad-test" in stamps, "the tests run after make setup-test"
    start = time.monotonic()
    result = setup(ROOT, dict(os.environ), "test")
    assert (result.returncode, result.stderr) == (0, "")
    assert time.monotonic() - start < 10
    assert {name: (ROOT / ".venv" / name).stat().st_mtime_ns for name in stamps} == stamps


def test_make_help_names_every_target_that_the_front_door_promises() -> None:
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"setup", "run", "test", "check", "bench", "soak", "clean"} <= set(
        re.findall(r"^  make ([a-z-]+)", said, re.MULTILINE)
    )


@pytest.mark.parametrize(("passes", "code"), [("true", 0), ("false", 2)])
def test_continuous_integration_exits_as_the_tests_do(tmp_path: Path, passes: str, code: int) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    closing = "===== 3 passed, 1 failed in 0.10s ====="
    (tmp_path / "Makefile").write_text(f"test:\n\t@echo noise\n\t@echo '{closing}'\n\t@{passes}\n")
    result = subprocess.run([".ci/run"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == code
    assert closing in result.stdout.split("---- closing lines")[1]
    assert "noise" not in result.stdout.split("---- closing lines")[1]
