"""Meters that only ever count up, as pure functions of time: whole days summed, then the day's own profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from simulators.noise import F64, I64

COMMISSIONED_DAY: Final = 18_262  # 2020-01-01; meters count from here


def running_total(day: I64, total_of_days: Callable[[I64], F64]) -> F64:
    """Sum of `total_of_days` over all days from the commissioning up to, not including, each of `day`.

    >>> days = np.int64([COMMISSIONED_DAY, COMMISSIONED_DAY + 3])
    >>> running_total(days, lambda days: np.full(days.shape, 2.0)).tolist()
    [0.0, 6.0]
    """
    last = int(day.max(initial=COMMISSIONED_DAY))
    days = np.arange(COMMISSIONED_DAY, last + 1, dtype=np.int64)
    before = np.concatenate([[0.0], np.cumsum(total_of_days(days))])
    return np.asarray(before[np.clip(day - COMMISSIONED_DAY, 0, len(days))], dtype=np.float64)
