"""Pictures of every page in every state, to be looked at one by one: `make screenshots`.

Phone and desktop, light and dark, and how it is printed. Two of them are in `docs/`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, sync_playwright

from tests.find_browser import find_browser
from tests.real.browser.scene import PAGES, Scene, open_scene
from tests.real.harness import Site

WINDOWS: Final = {"phone": (390, 844), "desktop": (1280, 800)}  # pixels
SCHEMES: Final = ("light", "dark")


def take_all(scene: Scene, browser: Browser, folder: Path, names: list[str]) -> None:
    """Save `NAME-WINDOW-SCHEME.png` of each page, and `NAME-print.png`."""
    for window, (width, height) in WINDOWS.items():
        for scheme in SCHEMES:
            look: Any = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
            with browser.new_context(**look) as context:
                page = context.new_page()
                for name in names:
                    page.goto(scene[name])
                    page.screenshot(path=folder / f"{name}-{window}-{scheme}.png")
    with browser.new_context(color_scheme="dark") as context:  # paper is light all the same
        page = context.new_page()
        page.emulate_media(media="print")
        for name in names:
            page.goto(scene[name])
            page.screenshot(path=folder / f"{name}-print.png")


def main() -> None:
    """Read the arguments, set the scene, take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--earlier", type=int, default=10_000, help="ended builds of before")
    parser.add_argument("--only", nargs="*", choices=PAGES, default=list(PAGES), metavar="PAGE")
    wanted = parser.parse_args()
    wanted.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        site = Site(Path(temporary))
        try:
            scene = open_scene(site, wanted.earlier)
            with playwright.chromium.launch(
                executable_path=find_browser(), args=["--disable-gpu", "--no-proxy-server"]
            ) as browser:
                take_all(scene, browser, wanted.folder, wanted.only)
        finally:
            site.close()
    sys.stdout.write(f"{wanted.folder}: {len(wanted.only)} pages\n")


if __name__ == "__main__":
    main()
