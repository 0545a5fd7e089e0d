"""A headless Chromium, and what it did: its console, its requests."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # as root there is none
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
)


@contextlib.contextmanager
def chromium() -> Iterator[Chrome]:
    """Yield a driven browser; the test is skipped where there is none, but in CI fails."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        absent = "no chromium with its chromedriver on the PATH"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(absent)
    options = ChromeOptions()
    options.binary_location = browser
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with Chrome(options=options, service=Service(driver)) as started:
        yield started


def seen(browser: Chrome, width: int, scheme: str = "light", media: str = "screen") -> None:
    """Give the page a width in CSS pixels, a colour scheme and a medium."""
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    wanted = {"media": media, "features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)


def opened(browser: Chrome, page: Path) -> None:
    """Open `page`, forgetting what was said and asked for before."""
    for kind in ("browser", "performance"):
        _log(browser, kind)
    browser.get(page.as_uri())


def said(browser: Chrome) -> list[Any]:
    """Return what the page left in the console."""
    return _log(browser, "browser")


def asked_for(browser: Chrome) -> set[str]:
    """Return every address that was asked for."""
    events = [json.loads(each["message"])["message"] for each in _log(browser, "performance")]
    return {
        each["params"]["request"]["url"]
        for each in events
        if each["method"] == "Network.requestWillBeSent"
    }


def _log(browser: Chrome, kind: str) -> list[Any]:
    found: list[Any] = browser.get_log(kind)  # type: ignore[no-untyped-call]
    return found
