"""What SQLite will pass over in silence: frames of a write-ahead log behind the first one that is damaged.

SQLite takes a log up to its first frame whose checksum is wrong; that is right for the torn end of a write that nobody
was told of, and it says nothing when the damage lies further in. Format: https://www.sqlite.org/fileformat2.html#walformat
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
_HEADER: Final = 32
_FRAME: Final = 24
_MAGIC: Final = (0x377F0682, 0x377F0683)


class WalDamage(NamedTuple):
    """Frames that are good, and transactions and bytes of this log behind them that nothing can be read from."""

    good_frames: int
    lost_commits: int
    lost_bytes: int


def wal_damage(wal: Path) -> WalDamage | None:
    """Look for frames of the current log behind its first bad one; None when there are none, or there is no log.

    A torn last write leaves no complete commit behind it, so `lost_commits` is 0 then.
    """
    try:
        log = wal.read_bytes()
    except FileNotFoundError:
        return None
    if len(log) < _HEADER:
        return None
    magic, _, page_size = struct.unpack(">3I", log[:12])
    salt = log[16:24]
    if magic not in _MAGIC:
        return WalDamage(0, 0, len(log))
    size = _FRAME + page_size
    count = (len(log) - _HEADER) // size
    frames = np.frombuffer(log, np.uint8, count * size, _HEADER).reshape(count, size)
    good = _good_frames(log[:24], frames, ">u4" if magic & 1 else "<u4")
    rest = [bytes(frame[:8]) for frame in frames[good:] if bytes(frame[8:16]) == salt]
    if not rest:
        return None
    return WalDamage(good, sum(head[4:] != b"\0\0\0\0" for head in rest), size * len(rest))


def _good_frames(header: bytes, frames: Bytes, order: str) -> int:
    # the checksum runs on from frame to frame, but it is linear: what a frame adds is found for all of them at once
    checked = np.concatenate([frames[:, :8], frames[:, _FRAME:]], axis=1)
    words = np.ascontiguousarray(checked).view(order).astype(np.uint32)
    added = _run(words, 0, 0)
    nothing = np.zeros((1, words.shape[1]), np.uint32)
    by_first, by_second = _run(nothing, 1, 0)[0].tolist(), _run(nothing, 0, 1)[0].tolist()
    first, second = _run(np.frombuffer(header, order).astype(np.uint32)[None, :], 0, 0)[0].tolist()
    for number, (plus, told) in enumerate(zip(added.tolist(), _told(frames), strict=True)):
        sums = [(plus[i] + first * by_first[i] + second * by_second[i]) & 0xFFFFFFFF for i in (0, 1)]
        if frames[number, 8:16].tobytes() != header[16:24] or sums != told:
            return number
        first, second = sums
    return len(frames)


def _told(frames: Bytes) -> list[list[int]]:
    sums: list[list[int]] = np.ascontiguousarray(frames[:, 16:24]).view(">u4").tolist()
    return sums


def _run(words: npt.NDArray[np.uint32], first: int, second: int) -> npt.NDArray[np.uint32]:
    sums = np.full((len(words), 2), (first, second), np.uint32)
    for at in range(0, words.shape[1], 2):
        sums[:, 0] += words[:, at] + sums[:, 1]
        sums[:, 1] += words[:, at + 1] + sums[:, 0]
    return sums
