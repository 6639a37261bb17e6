"""Quality kernels over columns. In this version: missing and gross range.

The streaming tests with memory (spike, rate of change, flat line, codes) take their place beside `GrossRange`:
each gives flags and reasons for a batch, and `judge` rolls them up.
"""

from __future__ import annotations

import numpy as np

from telemetry.columns import F64, I32, U8, U16
from telemetry.flags import Flag, Reason


class GrossRange:
    """Inclusive spans of every series, as columns indexed by series id; NaN where a span is not configured."""

    def __init__(self) -> None:
        self._spans = np.full((4, 0), np.nan)
        self._tested = np.zeros(0, np.bool_)

    def configure(self, series: I32, fail: tuple[float, float] | None, suspect: tuple[float, float] | None) -> None:
        """Set the spans of some series, in the metric's unit; None for a span that is not there."""
        self.grow(int(series.max(initial=-1)) + 1)
        rows = [*(fail or (np.nan, np.nan)), *(suspect or (np.nan, np.nan))]
        self._spans[:, series] = np.array(rows)[:, None]
        self._tested[series] = fail is not None or suspect is not None

    def grow(self, size: int) -> None:
        """Make room for series up to `size`; new ones are not tested."""
        more = size - self._spans.shape[1]
        if more > 0:
            self._spans = np.pad(self._spans, ((0, 0), (0, more)), constant_values=np.nan)
            self._tested = np.pad(self._tested, (0, more))

    def judge(self, series: I32, value: F64) -> tuple[U8, U16]:
        """Flag readings (columns of equal length): 9 missing, 4 outside `fail`, 3 outside `suspect`, 1, or 2 untested.

        >>> test = GrossRange(); test.configure(np.int32([0]), (0, 10), (1, 9))
        >>> test.judge(np.int32([0] * 5), np.array([0, 10, 10.0001, -0.0001, np.nan]))[0].tolist()
        [3, 3, 4, 4, 9]
        """
        fail_low, fail_high, low, high = self._spans[:, series]
        flag = np.where(self._tested[series], np.uint8(Flag.PASS), np.uint8(Flag.NOT_EVALUATED))
        flag[(value < low) | (value > high)] = Flag.SUSPECT
        flag[(value < fail_low) | (value > fail_high)] = Flag.FAIL
        reasons = np.where(flag >= Flag.SUSPECT, np.uint16(Reason.GROSS_RANGE), np.uint16(0))
        missing = np.isnan(value)
        flag[missing] = Flag.MISSING
        reasons[missing] = Reason.MISSING
        return flag, reasons
