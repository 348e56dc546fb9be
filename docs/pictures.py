"""Make the pictures that README shows, of a run that is done: `python docs/pictures.py`, in the project's folder.

The report page, and MLflow's comparison of the students of the first round. Needs Chromium, and Pillow to reduce a
picture to 256 colours.
"""

import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

import browser
from PIL import Image

from minimoe import tracking
from minimoe.params import load

OUT = Path(__file__).parent / "images"
PAGE = Path("reports/index.html")
SIZE = (1200, 770)  # of the window, in CSS pixels
ASSISTANT = 400  # pixels, at the right, of the panel with which MLflow opens; it is cut off
PATIENCE = 60  # seconds until MLflow serves
DRAWN = "--virtual-time-budget=30000"  # milliseconds of the page's own clock, in which it asks for values and draws


def main() -> None:
    """Write both pictures."""
    program = browser.find()
    if program is None:
        sys.exit("pictures: expected chromium or google-chrome on the PATH; install one of them")
    if not PAGE.is_file():
        sys.exit(f"pictures: no {PAGE} here; make repro writes it")
    picture(program, PAGE.resolve().as_uri(), OUT / "report.png")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = subprocess.Popen(
        [sys.executable, "-m", "minimoe", "ui", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/health")
        picture(program, f"http://127.0.0.1:{port}/{comparison()}", OUT / "mlflow.png", DRAWN, beside=ASSISTANT)
    finally:
        served.terminate()
        served.wait()


def comparison() -> str:
    """The part of the address of MLflow's page that compares the runs of the first round's students."""
    params = load()
    client, experiment = tracking.connect(params.runtime.tracking)
    name = next(iter(params.rounds))
    found = client.search_runs([experiment], f"tags.stage = 'distill' and tags.round = '{name}'")
    runs = sorted(
        (run for run in found if "student" in run.data.tags and run.data.metrics), key=lambda run: run.info.run_name
    )
    chosen = {run.data.tags["student"]: run.info.run_id for run in runs}  # of a student that was run twice, one
    return f"#/compare-runs?runs={quote(json.dumps([*chosen.values()]))}&experiments={quote(json.dumps([experiment]))}"


def wait_for(address: str) -> None:
    """Wait until a server answers."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(OSError), closing(urllib.request.urlopen(address, timeout=5)):
            return
        time.sleep(0.5)
    sys.exit(f"pictures: MLflow did not answer in {PATIENCE} s at {address}")


def picture(program: str, address: str, out: Path, *options: str, beside: int = 0) -> None:
    """Write the top of a page as the browser shows it to the PNG file `out`, without `beside` pixels at the right."""
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder, "shot.png")
        browser.run(program, address, f"--window-size={SIZE[0] + beside},{SIZE[1]}", f"--screenshot={shot}", *options)
        with Image.open(shot) as image:
            out.parent.mkdir(exist_ok=True)
            image.crop((0, 0, *SIZE)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, optimize=True)


if __name__ == "__main__":
    main()
