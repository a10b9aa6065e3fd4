"""Take the pictures of fflm/docs/serve.md and README: the page of `fflm serve` in headless Chromium.

    python -m pip install '.[serve]' playwright
    python scripts/pictures.py runs/stdlib

Writes fflm/docs/serve_next_word.png and fflm/docs/serve_surprisal.png.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

DOCS = Path(__file__).resolve().parent.parent / "fflm" / "docs"
CONTEXT = "If the file does not exist, an "
TEXT = """Return the value of the object, or None if there is no such key.
If the file does not exist, an error is raised.

Colorless green ideas sleep furiously. The qxzv returns a string."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", metavar="MODEL")
    model = parser.parse_args().model
    command = [sys.executable, "-m", "fflm", "serve", model, "--port", "0", "--json", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            take(json.loads(server.stdout.readline())["url"])
        finally:
            server.terminate()


def take(url: str) -> None:
    """Take both pictures."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 960, "height": 560})
        page.goto(url)
        page.fill("#context", CONTEXT)
        page.locator("#influence span", has_text="exist").wait_for()
        page.screenshot(path=DOCS / "serve_next_word.png", full_page=True)
        page.get_by_role("tab", name="Surprisal").click()
        page.fill("#text", TEXT)
        page.get_by_role("button", name="Colour by surprisal").click()
        page.locator(".scored").wait_for()
        page.locator("#scored").screenshot(path=DOCS / "serve_surprisal.png")
        browser.close()


if __name__ == "__main__":
    main()
