"""Randomness that is a function of (key, index): the same number at the same place, whatever was asked before.

Ordinary generators carry state, so a feed would depend on where it began. These are counters put through a mixing
function instead (Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, SC11), which lets every signal be a pure
function of time. The mixer is the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
Index = npt.NDArray[Any]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def key_of(*parts: str | int) -> int:
    """Make a 64-bit key from names and numbers; another order of the parts is another key.

    >>> key_of(7, "muttrah") == key_of(7, "muttrah"), key_of("a", "b") == key_of("b", "a")
    (True, False)
    """
    text = "\x1f".join(str(part) for part in parts).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def bits(key: int, index: Index) -> U64:
    """64 well mixed bits for each index, shape of `index`."""
    with np.errstate(over="ignore"):
        state = np.uint64(key) + (np.asarray(index).astype(np.int64).view(np.uint64) + np.uint64(1)) * _GOLDEN
        state = (state ^ (state >> np.uint64(30))) * _MIX_1
        state = (state ^ (state >> np.uint64(27))) * _MIX_2
        return np.asarray(state ^ (state >> np.uint64(31)), dtype=np.uint64)


def uniform(key: int, index: Index) -> F64:
    """Numbers in [0, 1), one an index.

    >>> uniform(1, np.arange(1_000_000)).mean().round(2)
    np.float64(0.5)
    """
    return (bits(key, index) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def once(key: int) -> float:
    """The one number in [0, 1) of a key that needs no index."""
    return float(uniform(key, np.zeros(1, dtype=np.int64))[0])


def normal(key: int, index: Index) -> F64:
    """Standard normal numbers, one an index (Box and Muller, 1958)."""
    radius = np.sqrt(-2.0 * np.log(1.0 - uniform(key, index)))
    return np.asarray(radius * np.cos(2.0 * np.pi * uniform(key ^ 0x5DEECE66D, index)), dtype=np.float64)


def smooth(key: int, seconds: F64, period_s: float) -> F64:
    """A continuous wander of mean 0 and variance 1 that forgets itself after about `period_s` seconds.

    Normal numbers on a lattice, cosine-blended, and divided by the blend's norm so that the variance is the same
    between the lattice points as on them.
    """
    place = seconds / period_s
    left = np.floor(place)
    weight = 0.5 - 0.5 * np.cos(np.pi * (place - left))
    index = left.astype(np.int64)
    blend = (1.0 - weight) * normal(key, index) + weight * normal(key, index + 1)
    return np.asarray(blend / np.sqrt((1.0 - weight) ** 2 + weight**2), dtype=np.float64)


def wander(key: int, seconds: F64, period_s: float) -> F64:
    """Three octaves of `smooth`: slow weather with quicker gusts on it; variance 1."""
    slow = smooth(key, seconds, period_s)
    middle = smooth(key ^ 0xA5A5, seconds, period_s / 4.1)
    quick = smooth(key ^ 0x5A5A5A, seconds, period_s / 17.3)
    return np.asarray(0.82 * slow + 0.48 * middle + 0.31 * quick, dtype=np.float64)
