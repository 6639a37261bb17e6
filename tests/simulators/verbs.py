"""Runs `simulate`, `record` and `replay` as processes of their own, as a shell would."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def run_verb(*words: str, within_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run a verb to its end."""
    return subprocess.run(
        [sys.executable, "-m", "service", *words], capture_output=True, text=True, timeout=within_s, check=False
    )


@contextmanager
def running_verb(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a verb beside the test; it is killed when the block ends before it does."""
    argv = [sys.executable, "-m", "service", *words]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
