"""Chromium, as it is installed on this machine: pictures of pages, and what a script finds in them."""

import shutil
import subprocess
import tempfile

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> str | None:
    """The browser's program, None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def run(program: str, address: str, *options: str) -> str:
    """Open a page without a window and with a profile of its own; what the browser prints."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}",
             *options, address],
            check=True, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    return done.stdout
