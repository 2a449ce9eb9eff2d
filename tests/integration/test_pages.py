"""The pages in a real browser."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import title_is, url_contains, url_to_be
from selenium.webdriver.support.wait import WebDriverWait

from openfeature_triton.dashboard import DashboardSettings, Server, create_app
from openfeature_triton.dashboard.access import Access, change_access
from openfeature_triton.dashboard.passwords import hash_password
from openfeature_triton.flagd_config import example
from openfeature_triton.hooks import Recorder, RecorderSettings, Series, SqlSink
from tests.dashboard.pictures import dashboard
from tests.dashboard.stories import stories

pytestmark = [
    pytest.mark.integration,
    # Selenium leaves its driver's pipes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

KEY = "asr-fast-beam"
HOSTILE = 'a//b/<img src=x onerror="document.title=1">'
SCHEMES = ("light", "dark")
FOLDERS: dict[str, Path] = {}
WIDTHS_PX = (1280, 390)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard that serves two experiments, one of them of hostile names."""
    folder = tmp_path_factory.mktemp("dashboard")
    store = f"sqlite:///{folder / 'store.db'}"
    recorder = Recorder(SqlSink(store), RecorderSettings(on_sigterm=False))
    for experiment, new in ((KEY, "treatment"), (HOSTILE, "<b>new</b>")):
        for variant, latency_ms in (("control", 80.0), (new, 40.0)):
            series = Series(experiment, "aaaa1111", variant, variant, "asr", "en-US")
            for nth in range(50):
                recorder.expose(series)
                recorder.record(series, latency_ms + nth, metrics={"word_accuracy": 0.9})
    assert recorder.close()
    settings = DashboardSettings(store=SecretStr(store), flags=str(example("asr")))
    server = Server(create_app(settings), port=0)
    thread = threading.Thread(target=server.run)
    thread.start()
    FOLDERS[server.url] = folder
    yield server.url
    server.close()
    thread.join(timeout=10)


def _folder(url: str) -> Path:
    """The folder with the store of a dashboard."""
    return FOLDERS[url]


def _program(*names: str) -> str:
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        reason = f"needs {names[0]}: apt-get install chromium chromium-driver"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A headless Chromium with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = _program("chromium", "chromium-browser", "google-chrome")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(_program("chromedriver")))
    yield driver
    driver.quit()


def _look(browser: webdriver.Chrome, width_px: int = 1280, scheme: str = "light") -> None:
    size = {"width": width_px, "height": 900, "deviceScaleFactor": 1, "mobile": width_px < 500}
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


def _wide_px(browser: webdriver.Chrome) -> int:
    """How wide the page is; a phone's window would widen with it, so it is no measure."""
    return int(browser.execute_script("return document.documentElement.scrollWidth"))


def _drawn(browser: webdriver.Chrome) -> list[WebElement]:
    """Wait until the plot has its lines."""

    def lines(driver: webdriver.Chrome) -> list[WebElement]:
        return driver.find_elements(By.CSS_SELECTOR, "#plot-latency .scatterlayer path.js-line")

    return WebDriverWait(browser, 30).until(lines)


def _complaints(browser: webdriver.Chrome) -> list[str]:
    return [str(entry["message"]) for entry in browser.get_log("browser")]  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("width_px", WIDTHS_PX)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_pages_fit_and_draw_without_a_complaint(
    browser: webdriver.Chrome, url: str, width_px: int, scheme: str
) -> None:
    """From the list by a click to the experiment: a line per variant, nothing refused or cut."""
    _look(browser, width_px, scheme)
    _complaints(browser)
    browser.get(url)
    browser.find_element(By.LINK_TEXT, KEY).click()
    assert browser.find_element(By.TAG_NAME, "h1").text == KEY
    assert len(_drawn(browser)) == 2
    for path in (url, f"{url}experiments/{KEY}"):
        browser.get(path)
        assert _wide_px(browser) <= width_px
    assert _complaints(browser) == []


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard of an experiment for each verdict, and of odd ones."""
    with dashboard(tmp_path_factory.mktemp("stories"), is_calm=False) as address:
        yield address


@pytest.mark.parametrize("width_px", [*WIDTHS_PX, 768, 1141])
def test_every_page_of_the_list_fits_and_complains_of_nothing(
    browser: webdriver.Chrome, told: str, width_px: int
) -> None:
    """Each verdict, and each odd experiment, has a page that is as wide as the window."""
    _look(browser, width_px)
    browser.get(told)
    links = browser.find_elements(By.CSS_SELECTOR, ".experiments th a")
    pages = {link.text: link.get_attribute("href") for link in links}
    assert len(pages) == len(stories())
    _complaints(browser)
    for key, page in {**pages, "Experiments": told, "Pipeline": f"{told}pipeline"}.items():
        browser.get(str(page))
        assert _wide_px(browser) <= width_px, key
        assert browser.find_element(By.TAG_NAME, "h1").text == key
    assert _complaints(browser) == []


def test_the_link_to_what_is_shown_is_copied(browser: webdriver.Chrome, url: str) -> None:
    """By a click; without a script, or where it may not, it is a link like any other."""
    _look(browser)
    permission = {"permission": {"name": "clipboard-write"}, "setting": "granted"}
    browser.execute_cdp_cmd("Browser.setPermission", permission)
    shown = f"{url}experiments/{KEY}?phase=aaaa1111"
    browser.get(shown)
    link = browser.find_element(By.ID, "share")
    assert link.get_attribute("href") == shown
    link.click()
    WebDriverWait(browser, 30).until(lambda _: link.text == "Copied")
    assert browser.current_url == shown


def test_the_page_does_not_jump_when_its_plot_comes(browser: webdriver.Chrome, url: str) -> None:
    """The place of the plot is as high before as after."""
    _look(browser)
    measure = "return document.documentElement.scrollHeight"
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(f"{url}experiments/{KEY}")
    before_px = browser.execute_script(measure)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    browser.get(f"{url}experiments/{KEY}")
    _drawn(browser)
    assert browser.execute_script(measure) == before_px


def test_every_number_is_there_without_javascript(browser: webdriver.Chrome, url: str) -> None:
    """The tables of variants, languages, days and phases need no script."""
    _look(browser)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(f"{url}experiments/{KEY}")
        text = browser.find_element(By.TAG_NAME, "main").text
        assert browser.find_elements(By.CSS_SELECTOR, "#plot-latency svg") == []
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    for number in ("104.5", "64.5", "0.900", "50.00 %", "aaaa1111"):
        assert number in text


def test_days_are_chosen_by_the_form_alone(browser: webdriver.Chrome, url: str) -> None:
    """Without JavaScript: the address holds the day, the page what is shown and a way back."""
    _look(browser)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(f"{url}experiments/{KEY}?phase=aaaa1111")
        browser.find_element(By.NAME, "end").send_keys("01022020")
        browser.find_element(By.CSS_SELECTOR, ".range button").click()
        WebDriverWait(browser, 30).until(url_contains("end=2020-01-02"))
        assert "phase=aaaa1111" in browser.current_url
        text = browser.find_element(By.TAG_NAME, "main").text
        assert "Nothing was recorded in phase aaaa1111 to 2020-01-02." in text
        browser.find_element(By.LINK_TEXT, "Show all").click()
        WebDriverWait(browser, 30).until(url_to_be(f"{url}experiments/{KEY}"))
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_hostile_names_stay_text_in_the_browser(browser: webdriver.Chrome, url: str) -> None:
    """Its link leads to its page, where even the plot's legend shows the name as it is."""
    _look(browser)
    browser.get(url)
    browser.find_element(By.LINK_TEXT, HOSTILE).click()
    assert browser.find_element(By.TAG_NAME, "h1").text == HOSTILE
    assert len(_drawn(browser)) == 2
    legend = browser.find_elements(By.CSS_SELECTOR, "#plot-latency .legendtext")
    assert [each.text for each in legend] == ["<b>new</b>", "control"]
    assert browser.title.startswith(HOSTILE)
    assert browser.find_elements(By.CSS_SELECTOR, "main img") == []


