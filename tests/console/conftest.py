"""A signed-in console in a real Chromium, over the API with an ordinary day in its store."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.api.running import Running
from tests.console.scene import fill

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]

OpenConsole = Callable[..., Page]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(Path(tmp_path_factory.mktemp("city"))) as running:
        running.run(fill(running))
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def console(city: Running, browser: Browser) -> Iterator[OpenConsole]:
    """Give a function that opens the console; at the end no foreign request and no console error may have happened."""
    contexts, faults = [], []

    def opened(width: int = 1280, height: int = 800, path: str = "/", lang: str = "en") -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, locale=lang)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("request", lambda request: faults.append(request.url) if foreign(request.url) else None)
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{city.url}/signin")
        page.fill("#token", city.token("operator"))
        page.press("#token", "Enter")
        page.wait_for_url(f"{city.url}/**")
        page.goto(f"{city.url}{path}")
        page.reload()
        page.wait_for_selector(".card")
        return page

    def foreign(url: str) -> bool:
        return not url.startswith((city.url, "data:"))

    yield opened
    for context in contexts:
        context.close()
    assert faults == []
