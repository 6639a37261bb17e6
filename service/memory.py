"""Memory habits of a process that makes and drops large columns many times a second."""

from __future__ import annotations

import ctypes
import gc

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_KEEP_BYTES = 32 * 2**20


def tune() -> None:
    """Keep freed memory for the next columns (fresh pages cost faults), and spare long-lived objects the collector.

    Call it once everything is imported. What a tick makes is freed by reference counts.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc
        libc.mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES // 2)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
        libc.mallopt(_M_ARENA_MAX, 2)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def give_back() -> None:
    """Give what starting has left over back to the system."""
    gc.collect()
    gc.freeze()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
