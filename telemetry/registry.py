"""Which series exist: dense numbers for (pilot, device, metric), and what admission must know of each device.

A series id is an index into every per-series array of the process and is never given to another series.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple


class SeriesKey(NamedTuple):
    """Names of one series."""

    pilot: str
    device: str
    metric: str


class SeriesTable:
    """Both directions between names and ids. `allocate` hands out ids durably (the operational database does)."""

    def __init__(
        self, known: Iterable[tuple[int, SeriesKey]], allocate: Callable[[list[SeriesKey]], list[int]]
    ) -> None:
        self._allocate = allocate
        self._keys: list[SeriesKey | None] = []
        self._ids: dict[SeriesKey, int] = {}
        for series, key in known:
            self._put(series, key)

    def _put(self, series: int, key: SeriesKey) -> None:
        self._keys.extend([None] * (series + 1 - len(self._keys)))
        self._keys[series] = key
        self._ids[key] = series

    def ids(self, keys: list[SeriesKey]) -> list[int]:
        """Give the ids of `keys`, making new ones where there are none yet."""
        new = [key for key in dict.fromkeys(keys) if key not in self._ids]
        if new:
            for series, key in zip(self._allocate(new), new, strict=True):
                self._put(series, key)
        return [self._ids[key] for key in keys]

    def find(self, key: SeriesKey) -> int | None:
        """Give the id of `key`, or None when no reading of it ever came."""
        return self._ids.get(key)

    def key(self, series: int) -> SeriesKey:
        """Give the names of a series; KeyError when the id was never given."""
        key = self._keys[series] if 0 <= series < len(self._keys) else None
        if key is None:
            raise KeyError(series)
        return key

    def items(self, first: int = 0) -> Iterator[tuple[int, SeriesKey]]:
        """Every series known, from id `first` on."""
        for series in range(first, len(self._keys)):
            key = self._keys[series]
            if key is not None:
                yield series, key

    @property
    def size(self) -> int:
        """Length that a per-series array needs."""
        return len(self._keys)
