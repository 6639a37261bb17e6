"""docs/quarantine.md names every reason that there is, as it is."""

from pathlib import Path

import pytest

from telemetry.reasons import CURE, Quarantined, Rejected

PAGE = Path(__file__).parents[2] / "docs" / "quarantine.md"


@pytest.mark.parametrize("reason", [*Quarantined, *Rejected])
def test_the_page_gives_each_reason_with_its_cure(reason: Quarantined | Rejected) -> None:
    assert f"| `{reason.value}` | {CURE[reason]} |" in PAGE.read_text(encoding="utf-8").splitlines()


def test_the_page_gives_no_other_reason() -> None:
    listed = [line.split("`")[1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert listed == [reason.value for reason in (*Quarantined, *Rejected)]
