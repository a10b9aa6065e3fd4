"""The page of `fflm serve` in a browser: typing, sampling, colours, words, a run, errors; keyboard, widths, dark."""

import json
import shutil

import pytest
from conftest import noisy

import fflm

playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
pytest.importorskip("fastapi", reason="needs the serve extra")
from test_server import Client  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


@pytest.fixture(scope="module")
def client(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    (folder / "lines.txt").write_text(noisy(60, seed=1))
    models["mixture"].save(folder / "mixture")
    fflm.train(
        folder / "lines.txt", out=folder / "run", epochs=3, hidden_dims=8, embedding_dim=4, ngram_order=0, quiet=True
    )
    client = Client([folder / "mixture", folder / "run"])
    yield client
    client.close()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, client):
    """A fresh page; at the end no script has failed and nothing was refused by the policy of the page."""
    page, problems = browser.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(f"http://127.0.0.1:{client.port}/")
    page.wait_for_selector("#next tbody tr")
    yield page
    page.close()
    assert [one for one in problems if "status of 400" not in one] == []


def words(page):
    return [cell.strip() for cell in page.locator("#next tbody td:first-child").all_inner_texts()]


def test_typing_changes_the_next_words_and_a_word_is_written_by_a_click(page, client):
    page.fill("#context", "the cat sat on the ")
    page.locator("#influence span", has_text="sat").wait_for()
    found = client.ask("predict", {"context": "the cat sat on the ", "top": 12})["predictions"]
    assert words(page) == [one["word"] for one in found]
    assert page.locator("#legend").inner_text().split() == ["neural", "n-gram", "n-gram", "2", "cache"] or page.locator(
        "#legend .key"
    ).count() == len(found[0]["parts"])
    page.locator("#next tbody button").first.click()
    assert page.input_value("#context") == f"the cat sat on the {found[0]['word']} "
    page.fill("#context", "the cat sat on the m")  # a word begun
    page.locator("#next tbody tr:only-child").wait_for()
    assert words(page) == ["mat"]
    page.get_by_role("button", name="write mat").click()
    assert page.input_value("#context") == "the cat sat on the mat "


def test_another_word_is_looked_at_by_its_bar(page):
    page.fill("#context", "the dog sat ")
    page.locator("#influence span", has_text="dog").wait_for()
    page.get_by_role("button", name="what the context adds to with").click()
    page.locator("#influence-title", has_text="What the context adds to with").wait_for()


def test_samples_are_drawn_again_with_another_seed(page):
    page.get_by_role("tab", name="Sample").click()
    page.fill("#prompt", "the cat")
    page.get_by_role("button", name="Sample", exact=True).click()
    page.locator("#samples-out li").nth(1).wait_for()
    first = page.locator("#samples-out").inner_text()
    page.get_by_role("button", name="Other ones").click()
    page.wait_for_timeout(100)
    page.locator("#samples-out li").nth(1).wait_for()
    assert page.input_value("#seed") == "2"
    page.fill("#seed", "1")
    with page.expect_response("**/api/sample"):
        page.get_by_role("button", name="Sample", exact=True).click()
    page.wait_for_timeout(200)
    assert page.locator("#samples-out").inner_text() == first


def test_a_text_is_coloured_with_its_lines_two_models_side_by_side(page, client):
    page.get_by_role("tab", name="Surprisal").click()
    text = "the cat sat\n\n\U0001f600 on the <b>mat</b> zebra"
    page.fill("#text", text)
    page.locator("#second").select_option(index=2)
    page.get_by_role("button", name="Colour by surprisal").click()
    boxes = page.locator(".scored")
    boxes.nth(1).wait_for()
    for number in (0, 1):
        assert boxes.nth(number).evaluate("box => box.textContent") == text
    assert "zebra" in page.locator(".scored .unknown").all_inner_texts()
    colours = [
        boxes.nth(0).locator("span", has_text=word).first.evaluate("node => getComputedStyle(node).backgroundColor")
        for word in ("cat", "zebra")
    ]
    assert colours[0] != colours[1]
    boxes.nth(0).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    bits = client.ask("score", {"text": text})["texts"][0]["words"][1]["surprisal"]
    assert page.locator("#word-now").inner_text().endswith(f"cat: {bits:.2f} bits")


