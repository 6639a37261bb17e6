"""What names may look like. Everything that arrives in a topic or a file is held against these."""

import re
from typing import Final

PILOT_OR_DEVICE: Final = re.compile(r"(?!_)[A-Za-z0-9_.\-]{1,64}\Z")
METRIC: Final = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")


def is_pilot_or_device(name: str) -> bool:
    """Tell whether `name` may stand for a pilot or a device.

    >>> is_pilot_or_device("stage-yutum-bridge"), is_pilot_or_device("_alarm"), is_pilot_or_device("a b")
    (True, False, False)
    """
    return PILOT_OR_DEVICE.match(name) is not None


def is_metric(name: str) -> bool:
    """Tell whether `name` may stand for a metric.

    >>> is_metric("pm25"), is_metric("PM25"), is_metric("9lives")
    (True, False, False)
    """
    return METRIC.match(name) is not None
