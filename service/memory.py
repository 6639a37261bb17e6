"""Memory habits of a process that makes and drops large columns many times a second."""

from __future__ import annotations

import ctypes
import gc

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEEP_BYTES = 64 * 2**20


def tune() -> None:
    """Keep freed memory for the next columns (fresh pages cost faults), and spare long-lived objects the collector.

    Call it once everything is imported. What a tick makes is freed by reference counts.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc
        libc.mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES // 2)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
