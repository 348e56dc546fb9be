"""Convert figures to SVG that takes colours and font from the page around it, and place labels.

matplotlib draws with placeholder colours, one per role; in the SVG each becomes a CSS variable, so one figure
serves light and dark. A mark carries a <title>, which browsers show on hover and screen readers read.
"""

import io
import re
from collections.abc import Sequence
from html import escape
from itertools import product
from typing import NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minimoe.report.models import FAMILIES

ROLES = {name: f"#01010{place}" for place, name in enumerate(["ink", "muted", "rule", "card"])}
ROLES |= {family: f"#02020{place}" for place, family in enumerate(FAMILIES)}
STYLE = {
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": ROLES["ink"],
    "axes.edgecolor": ROLES["rule"],
    "axes.labelcolor": ROLES["muted"],
    "xtick.color": ROLES["muted"],
    "ytick.color": ROLES["muted"],
    "grid.color": ROLES["rule"],
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}
LETTER, LINE = 5.4, 12  # width and height of a label's letter, in points
NEAR = (0, 6, -6)  # how far up a label may be put, in points, nearest first
FAR = (*NEAR, 12, -12, 18, -18, 24, -24, 36, -36, 48, -48)  # with a line back to its point


class Spot(NamedTuple):
    """A text and the point it names, in data coordinates."""

    text: str
    x: float
    y: float


class Box(NamedTuple):
    """A rectangle on the page, in points."""

    left: float
    right: float
    bottom: float
    top: float

    def meets(self, other: "Box") -> bool:
        """Whether the two share an area."""
        apart = self.left >= other.right or other.left >= self.right
        return not (apart or self.bottom >= other.top or other.bottom >= self.top)


def slug(role: str) -> str:
    """A role's name as a CSS class or variable."""
    return role.lower().replace(" ", "-")


def place_labels(
    figure: Figure, axes: Axes, spots: Sequence[Spot], points: Sequence[tuple[float, float]],
    sides: Sequence[int] = (1, -1), must: bool = True,
) -> None:  # fmt: skip
    """Write each text beside its point, as near as it can be without covering a point or an earlier label.

    points: what must stay visible. sides: 1 right, -1 left of the point, in order of preference. With `must`
    a text may move away from its point and is written even where it covers something; without, it is left out.
    """
    figure.get_layout_engine().execute(figure)  # only now does every point have its place on the page
    scale = 72 / figure.dpi
    frame = axes.get_window_extent()
    taken = [_around(*(axes.transData.transform(point) * scale)) for point in points]
    for spot in sorted(spots, key=lambda spot: -spot.y):
        x, y = axes.transData.transform((spot.x, spot.y)) * scale
        for shift, side in product(FAR if must else NEAR, sides):
            box = _label_box(spot.text, x, y + shift, side)
            outside = len(sides) > 1 and (box.left < frame.x0 * scale or box.right > frame.x1 * scale)
            if not outside and not any(box.meets(other) for other in taken):
                break
        else:
            if not must:
                continue
            shift, side, box = 0, sides[0], _label_box(spot.text, x, y, sides[0])
        taken.append(box)
        _write(axes, spot, shift, side)


def to_svg(figure: Figure, name: str, titles: Sequence[str]) -> str:
    """The figure as an <svg> element without fixed size, fonts or colours; the mark `mark-i` gets titles[i]."""
    file = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):  # the same bytes every time, and no id twice on a page
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r" font-family: [^;\"]*;?", "", svg)
    for role, colour in ROLES.items():
        svg = svg.replace(colour, f"var(--{slug(role)})")
    for place, title in enumerate(titles):
        svg = svg.replace(f'<g id="mark-{place}">', f'<g class="mark"><title>{escape(title)}</title>')
    return re.sub(r'<g id="[A-Za-z0-9.]+_\d+"(/?)>', r"<g\1>", svg)


def _around(x: float, y: float) -> Box:
    return Box(x - 4, x + 4, y - 4, y + 4)


def _label_box(text: str, x: float, y: float, side: int) -> Box:
    near, far = x + 7 * side, x + (7 + LETTER * len(text)) * side
    return Box(min(near, far), max(near, far), y - LINE / 2, y + LINE / 2)


def _write(axes: Axes, spot: Spot, shift: float, side: int) -> None:
    """The text, and a thin line to its point where it had to move away."""
    line = {"arrowstyle": "-", "color": ROLES["muted"], "linewidth": 0.6, "shrinkA": 1, "shrinkB": 4}
    axes.annotate(
        spot.text, (spot.x, spot.y), ((7 if abs(shift) < LINE else 14) * side, shift), fontsize=9,
        textcoords="offset points", ha="left" if side > 0 else "right", va="center", annotation_clip=False,
        arrowprops=line if abs(shift) >= LINE else None,
    )  # fmt: skip
