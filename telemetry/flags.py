"""QARTOD flags and the reasons behind them.

A flag says how far a reading can be trusted, the reasons (a bit set) say why. The numbers are QARTOD's
(IOOS, *Manual for Real-Time Quality Control of Water Level Data*, V2.1, 2021).
"""

from enum import IntEnum, IntFlag
from typing import Final

import numpy as np
import numpy.typing as npt


class Flag(IntEnum):
    """Roll-up flag of a reading."""

    PASS = 1
    NOT_EVALUATED = 2
    SUSPECT = 3
    FAIL = 4
    MISSING = 9


class Reason(IntFlag):
    """Why a flag is not 1: one bit per test, 16 bits in the store. Order is the order in which they are listed."""

    GROSS_RANGE = 1
    SPIKE = 2
    RATE_OF_CHANGE = 4
    FLAT_LINE = 8
    MISSING = 16
    CODE = 32
    NEIGHBOUR = 64
    MAINTENANCE = 128


#: strength of a flag in the roll-up, indexed by flag: 9 < 2 < 1 < 3 < 4
STRENGTH: Final[npt.NDArray[np.uint8]] = np.array([0, 3, 2, 4, 5, 0, 0, 0, 0, 1], dtype=np.uint8)
_BY_STRENGTH: Final[npt.NDArray[np.uint8]] = np.array([2, 9, 2, 1, 3, 4], dtype=np.uint8)


def roll_up(*tests: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Roll the flags of several tests up to one flag a reading, the strongest winning: 9 < 2 < 1 < 3 < 4.

    Every argument has the shape (readings,). Source: `qartod_compare` of ioos_qc.

    >>> roll_up(np.uint8([1, 2, 9, 1]), np.uint8([3, 1, 1, 4]), np.uint8([2, 2, 9, 9])).tolist()
    [3, 1, 1, 4]
    """
    strongest = STRENGTH[tests[0]]
    for flags in tests[1:]:
        strongest = np.maximum(strongest, STRENGTH[flags])
    return _BY_STRENGTH[strongest]


def usable(flags: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Tell which readings count in aggregates and alarms: flags 1, 2 and 3.

    >>> usable(np.uint8([1, 2, 3, 4, 9])).tolist()
    [True, True, True, False, False]
    """
    return flags <= Flag.SUSPECT


def reason_names(bits: int) -> list[str]:
    """Name the reasons in a bit set, as the API shows them.

    >>> reason_names(Reason.GROSS_RANGE | Reason.SPIKE)
    ['gross_range', 'spike']
    """
    return [r.name.lower() for r in Reason if r & bits and r.name]
