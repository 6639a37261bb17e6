"""The console in Chromium: live values, both languages, keyboard, chart, ledger, phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.api.running import Running
from tests.console.conftest import OpenConsole

S = 10**9


def row(page: Page, metric: str, device: str = "air_souq") -> object:
    card = page.locator(".card", has=page.locator("bdi", has_text=device))
    return card.locator("tbody tr", has=page.locator("button", has_text=metric))


def test_values_change_live_with_their_quality(city: Running, console: OpenConsole) -> None:
    page = console()
    expect(page.locator("#live")).to_have_text("Live")
    now = city.backend.clock_ns()
    city.run(city.backend.put(("harbour", "speed_6005", "speed"), [now], [171.5], [3], [1]))
    if page.locator("[data-pilot=harbour]").get_attribute("aria-current") is None:
        page.click("[data-pilot=harbour]")
    speed = row(page, "Speed", "speed_6005")
    expect(speed.locator(".number")).to_have_text("171.5")  # type: ignore[attr-defined]
    expect(speed.locator(".quality")).to_have_text("suspect")  # type: ignore[attr-defined]
    city.run(city.backend.put(("harbour", "speed_6005", "speed"), [now + S], [50.0]))
    expect(speed.locator(".number")).to_have_text("50.0")  # type: ignore[attr-defined]
    expect(speed.locator(".quality")).to_have_text("good")  # type: ignore[attr-defined]


def test_unknown_is_shown_as_of_its_time_and_in_words(console: OpenConsole) -> None:
    page = console(path="/#harbour")
    silent = page.locator(".card", has=page.locator("bdi", has_text="speed_6006"))
    expect(silent.locator(".state")).to_have_text("silent")
    expect(silent.locator("tbody tr").first.locator(".age")).to_contain_text("as of")
    offline = page.locator(".card", has=page.locator("bdi", has_text="air_port"))
    expect(offline.locator(".state")).to_have_text("offline")


def test_the_language_turns_in_place_and_stays(console: OpenConsole) -> None:
    page = console(path="/#harbour")
    page.evaluate("window.stillHere = true")
    page.click("#language")
    html = page.locator("html")
    expect(html).to_have_attribute("dir", "rtl")
    expect(html).to_have_attribute("lang", "ar")
    expect(page.locator("#ledger-title")).to_have_text("سجل القراءات")
    expect(page.locator("h4 .device-name").first).to_have_text("شرق الكورنيش")
    expect(page.locator("#chart-title")).to_contain_text("الجسيمات الدقيقة")
    expect(page.locator("[data-pilot=harbour] .pilot-note")).to_contain_text("6 أجهزة")
    assert page.evaluate("window.stillHere") is True
    devices, chart = page.locator("#devices").bounding_box(), page.locator("#chart").bounding_box()
    assert devices and chart and devices["x"] > chart["x"]
    expect(page.locator("#chart")).to_have_attribute("dir", "ltr")
    page.reload()
    expect(html).to_have_attribute("dir", "rtl")
    expect(page.locator("h4 .device-name").first).to_have_text("شرق الكورنيش")


def test_the_keyboard_reaches_a_metric_its_chart_and_its_values(console: OpenConsole) -> None:
    page = console(path="/#harbour")
    page.locator("button.metric", has_text="Temperature").last.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#chart-title")).to_contain_text("Temperature")
    page.locator("[data-range='24h']").focus()
    page.keyboard.press("Space")
    expect(page.locator("[data-range='24h']")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("location.hash").endswith("/24h")
    expect(page.locator("#readout")).to_contain_text("readings")
    page.locator("#chart").focus()
    page.keyboard.press("End")
    expect(page.locator("#readout")).to_contain_text("°C")
    expect(page.locator("#readout")).to_contain_text("good")
    last = page.locator("#readout").text_content()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#readout")).not_to_have_text(str(last))


@pytest.mark.parametrize("range_", ["1h", "24h", "7d"])
def test_the_address_opens_the_same_chart_with_quality_in_shapes(console: OpenConsole, range_: str) -> None:
    page = console(path=f"/#harbour/air_souq/pm25/{range_}")
    expect(page.locator("#chart-title")).to_contain_text("Fine particles")
    expect(page.locator("#chart canvas")).to_be_visible()
    expect(page.locator("#legend")).to_contain_text("suspect")
    expect(page.locator("#legend")).to_contain_text("failed")


def test_the_ledger_balances_on_the_page(console: OpenConsole) -> None:
    page = console(path="/#harbour")
    expect(page.locator("#balance")).to_have_text("balanced")
    figures = [
        int(text.replace(",", "")) for text in page.locator("#ledger tbody tr td:last-child").all_text_contents()
    ]
    assert figures[0] == sum(figures[1:6])
    expect(page.locator("#reasons")).to_contain_text("unknown metric")


@pytest.mark.parametrize("width", [390, 1920])
def test_no_width_scrolls_sideways_and_targets_are_large_on_phones(console: OpenConsole, width: int) -> None:
    page = console(width=width, height=844, path="/#harbour", lang="ar")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width == 390:
        heights = page.eval_on_selector_all("button", "all => all.map((b) => b.getBoundingClientRect().height)")
        assert min(heights) >= 44


def test_a_device_name_is_text_everywhere(city: Running, console: OpenConsole) -> None:
    page = console(path="/#harbour")
    city.backend.accepted["harbour"] = ["visitor"]
    city.run(city.backend.put(("harbour", "visitor", "x"), [city.backend.clock_ns()], [1.0]))
    page.evaluate("window.ran = false")
    page.route("**/api/v1/devices?*", lambda route: route.fulfill(json=renamed(route.fetch().json())))
    page.reload()
    expect(page.locator("#devices")).to_contain_text("<img src=x")
    assert page.locator("#devices img").count() == 0
    city.backend.accepted.clear()


def renamed(answer: dict[str, list[dict[str, object]]]) -> dict[str, list[dict[str, object]]]:
    for item in answer["items"]:
        item["name"] = {"en": "<img src=x onerror='window.ran=true'>", "ar": "<img src=x>"}
    return answer


@pytest.mark.parametrize("joint", ["#", "?once="])
def test_a_one_time_link_opens_the_console_with_one_press(city: Running, console: OpenConsole, joint: str) -> None:
    page = console()
    page.goto("about:blank")
    page.context.clear_cookies()
    now = city.backend.clock_ns()
    _, token = city.backend.tokens.create("admin", label="start", now_ns=now)
    page.goto(f"{city.url}/signin{joint}{city.backend.sessions.one_time_code(token.prefix, now)}")
    expect(page.locator("#by-code button")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_selector(".card")
