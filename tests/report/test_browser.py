"""The compliance page does in a browser what its reader needs, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from .browser import Browser, Watched

pytestmark = pytest.mark.whole_run

Reports = Callable[[str], Path]

DESK = {"width": 1200, "height": 900}
PHONE = {"width": 360, "height": 740}
ALL_MADE = "[...document.querySelectorAll('.x .inside')].every(one => one.hasChildNodes())"
OPEN_ALL = "for (const one of document.querySelectorAll('details')) one.open = true"


@pytest.fixture
def shown(chromium: Browser, reports: Reports) -> Any:
    """Opens the page of a report and makes sure afterwards that nothing went wrong and nothing was loaded."""
    from contextlib import ExitStack  # noqa: PLC0415

    with ExitStack() as stack:
        opened: list[Watched] = []

        def show(name: str, fragment: str = "", **options: Any) -> Any:
            watched = stack.enter_context(chromium.page(**{"viewport": DESK, **options}))
            opened.append(watched)
            return watched.open(reports(name) / "index.html", fragment)

        yield show
        assert [found for watched in opened for found in watched.complaints] == []
        assert [found for watched in opened for found in watched.requests] == []


def visible_ids(page: Any) -> list[str]:
    """The requirements that the filters leave."""
    return list(page.eval_on_selector_all(".req:not([hidden])", "found => found.map(one => one.id)"))


def evidence_of(page: Any, name: str) -> Any:
    """The first exchange of an open requirement, opened by a click."""
    page.locator(f"[id='{name}'] .x > summary").first.click()
    return evidence_in(page, name)


def evidence_in(page: Any, name: str) -> Any:
    """What an exchange shows once the page has made it: the browser says some time after a click that something is open."""
    inside = page.locator(f"[id='{name}'] .x .inside").first
    inside.locator("h5").first.wait_for()
    return inside


def test_a_page_of_three_hundred_requirements_makes_no_evidence_in_advance(shown: Any) -> None:
    """Of a page with 1,000 exchanges only the requirements are made; the evidence is, when it is opened (see benchmarks/page.py)."""
    page = shown("large")

    assert page.locator(".req").count() == 300
    assert page.locator(".x .inside > *").count() == 0


def test_filters_live_in_the_url(shown: Any) -> None:
    """A choice of verdict, area, tier and words is in the URL, and the URL makes the same choice."""
    page = shown("large")
    page.locator(".chip[data-verdict=fail]").click()
    page.select_option("select[name=area]", "stop")
    page.select_option("select[name=tier]", "core")
    page.fill("input[name=q]", '"a1')
    chosen = visible_ids(page)
    fragment = page.evaluate("location.hash.slice(1)")

    assert chosen
    assert all(name.startswith("STOP-") for name in chosen)
    assert visible_ids(shown("large", fragment)) == chosen
    assert "verdict=fail" in fragment


def test_two_verdicts_show_both(shown: Any) -> None:
    """Pressed verdicts add up, and a button shows everything again."""
    page = shown("small")
    page.locator(".chip[data-verdict=fail]").click()
    page.locator(".chip[data-verdict=warn]").click()
    chosen = visible_ids(page)
    said = page.locator("[role=status]").inner_text()
    page.locator(".reset").click()

    assert chosen == ["STOP-002", "STOP-003", "STREAM-002"]
    assert said == "3 of 8 requirements"
    assert len(visible_ids(page)) == 8


def test_nothing_that_fits_is_said(shown: Any) -> None:
    """A search without a result says so instead of showing an empty page."""
    page = shown("small", "q=nowhere")

    assert visible_ids(page) == []
    assert "nothing fits" in page.locator("[role=status]").inner_text()


def test_a_count_leads_to_what_it_counts(shown: Any) -> None:
    """A number of the chart is a link that filters."""
    page = shown("small")
    page.locator(".chart a", has_text="1 warn").click()
    page.wait_for_selector("[role=status]:has-text('1 of 8')")

    assert visible_ids(page) == ["STOP-003"]


def test_a_link_opens_its_requirement(shown: Any) -> None:
    """A deep link opens the requirement, brings it into view and gives it the focus, whatever the filters were."""
    page = shown("large", "verdict=pass")
    page.evaluate("location.hash = '#STREAM-291'")
    page.wait_for_selector("[id='STREAM-291'][open]")

    assert page.evaluate("document.activeElement.closest('.req').id") == "STREAM-291"
    assert 0 <= page.locator("[id='STREAM-291']").bounding_box()["y"] < DESK["height"]


def test_lines_are_copied_as_they_are(shown: Any) -> None:
    """The copy button puts the curl line on the clipboard, character for character."""
    page = shown("small", "STOP-002", permissions=["clipboard-read", "clipboard-write"])
    page.locator("[id='STOP-002'] .copy").first.click()
    page.wait_for_selector("text=Copied")

    expected = "curl -sS http://127.0.0.1:8000/v1/completions --data-raw '"
    assert page.evaluate("navigator.clipboard.readText()").startswith(expected)


def test_the_keyboard_is_enough(shown: Any) -> None:
    """Tab reaches a requirement, Enter opens it, and Tab goes on to its copy button and its evidence."""
    page = shown("small")
    page.locator("[id='STOP-002'] > summary").focus()
    page.keyboard.press("Enter")
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.className || document.activeElement.tagName"))
    page.locator("[id='STOP-002'] .x > summary").first.press("Enter")

    assert "button copy js-only" in reached
    assert "SUMMARY" in reached
    assert evidence_in(page, "STOP-002").inner_text().startswith("Sent: POST")


def test_a_difference_is_shown_as_one(shown: Any) -> None:
    """What only one of two answers has is marked as deleted or inserted."""
    page = shown("small", "STOP-002")
    table = page.locator("[id='STOP-002'] .difference")

    assert table.locator("tr", has_text="came: text").locator("del").all_inner_texts() == ["whole wide "]
    assert table.locator("tr", has_text="sent: stop").locator("ins").all_inner_texts() == ['["wide"]']


def test_the_timeline_marks_the_offending_event(shown: Any) -> None:
    """A stream shows arrivals, event borders and where an event was cut, and marks what is objected to."""
    page = shown("small", "STREAM-002")
    events = evidence_of(page, "STREAM-002").locator(".events > li")

    assert events.count() == 4
    assert page.locator(".events .bad").count() == 1
    assert "▸ objected to" in page.locator(".events .bad").inner_text()
    assert "next bytes at 140 ms" in events.nth(1).inner_text()
    assert "+130 ms" in events.nth(1).inner_text()
    assert page.locator(".strip line.bad").count() == 1
    assert "no blank line ends it" in events.nth(3).inner_text()


def test_invisible_characters_are_visible(shown: Any) -> None:
    """A right-to-left override in an answer is shown by its number, by script and by server alike."""
    inside = evidence_of(shown("small", "STREAM-002"), "STREAM-002")

    assert "U+202E" in inside.locator(".i").all_inner_texts()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_is_wider_than_the_screen(shown: Any, scheme: str, viewport: dict[str, int]) -> None:
    """The page fits a phone and a desk, with everything open."""
    page = shown("small", viewport=viewport, color_scheme=scheme)
    open_everything(page)

    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing(shown: Any, scheme: str, viewport: dict[str, int]) -> None:
    """The accessibility checks of axe-core have no complaint, with everything open."""
    pytest.importorskip(
        "axe_playwright_python", reason="axe-core is not installed (pip install -e '.[test]')"
    )
    page = shown("small", viewport=viewport, color_scheme=scheme, bypass_csp=True)
    open_everything(page)

    assert axe(page) == []


def axe(page: Any) -> list[str]:
    """What axe-core complains of."""
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    found = page.evaluate("axe.run(document)")["violations"]
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]


def open_everything(page: Any) -> None:
    """Open all details, those too that are made when evidence is opened, and wait until it is."""
    page.evaluate(OPEN_ALL)
    page.wait_for_function(ALL_MADE, timeout=120_000)  # ms: ten megabytes of a hostile answer take their time
    page.evaluate(OPEN_ALL)


def test_problems_are_printed_open(shown: Any) -> None:
    """Printing opens what is wrong, with the exchange that shows it, and closes it again."""
    page = shown("small")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    opened = page.eval_on_selector_all(".req[open]", "found => found.map(one => one.id)")
    page.evaluate("dispatchEvent(new Event('afterprint'))")

    assert opened == ["STOP-002", "STOP-003", "STOP-007", "STREAM-002"]
    assert page.locator(".req[open]").count() == 0
    assert page.locator("[id='STOP-002'] .x .inside > *").count() > 0


def test_the_page_is_readable_without_scripts(shown: Any) -> None:
    """Without scripts the page says what is wrong and how to repeat it."""
    page = shown("small", java_script_enabled=False)
    page.locator("[id='STOP-002'] > summary").click()
    text = page.locator("[id='STOP-002'] .body").inner_text()

    assert "the check of STOP-002 found something" in text
    assert "pytest --target-url=http://127.0.0.1:8000/v1 --model=tiny -k STOP-002" in text


def test_a_hostile_target_does_no_harm(shown: Any) -> None:
    """Markup, scripts, template syntax, escapes and 10 MB of text are shown as text, and no script of the target runs."""
    page = shown("hostile")
    open_everything(page)

    assert page.evaluate("window.harmed") is None
    assert (
        page.evaluate(
            "document.querySelectorAll('img, iframe, object, [onload], [onerror], [onmouseover]').length"
        )
        == 0
    )
    assert page.evaluate("document.scripts.length") == 2
    assert "49" not in page.locator("h1").inner_text()


def test_script_and_server_show_the_same_signs(shown: Any) -> None:
    """What `escape_html` makes of a hostile name, the script makes of the same text in an answer."""
    page = shown("hostile", "STOP-001")
    signs = "found => [...new Set(found.map(one => one.textContent))].sort()"
    by_server = page.eval_on_selector_all("h1 .i", signs)
    open_everything(page)
    by_script = page.eval_on_selector_all(".x .i", signs)

    assert set(by_server) - {"\\n"} <= set(by_script)
    assert {"U+202E", "U+001B", "U+2028", "U+0301"} <= set(by_server)


def test_the_policy_allows_no_other_script(chromium: Browser, reports: Reports) -> None:
    """A script that got into the page in spite of everything is not run, and nothing can be loaded."""
    with chromium.page() as watched:
        page = watched.open(reports("small") / "index.html")
        with page.expect_console_message(lambda found: "x.png" in found.text) as complaint:
            page.evaluate("""() => {
                const script = document.createElement('script');
                try { script.textContent = 'window.harmed = 1' } catch { }
                document.head.append(script);
                const image = new Image();
                image.src = 'http://127.0.0.1:9/x.png';
                document.body.append(image);
            }""")

        assert "Content Security Policy" in complaint.value.text
        assert page.evaluate("window.harmed") is None


def test_the_embedded_data_are_json(reports: Reports) -> None:
    """The data of the page can be read back, and hold no character that ends a script element."""
    text = (reports("hostile") / "index.html").read_text("utf-8")
    embedded = text.partition('id="data">')[2].partition("</script>")[0]

    assert not set("<>&\u2028") & set(embedded)
    assert json.loads(embedded)["exchanges"]
