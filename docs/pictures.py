"""Make the picture of the sample's report page that README shows: `python docs/pictures.py reports/index.html`.

Needs Chromium, and Pillow to reduce the picture to 256 colours.
"""

import sys
import tempfile
from pathlib import Path

import browser
from PIL import Image

OUT = Path(__file__).parent / "images/report.png"
WIDTH, HEIGHT = 1200, 770  # of the window, in CSS pixels


def picture(page: Path, out: Path) -> None:
    """Write what a browser shows of the file `page`, at the top, to the PNG file `out`."""
    program = browser.find()
    if program is None:
        sys.exit("pictures: expected chromium or google-chrome on the PATH; install one of them")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder, "shot.png")
        browser.run(program, page, f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={shot}")
        with Image.open(shot) as image:
            out.parent.mkdir(exist_ok=True)
            image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        sys.exit("usage: python docs/pictures.py PAGE, a report page such as reports/index.html; make repro writes one")
    picture(Path(sys.argv[1]), OUT)
