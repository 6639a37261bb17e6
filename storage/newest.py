"""Which revision of a window counts: that of the latest batch, and within it the highest revision."""

from __future__ import annotations

import numpy as np

from telemetry.columns import I64, Windows


def newest_windows(windows: Windows, batch: I64) -> Windows:
    """Keep the newest row of each (series, start), ordered by series and start.

    `batch` is the number of the batch of each row, shape (rows,); a later row wins a tie.
    """
    order = np.lexsort((windows.revision, batch, windows.start_ns, windows.series))
    series, start_ns = windows.series[order], windows.start_ns[order]
    last = np.ones(len(order), dtype=np.bool_)
    last[:-1] = (series[1:] != series[:-1]) | (start_ns[1:] != start_ns[:-1])
    return windows.take(order[last])
