"""`report.html`, opened in a browser as a reader would, and used."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from harness.findings import find
from harness.results.page import document
from tests.results.browser import asked_for, chromium, opened, said, seen
from tests.results.run import HOSTILE, the_matrix, the_observations

PLOT = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="100" viewBox="0 0 300 100">\n'
    '<title>req/s &gt; p99 "#1"</title>\n<script>document.title = "ran"</script>\n'
    '<rect width="300" height="100" fill="#0072b2"/>\n</svg>\n'
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(written())
    return path


def written() -> str:
    matrix = the_matrix()
    return document(matrix, find(matrix, the_observations()))({"a-plot.svg": PLOT})


def data_of(text: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


# The file


class Elements(HTMLParser):
    """Which elements are open, where one was closed that was not, and every id."""

    VOID = frozenset({"meta", "link", "input", "img", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()}")


def test_every_element_is_closed_and_no_id_stands_twice(page: Path) -> None:
    elements = Elements()
    elements.feed(page.read_text())
    elements.close()
    assert (elements.wrong, elements.open) == ([], [])
    assert len(elements.ids) == len(set(elements.ids)) > 10


def test_the_same_findings_make_the_same_page(page: Path) -> None:
    assert written() == page.read_text()


def test_every_cell_is_in_the_table_with_its_doubts(page: Path) -> None:
    data = data_of(page.read_text())
    assert len(data["rows"]) == len({row.key for row in the_observations()})
    assert {len(row) for row in data["rows"]} == {len(data["columns"])}
    headings = [each["heading"] for each in data["columns"]]
    at = {name: headings.index(name) for name in ("stack", "endpoint", "req/s", "doubts")}
    (invalid,) = [
        row
        for row in data["rows"]
        if (row[at["stack"]], row[at["endpoint"]]) == ("quick", "books_list")
    ]
    assert invalid[at["req/s"]] == [None, "invalid"]
    assert invalid[at["doubts"]] == "littles_law"


def test_only_the_page_itself_may_run(page: Path) -> None:
    text = page.read_text()
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    for part, name in ((script, "script"), (style, "style")):
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text


def test_a_message_is_text(page: Path) -> None:
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page.read_text()
    assert HOSTILE not in page.read_text()
    assert "<script>alert" not in page.read_text()


# The page in a browser


@pytest.fixture(scope="module")
def started() -> Iterator[Chrome]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def browser(started: Chrome, page: Path) -> Chrome:
    seen(started, 1280)
    opened(started, page)
    return started


def the(browser: Chrome, selector: str) -> WebElement:
    return browser.find_element(By.CSS_SELECTOR, selector)


def texts(browser: Chrome, selector: str) -> list[str]:
    """Return the text of every element there, in one call."""
    script = "return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)"
    found: list[str] = browser.execute_script(script, selector)
    return found


def column(browser: Chrome, heading: str) -> list[str]:
    at = texts(browser, "#grid thead th").index(heading) + 1
    return texts(browser, f"#grid tbody tr > :nth-child({at})")


def test_it_opens_without_a_word_and_asks_nobody(browser: Chrome, page: Path) -> None:
    assert browser.title == "golden: Postgres driver stacks compared"
    image = the(browser, "figure img")
    browser.execute_script("arguments[0].scrollIntoView()", image)
    browser.execute_async_script("arguments[0].decode().then(arguments[1])", image)
    assert image.get_attribute("naturalWidth") == "300"
    assert image.get_attribute("alt") == 'req/s > p99 "#1"'
    assert said(browser) == []
    outside = {url for url in asked_for(browser) if not url.startswith("data:")}
    assert outside == {page.as_uri()}


def test_every_column_sorts_up_and_down_and_back(browser: Chrome) -> None:
    as_it_was = texts(browser, "#grid tbody tr")
    states = browser.execute_script("""
      return [...document.querySelectorAll("#grid thead th")].map((heading) => [1, 2, 3].map(() => {
        heading.firstChild.click();
        return heading.getAttribute("aria-sort");
      }));""")
    assert len(states) == len(data_of(written())["columns"])
    assert {tuple(each) for each in states} == {("ascending", "descending", "none")}
    assert texts(browser, "#grid tbody tr") == as_it_was


def test_a_column_sorts_by_the_keyboard(browser: Chrome) -> None:
    button = the(browser, "#grid thead th:nth-child(1) button")
    for key, down in ((Keys.ENTER, False), (Keys.SPACE, True)):
        button.send_keys(key)
        stacks = column(browser, "stack")
        assert stacks == sorted(stacks, reverse=down)


def test_numbers_sort_as_numbers_and_what_is_missing_stands_last(browser: Chrome) -> None:
    def rates() -> list[float | None]:
        shown = [re.match(r"(?:at least )?([\d,.]+)", each) for each in column(browser, "req/s")]
        return [float(each[1].replace(",", "")) if each else None for each in shown]

    at = texts(browser, "#grid thead th").index("req/s")
    button = browser.find_elements(By.CSS_SELECTOR, "#grid thead button")[at]
    for down in (False, True):
        button.click()
        known = [rate for rate in rates() if rate is not None]
        assert known == sorted(known, reverse=down)
        assert rates()[: len(known)] == known
        assert len(known) < len(rates())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("endpoint", "books_list"),
        ("stack", "quick"),
        ("concurrency", "256"),
        ("rate, req/s", "800"),
    ],
)
def test_a_filter_leaves_what_it_names(browser: Chrome, name: str, value: str) -> None:
    total = len(column(browser, name))
    path = f"//form[@id='filters']/label[starts-with(., '{name}')]"
    label = browser.find_element(By.XPATH, path)
    Select(label.find_element(By.TAG_NAME, "select")).select_by_visible_text(value)
    assert set(column(browser, name)) == {value}
    left = len(column(browser, name))
    assert 0 < left < total
    assert the(browser, "#shown").text == f"1 to {left} of {left}"
    the(browser, "#filters button").click()
    assert len(column(browser, name)) == total


def test_a_doubt_is_marked_beside_the_number_and_named_in_its_column(browser: Chrome) -> None:
    for rate, doubt in zip(column(browser, "req/s"), column(browser, "doubts"), strict=True):
        assert ("\u26a0" in rate) == bool(doubt)


def test_a_long_table_is_turned_like_pages(browser: Chrome) -> None:
    Select(the(browser, "#size")).select_by_visible_text("25")
    total = len(data_of(written())["rows"])
    assert total == 25 or the(browser, "#shown").text == f"1 to 25 of {total}"
    if total > 25:
        the(browser, "#next").click()
        assert the(browser, "#shown").text == f"26 to {total} of {total}"


def in_users_get(browser: Chrome) -> None:
    Select(the(browser, "#scope")).select_by_visible_text("idiomatic: users_get, closed loop")


def ranked(browser: Chrome) -> dict[str, str]:
    """Return the badge of every stack that is ranked, best first."""
    names, badges = texts(browser, "#ranking .name"), texts(browser, "#ranking .badge")
    return dict(zip(names, badges, strict=True))


def test_what_is_dominated_says_by_what_and_why(browser: Chrome) -> None:
    in_users_get(browser)
    assert ranked(browser) == {
        "quick": "on the front",
        "alike": "dominated",
        "plain": "dominated",
        "noisy": "dominated",
    }
    assert texts(browser, "#ranking li:nth-child(2) .why")[0].startswith(
        "Dominated by quick: slower (0.7"
    )
    assert the(browser, "#standing").text.startswith("By these weights quick is first")


def test_errors_that_are_accepted_bring_a_stack_back(browser: Chrome) -> None:
    in_users_get(browser)
    assert "% of requests failed (database, timeout)" in the(browser, "#left-out").text
    for name in ("database", "timeout"):
        the(browser, f"[data-class={name}]").send_keys(Keys.SPACE)
    assert ranked(browser)["broken"] == "not judged"
    assert not the(browser, "#left-out").is_displayed()
    the(browser, "[data-class=timeout]").send_keys(Keys.SPACE)
    assert "broken" not in ranked(browser)
    most = the(browser, "#most-errors")
    most.clear()
    most.send_keys("5")
    assert "broken" in ranked(browser)


def test_weights_change_the_ranking_by_the_keyboard_and_not_the_front(browser: Chrome) -> None:
    in_users_get(browser)
    before, front = texts(browser, "#ranking .score"), ranked(browser)
    slider = the(browser, "#weight-rps")
    slider.send_keys(Keys.ARROW_RIGHT)
    assert the(browser, "output[for=weight-rps]").text == "6"
    assert texts(browser, "#ranking .score") != before
    assert ranked(browser).items() == front.items()
    for each in browser.find_elements(By.CSS_SELECTOR, "[data-objective]"):
        each.send_keys(Keys.HOME)
    assert the(browser, "#standing").text == "Give something a weight to rank them."


def test_what_has_no_number_is_left_out_with_its_reason(browser: Chrome) -> None:
    Select(the(browser, "#scope")).select_by_visible_text("idiomatic: books_list")
    said_of = the(browser, "#left-out").text
    assert "quick: invalid on books_list: littles_law" in said_of
    assert "noisy: unsupported on books_list: no books here" in said_of


def test_an_open_loop_is_not_chosen_by_throughput(browser: Chrome) -> None:
    (name,) = [each for each in texts(browser, "#scope option") if each.startswith("steady")]
    Select(the(browser, "#scope")).select_by_visible_text(name)
    assert not the(browser, "#weight-rps").is_enabled()
    assert the(browser, "#about-rps").text == "not compared here"
    assert "noisy: did not keep the rate on users_get" in the(browser, "#left-out").text


CONTRAST = """
  const light = (rgb) => rgb.map((part) => part / 255).map((part) =>
    part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const luminance = (colour) => {
    const [red, green, blue] = light(colour.match(/[\\d.]+/g).slice(0, 3).map(Number));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const background = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    const through = /, 0\\)$/.test(colour) && element.parentElement;
    return through ? background(element.parentElement) : colour;
  };
  return Math.min(...[...document.querySelectorAll("p, li, td, th, label, summary, span, dd, h2")]
    .filter((each) => each.textContent.trim() && each.checkVisibility())
    .map((each) => {
      const pair = [getComputedStyle(each).color, background(each)].map(luminance);
      return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    }));