def test_a_click_on_a_word_of_the_map_shows_its_neighbors(page):
    page.get_by_role("tab", name="Words").click()
    page.locator("#map button", has_text="cat").click()
    page.locator("#near li").nth(2).wait_for()
    assert page.locator("#near-title").inner_text() == "Neighbors of cat"
    assert page.locator("#map button.near").count() > 1


def test_a_run_has_its_curve_and_samples(page):
    page.locator("#model").select_option(index=1)
    page.get_by_role("tab", name="Training").click()
    page.locator("#history tbody tr").nth(2).wait_for()
    assert page.locator("#run-state").inner_text().startswith("Finished. The run's model: validation perplexity ")
    assert page.locator("#curve svg circle").count() == 3
    assert " | " in page.locator("#history tbody td").nth(3).inner_text()
    page.locator("#model").select_option(index=0)
    assert page.get_by_role("tab", name="Training").count() == 0  # the mixture is no run
    assert page.get_by_role("tab", name="Next word").get_attribute("aria-selected") == "true"


def test_what_is_wrong_is_said_and_goes_away(page):
    page.get_by_role("tab", name="Words").click()
    page.fill("#word", "zebra")
    page.get_by_role("button", name="Neighbors", exact=True).click()
    page.locator("#problem", has_text="'zebra' is not in the vocabulary").wait_for()
    page.fill("#word", "cat")
    page.get_by_role("button", name="Neighbors", exact=True).click()
    page.locator("#near li").first.wait_for()
    assert page.locator("#problem").is_hidden()


def test_a_server_that_has_gone_is_named(browser, models, tmp_path):
    models["kn"].save(tmp_path / "kn")
    client = Client([tmp_path / "kn"], token="a-long-token")
    page = browser.new_page()
    try:
        page.goto(f"http://127.0.0.1:{client.port}/")
        page.locator("#problem", has_text="the token is missing or wrong").wait_for()
        page.goto(f"http://127.0.0.1:{client.port}/#token=a-long-token")
        page.reload()
        page.wait_for_selector("#next tbody tr")
        assert "token" not in page.url and page.get_by_role("tab", name="Words").count() == 0
        page.get_by_role("tab", name="Surprisal").click()
        assert page.locator("#text").is_visible() and page.locator("#second").is_hidden()  # there is no other model
        page.get_by_role("tab", name="Next word").click()
    finally:
        client.close()
    page.fill("#context", "the ")
    page.locator("#problem", has_text="the server does not answer; is it still running?").wait_for()
    page.close()


def test_it_can_be_used_by_keyboard_alone(page):
    page.get_by_role("tab", name="Next word").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("tabpanel", name="Sample").is_visible()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    assert page.evaluate_handle("document.activeElement").get_property("id").json_value() == "context"
    page.keyboard.type("the cat ")
    page.locator("#influence span", has_text="cat").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert len(page.input_value("#context").split()) == 3
    for control in page.locator("button, input, select, textarea").all():
        named = control.evaluate("node => (node.labels && node.labels.length) || node.textContent || node.ariaLabel")
        assert named, control.evaluate("node => node.outerHTML")


@pytest.mark.parametrize("width", [360, 768, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read_at_every_width_light_and_dark(page, width, scheme):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    for tab in page.get_by_role("tab").all():
        tab.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground, ink = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color"))
    light = [sum(json.loads("[" + colour.partition("(")[2].rstrip(")") + "]")[:3]) for colour in (ground, ink)]
    assert (light[0] > 600 and light[1] < 150) if scheme == "light" else (light[0] < 150 and light[1] > 600)