def test_the_plot_follows_the_colour_scheme(browser: webdriver.Chrome, url: str) -> None:
    """Light to dark redraws the lines in the colours of the dark page."""
    _look(browser, scheme="light")
    browser.get(f"{url}experiments/{KEY}")

    def colours() -> list[str]:
        return [line.value_of_css_property("stroke") for line in _drawn(browser)]

    light = colours()
    _look(browser, scheme="dark")
    WebDriverWait(browser, 30).until(lambda _: colours() != light)
    assert len(set(colours())) == 2


@pytest.mark.parametrize("width_px", WIDTHS_PX)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_pipeline_fits_without_a_complaint(
    browser: webdriver.Chrome, url: str, width_px: int, scheme: str
) -> None:
    """From the list by its link."""
    _look(browser, width_px, scheme)
    _complaints(browser)
    browser.get(url)
    browser.find_element(By.LINK_TEXT, "Pipeline").click()
    assert browser.find_element(By.TAG_NAME, "h1").text == "Pipeline"
    assert _wide_px(browser) <= width_px
    assert _complaints(browser) == []


def test_an_exported_report_draws_by_itself(
    browser: webdriver.Chrome, url: str, tmp_path: Path
) -> None:
    """Opened from the disk, with no server, its plot has its lines, and its policy no complaint."""
    from click.testing import CliRunner

    from openfeature_triton.dashboard.export_commands import export

    _look(browser)
    report = tmp_path / "report.html"
    store = f"sqlite:///{_folder(url) / 'store.db'}"
    flags = str(example("asr"))
    done = CliRunner().invoke(export, [KEY, "-o", str(report), "--store", store, "--flags", flags])
    assert done.exit_code == 0, done.output
    _complaints(browser)
    browser.get(report.as_uri())
    assert len(_drawn(browser)) == 2
    assert browser.find_element(By.TAG_NAME, "h1").text == KEY
    assert _complaints(browser) == []


def test_somebody_signs_in_and_out(
    browser: webdriver.Chrome, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With the form, without JavaScript; afterwards the pages are closed again."""
    folder = tmp_path_factory.mktemp("closed")
    SqlSink(f"sqlite:///{folder / 'store.db'}").close()
    hashed = hash_password("a pass phrase")
    change_access(folder / "access.json", lambda _: Access({"ana": hashed}, {}))
    settings = DashboardSettings(
        store=SecretStr(f"sqlite:///{folder / 'store.db'}"),
        flags=str(example("asr")),
        access=str(folder / "access.json"),
    )
    server = Server(create_app(settings), port=0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        _look(browser)
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        browser.get(f"{server.url}pipeline")
        browser.find_element(By.NAME, "name").send_keys("ana")
        browser.find_element(By.NAME, "password").send_keys("a pass phrase")
        browser.find_element(By.CSS_SELECTOR, ".sign-in button").click()
        WebDriverWait(browser, 30).until(title_is("Pipeline"))
        browser.find_element(By.CSS_SELECTOR, "button.plain").click()
        browser.get(server.url)
        assert browser.find_element(By.TAG_NAME, "h1").text == "Sign in"
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
        server.close()
        thread.join(timeout=10)
