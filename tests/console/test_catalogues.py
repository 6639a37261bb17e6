"""Both catalogues say the same things, in whole plurals, and every key that the page uses is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from telemetry.flags import Reason
from telemetry.reasons import Quarantined, Rejected

HERE = Path(__file__).parents[2] / "api" / "console"
EN, AR = (json.loads((HERE / "catalogues" / f"{lang}.json").read_text()) for lang in ("en", "ar"))
CLASSES = {"en": {"one", "other"}, "ar": {"zero", "one", "two", "few", "many", "other"}}
ARABIC = re.compile(r"[\u0600-\u06ff]")


def forms(text: str | dict[str, str]) -> list[str]:
    return list(text.values()) if isinstance(text, dict) else [text]


def test_keys_are_the_same_and_in_the_same_order() -> None:
    assert list(EN) == list(AR)


@pytest.mark.parametrize("key", list(EN))
def test_each_text_is_whole_in_both_languages(key: str) -> None:
    english, arabic = EN[key], AR[key]
    assert type(english) is type(arabic)
    for lang, text in (("en", english), ("ar", arabic)):
        assert all(form.strip() for form in forms(text))
        if isinstance(text, dict):
            assert set(text) == CLASSES[lang]
    assert holes(english) == holes(arabic)
    if key != "language.other":
        assert all(ARABIC.search(form) for form in forms(arabic))


def holes(text: str | dict[str, str]) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", " ".join(forms(text))))


def test_every_key_that_the_page_uses_exists() -> None:
    sources = "\n".join(file.read_text() for kind in ("static/*.js", "templates/*.html") for file in HERE.glob(kind))
    used = set(re.findall(r"""\bt\(\s*["']([a-z_.0-9]+)["']""", sources))
    used |= set(re.findall(r"""data-i18n(?:-label)?="([a-z_.0-9]+)\"""", sources))
    used |= set(re.findall(r"""\bt\[["']([a-z_.0-9]+)["']\]""", sources))
    assert used
    assert used <= set(EN)


def test_every_flag_state_and_reason_has_a_word() -> None:
    wanted = {f"flag.{flag}" for flag in (1, 2, 3, 4, 9)} | {f"reason.{str(r.name).lower()}" for r in Reason}
    wanted |= {f"state.{state}" for state in ("online", "stale", "offline", "never_seen")}
    wanted |= {f"why.{reason}" for reason in (*Quarantined, *Rejected)}
    assert wanted <= set(EN)


def test_the_style_sheet_knows_no_left_and_right() -> None:
    css = (HERE / "static" / "console.css").read_text()
    assert not re.findall(
        r"(?<![-\w])(?:margin|padding|border)-(?:left|right)|text-align:\s*(?:left|right)|float:", css
    )


def test_third_party_files_come_with_their_licences() -> None:
    static = HERE / "static"
    assert "MIT" in (static / "vendor" / "uPlot.LICENSE").read_text()
    assert "SIL Open Font License" in (static / "fonts" / "OFL.txt").read_text()
    for file in [*static.glob("*.js"), *static.glob("*.css"), *HERE.glob("templates/*.html")]:
        assert "//cdn" not in file.read_text()
