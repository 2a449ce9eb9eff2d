"""Pictures: the pages of `stories`, as a browser shows them, to be looked at.

    python -m tests.dashboard.pictures FOLDER

writes a picture of each page at 1280 and 390 px, light and dark. The README's is made by

    python -m tests.dashboard.pictures --readme tests/dashboard/page.png
"""

from __future__ import annotations

import base64
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from urllib.parse import quote

from pydantic import SecretStr
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from openfeature_triton.dashboard import DashboardSettings, Server, create_app
from tests.dashboard.stories import stories, tell

README_HEIGHT_PX = 1560


def take(
    browser: webdriver.Chrome, url: str, width_px: int, scheme: str, height_px: int = 0
) -> bytes:
    """Give a picture of a whole page, or of its top, as PNG; complain where it is too wide."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    size = {
        "width": width_px,
        "height": height_px or 900,
        "deviceScaleFactor": 1,
        "mobile": width_px < 500,
    }
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(url)
    places = len(browser.find_elements(By.CSS_SELECTOR, ".plot"))
    WebDriverWait(browser, 60).until(
        lambda driver: (
            len(
                driver.find_elements(
                    By.CSS_SELECTOR, ".plot .main-svg .plot-container, .js-plotly-plot"
                )
            )
            >= places
        )
    )
    wide_px = browser.execute_script("return document.documentElement.scrollWidth")
    if wide_px > width_px:
        sys.stderr.write(f"too wide: {url} {wide_px} > {width_px} px\n")
    taken = browser.execute_cdp_cmd(
        "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": not height_px}
    )
    return base64.b64decode(taken["data"])


@contextmanager
def dashboard(folder: Path, *, is_calm: bool) -> Iterator[str]:
    """Serve the stories, with processes in trouble or without; gives the address."""
    tell(folder, time.time())
    for path in (folder / "spool").glob("*") if is_calm else ():
        path.unlink()
    settings = DashboardSettings(
        store=SecretStr(f"sqlite:///{folder / 'store.db'}"),
        flags=str(folder / "flags.json"),
        spool=str(folder / "spool"),
        access=str(folder / "access.json"),
    )
    server = Server(create_app(settings), port=0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.url
    finally:
        server.close()
        thread.join()


@contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    """Start a headless Chromium."""
    options = webdriver.ChromeOptions()
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


def main() -> None:
    """Take the pictures that were asked for."""
    is_readme = sys.argv[1] == "--readme"
    made = tempfile.TemporaryDirectory()
    with made, dashboard(Path(made.name), is_calm=is_readme) as url, chromium() as browser:
        if is_readme:
            page = f"{url}experiments/nmt-indictrans3"
            Path(sys.argv[2]).write_bytes(take(browser, page, 1280, "light", README_HEIGHT_PX))
            return
        folder = Path(sys.argv[1])
        folder.mkdir(parents=True, exist_ok=True)
        pages = {"list": url, "pipeline": f"{url}pipeline"}
        pages |= {
            f"e{nth:02}": f"{url}experiments/{quote(story.key, safe='')}"
            for nth, story in enumerate(stories())
        }
        day = date.fromtimestamp(time.time() - 3 * 86_400)
        pages["e00-range"] = f"{pages['e00']}?start={day}&end={day}"
        for name, page in pages.items():
            for width_px in (1280, 390):
                for scheme in ("light", "dark"):
                    picture = folder / f"{name}-{width_px}-{scheme}.png"
                    picture.write_bytes(take(browser, page, width_px, scheme))


if __name__ == "__main__":
    main()
