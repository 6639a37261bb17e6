"""Cursors and limits of lists, and the rule that a query says each thing once and nothing unknown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Final, TypeVar

from fastapi import Query, Request
from fastapi.routing import APIRoute

from api.answers import Page
from api.problems import Problem

T = TypeVar("T")
Limit = Annotated[int, Query(ge=1, le=1000, description="how many items at most")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the part before")]
_OFFSET: Final = re.compile(r"[0-9]{1,9}\Z")


async def strict_query(request: Request) -> None:
    """Refuse a parameter that comes twice or that the route does not know: a slip would change what is asked."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    known = [field.alias for field in route.dependant.query_params]
    for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in known:
            listed = ", ".join(known) or "none"
            raise Problem(
                422, "unknown-parameter", f"{request.url.path} takes no parameter {name[:64]!r}; it takes: {listed}."
            )
        if times > 1:
            raise Problem(422, "repeated-parameter", f"The parameter {name!r} comes {times} times; give it once.")


def bad_cursor(cursor: str) -> Problem:
    """Say that a cursor is none of ours."""
    return Problem(
        422, "bad-cursor", f"{cursor[:80]!r} is no cursor of this list; take `next` of the answer before, unchanged."
    )


def part_of(names: Sequence[T], limit: int, cursor: str | None) -> tuple[Sequence[T], str | None]:
    """Cut a part out of a sequence whose order stands: the part, and the cursor of the next one."""
    if cursor is not None and not _OFFSET.match(cursor):
        raise bad_cursor(cursor)
    at = int(cursor or 0)
    return names[at : at + limit], str(at + limit) if at + limit < len(names) else None


def page(items: list[T], more: str | None) -> Page[T]:
    """Make a part of a list."""
    return Page(items, more)
