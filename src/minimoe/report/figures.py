"""The page's figures: score against compute, held-out loss over the steps, differences with their intervals."""

from collections.abc import Sequence

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from minimoe.report.collect import Results
from minimoe.report.comparisons import Comparison
from minimoe.report.drawing import ROLES, STYLE, Spot, place_labels, to_svg
from minimoe.report.tables import big

LABELLED = 12  # points or lines that all get a label; of more, those that matter
DOT = {"marker": "o", "markersize": 7, "markeredgewidth": 0, "zorder": 2}
SKIPPED = 0.25  # of a curve's steps: the steep start, which would flatten all that follows


def compute_figure(results: Results, scores: pd.Series, label: str, pairs: Sequence[Comparison]) -> str:
    """`scores` (index: model) against multiply-adds, log x; a line joins each mixture and its dense twin."""
    macs = results.costs.iloc[:, 0]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        axes = figure.add_subplot(xscale="log", xlabel="multiply-adds of one sequence", ylabel=label)
        axes.grid(axis="y")
        for pair in pairs:
            ends = [pair.first, pair.second]
            axes.plot(macs[ends], scores[ends], color=ROLES["muted"], linewidth=1, zorder=1)
        for place, (name, model) in enumerate(results.models.items()):
            mark = {"color": ROLES[model.kind], "gid": f"mark-{place}"}
            axes.plot(macs[name], scores[name], **DOT, **mark)
        axes.margins(x=0.35, y=0.1)
        low, high = axes.get_xlim()
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 30 * low else (1, 3)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: big(value).replace(".0", "")))
        axes.xaxis.set_minor_formatter(NullFormatter())
        few = len(scores) <= LABELLED
        named = list(scores.index) if few else front(macs, scores)
        spots = [Spot(_short(name), macs[name], scores[name]) for name in named]
        place_labels(figure, axes, spots, list(zip(macs[scores.index], scores, strict=True)), must=few)
        titles = [f"{name}: {scores[name]:.1f}, {big(macs[name])} multiply-adds" for name in results.models]
        return to_svg(figure, f"compute-{label}", titles)


def curves_figure(results: Results, round_: str) -> str | None:
    """Held-out loss of a round's students over the steps, without the start; None if none was trained."""
    curves = results.curves[(results.curves["round"] == round_) & results.curves.heldout_loss.notna()]
    last = curves.groupby("student").step.max()
    curves = curves[curves.student.map(last) > 0]
    if curves.empty:
        return None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.add_subplot(xlabel="step", ylabel="held-out loss")
        axes.grid(axis="y")
        ends, titles = [], []
        for student, curve in curves.groupby("student", sort=False):
            colour = ROLES[results.models[f"{round_}/{student}"].kind]
            axes.plot(curve.step, curve.heldout_loss, color=colour, linewidth=1.8, gid=f"mark-{len(titles)}")
            step, loss = curve.step.iloc[-1], curve.heldout_loss.iloc[-1]
            ends.append(Spot(f"{student}  {loss:.4f}", step, loss))
            titles.append(f"{student}: {loss:.4f} at the end")
        late = curves[curves.step >= SKIPPED * last.max()].heldout_loss
        room = 0.06 * (late.max() - late.min()) or 0.01
        axes.set_ylim(late.min() - room, late.max() + room)
        axes.set_xlim(0, last.max())
        place_labels(figure, axes, ends, [], sides=[1], must=len(ends) <= LABELLED)
        return to_svg(figure, f"curves-{round_}", titles)


def differences_figure(comparisons: Sequence[Comparison], kinds: Sequence[str], name: str) -> str:
    """Each comparison as a dot with its interval beside a zero line; `kinds` gives each its colour."""
    count = len(comparisons)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.8, 0.75 + 0.45 * count), layout="constrained")
        axes = figure.add_subplot(xlabel="points", yticks=[])
        for place, (pair, kind) in enumerate(zip(comparisons, kinds, strict=True)):
            axes.plot([0, 0], [place - 0.18, place + 0.28], color=ROLES["muted"], linewidth=1, zorder=1)
            if pair.low is not None:
                axes.plot([pair.low, pair.high], [place, place], color=ROLES[kind], linewidth=2.2, alpha=0.5)
            axes.plot(pair.mean, place, **DOT, color=ROLES[kind], gid=f"mark-{place}")
            label = f"{_short(pair.first)} − {_short(pair.second)}"
            axes.text(0, place - 0.38, label, fontsize=9, va="center", transform=axes.get_yaxis_transform())
        axes.set_ylim(count - 0.6, -0.7)
        axes.spines["left"].set_visible(False)
        titles = [f"{c.first} minus {c.second}: {c.evidence}; {c.verdict}" for c in comparisons]
        return to_svg(figure, f"differences-{name}", titles)


def front(macs: pd.Series, scores: pd.Series) -> list[str]:
    """The models that no other beats with as few multiply-adds."""
    table = pd.DataFrame({"macs": macs, "score": scores}).sort_values(["macs", "score"], ascending=[True, False])
    return list(table.index[table.score > table.score.cummax().shift(fill_value=float("-inf"))])


def _short(name: str) -> str:
    return name.rpartition("/")[2]