"""
"""WCAG 2.2's contrast ratio of every text and what it stands on: the least."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_in_light_and_in_dark(browser: Chrome, scheme: str) -> None:
    seen(browser, 1280, scheme)
    is_dark = "return getComputedStyle(document.body).backgroundColor !== 'rgb(255, 255, 255)'"
    assert browser.execute_script(is_dark) == (scheme == "dark")
    assert browser.execute_script(CONTRAST) >= 4.5


def test_a_phone_shows_all_without_scrolling_sideways(browser: Chrome) -> None:
    seen(browser, 360)
    script = "return document.documentElement.scrollWidth"
    assert browser.execute_script(script) == 360
    assert the(browser, ".scroll").get_attribute("tabindex") == "0"  # the table scrolls by itself


def test_every_control_has_a_name(browser: Chrome) -> None:
    nameless = browser.execute_script("""
      return [...document.querySelectorAll("input, select, button, output")]
        .filter((each) => !(each.labels?.length || each.textContent.trim()))
        .map((each) => each.outerHTML)""")
    assert nameless == []
    scopes = {each.get_attribute("scope") for each in browser.find_elements(By.TAG_NAME, "th")}
    assert scopes == {"col", "row"}


def test_in_print_the_controls_are_gone_and_the_whole_table_is_there(browser: Chrome) -> None:
    Select(the(browser, "#size")).select_by_visible_text("25")
    seen(browser, 1000, media="print")
    assert not the(browser, "#filters").is_displayed()
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert len(texts(browser, "#grid tbody tr")) == len(data_of(written())["rows"])
