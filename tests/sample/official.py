"""Where the sample is, and how its files are read."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "sample"


def rows(path: Path) -> list[list[str]]:
    """The cells of an official file, its header included."""
    return [line.split("\t") for line in path.read_text(encoding="utf-8").removesuffix("\n").split("\n")]
