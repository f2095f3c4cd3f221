"""A headless Chromium on a page of the service; tests that need it are skipped where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.orchestrator._processes import eventually

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None,
    reason="no chromium or no chromedriver here; apt-get install chromium chromium-driver",
)


@contextmanager
def browser(wide: int = 1280, high: int = 900) -> Iterator[webdriver.Chrome]:
    """A browser that keeps what its console says."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument(f"--window-size={wide},{high}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def found(driver: Any, selector: str, seconds: float = 60) -> WebElement:
    """The first element of a selector, once it can be seen."""
    waiting = WebDriverWait(driver, seconds, ignored_exceptions=[StaleElementReferenceException])
    element: WebElement = waiting.until(
        lambda page: next(
            (e for e in page.find_elements(By.CSS_SELECTOR, selector) if e.is_displayed()), False
        ),
        f"nothing to be seen of {selector}",
    )
    return element


def press(driver: Any, words: str, seconds: float = 60) -> None:
    """Press the button or follow the link of these words, once it can be."""
    path = f"//*[self::button or self::a or self::summary][normalize-space()={words!r}]"
    waiting = WebDriverWait(driver, seconds, ignored_exceptions=[StaleElementReferenceException])
    waiting.until(lambda page: any(pressed(e) for e in page.find_elements(By.XPATH, path)), f"no {words}")


def pressed(element: WebElement) -> bool:
    if not element.is_displayed() or not element.is_enabled():
        return False
    element.click()
    return True


def comes(driver: Any, holds: Callable[[str], bool], seconds: float = 90) -> bool:
    """Whether the text of the page comes to be so."""
    return eventually(lambda: holds(driver.find_element(By.TAG_NAME, "main").text), seconds)


def complaints(driver: Any) -> list[str]:
    """What the browser's console has against the page; a refusal that the page shows is none."""
    entries = driver.get_log("browser")
    return [
        entry["message"] for entry in entries if "the server responded with a status" not in entry["message"]
    ]
