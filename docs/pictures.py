"""Make the picture of the sample's report page that README shows: `python docs/pictures.py reports/index.html`.

Needs Chromium, and Pillow to reduce the picture to 256 colours.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

OUT = Path(__file__).parent / "images/report.png"
WIDTH, HEIGHT = 1200, 770  # of the window, in CSS pixels


def picture(page: Path, out: Path) -> None:
    """Write what a browser shows of the file `page`, at the top, to the PNG file `out`."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        sys.exit("pictures: expected chromium or google-chrome on the PATH; install one of them")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder, "shot.png")
        subprocess.run(
            [browser, "--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={folder}/profile",
             f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={shot}", page.resolve().as_uri()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        with Image.open(shot) as image:
            out.parent.mkdir(exist_ok=True)
            image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        sys.exit("usage: python docs/pictures.py PAGE, a report page such as reports/index.html; make repro writes one")
    picture(Path(sys.argv[1]), OUT)
