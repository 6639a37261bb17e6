"""The pilot that docs/pilots.md shows, as the text that tests then spoil."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def harbour() -> str:
    """Give the `signals.toml` of docs/pilots.md."""
    page = (ROOT / "docs/pilots.md").read_text(encoding="utf-8")
    found = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    assert found, "docs/pilots.md shows no signals.toml"
    return found[1]


def line_of(text: str, words: str) -> int:
    """Give the line (from 1) on which `words` stand first."""
    return text[: text.index(words)].count("\n") + 1
