"""The page's figures: score against compute or experts, held-out loss over the steps, differences with intervals.

A colour is a family of models; a ring instead of a dot, or a broken line, is a student that had an assistant.
"""

import math
import re
from collections.abc import Mapping, Sequence

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from minimoe.report.collect import Results
from minimoe.report.comparisons import Comparison, Pair
from minimoe.report.drawing import ROLES, STYLE, Spot, place_labels, to_svg
from minimoe.report.models import Model
from minimoe.report.scores import big, loss, over_groups
from minimoe.report.seeds import SeedGroup

WIDTH = 4.6  # inches: letters stay legible where a page is as narrow as a telephone
ALIKE = 0.05  # multiply-adds that differ by no more than this share stand side by side
LABELLED = 12  # points or lines that all get a label; of more, those that matter
DOT = {"marker": "o", "markersize": 6.5, "markeredgewidth": 1.6, "zorder": 2}
SKIPPED = 0.25  # of a curve's steps: the steep start, which would flatten all that follows


def compute_figure(results: Results, scores: pd.Series, label: str, pairs: Sequence[Pair]) -> str:
    """`scores` (index: model) against multiply-adds, log x; a line joins each mixture and its dense twin."""
    counts = results.costs.iloc[:, 0]
    macs, alone = side_by_side(counts), levels(counts)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
        axes = figure.add_subplot(xscale="log", xlabel="multiply-adds of one sequence", ylabel=label)
        axes.grid(axis="y")
        for pair in pairs:
            for ends in map(list, zip(*pair.sides, strict=False)):  # of several seeds, one by one
                axes.plot(macs[ends], scores[ends], color=ROLES["muted"], linewidth=1, zorder=1)
        for place, (name, model) in enumerate(results.models.items()):
            axes.plot(macs[name], scores[name], **_dot(model), gid=f"mark-{place}")
        axes.margins(x=0.35, y=0.1)
        low, high = axes.get_xlim()
        alike = counts.max() < 1.1 * counts.min()
        decades = LogLocator(subs=(1, 2, 5) if high < 30 * low else (1, 3))
        axes.xaxis.set_major_locator(FixedLocator([alone.median()]) if alike else decades)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: re.sub(r"\.0+(?=\D)", "", big(value))))
        axes.xaxis.set_minor_formatter(NullFormatter())
        few = len(scores) <= LABELLED
        named = list(scores.index) if few else front(alone, scores)
        labels = _names(list(results.models))
        spots = [Spot(labels[name], macs[name], scores[name]) for name in named]
        place_labels(figure, axes, spots, list(zip(macs[scores.index], scores, strict=True)), must=few)
        titles = [f"{name}: {scores[name]:.1f}, {big(counts[name])} multiply-adds" for name in results.models]
        return to_svg(figure, f"compute-{label}", titles)


def curves_figure(results: Results, models: Sequence[Model]) -> str | None:
    """Held-out loss of students of one round over the steps, without the start; None if none was trained."""
    round_ = models[0].round
    curves = results.curves[(results.curves["round"] == round_) & results.curves.heldout_loss.notna()]
    by_name = {model.name.partition("/")[2]: model for model in models if model.steps}
    curves = curves[curves.student.isin(by_name)]
    if curves.empty:
        return None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.8), layout="constrained")
        axes = figure.add_subplot(xlabel="step", ylabel="held-out loss")
        axes.grid(axis="y")
        ends, titles = [], []
        for student, curve in curves.groupby("student", sort=False):
            model = by_name[student]
            style = {"color": ROLES[model.family], "linestyle": "--" if model.assisted else "-", "linewidth": 1.8}
            axes.plot(curve.step, curve.heldout_loss, **style, gid=f"mark-{len(titles)}")
            step, last = curve.step.iloc[-1], curve.heldout_loss.iloc[-1]
            ends.append(Spot(f"{student}  {loss(last)}", step, last))
            titles.append(f"{student}: {loss(last)} at the end")
        steps = curves.step.max()
        late = curves[curves.step >= SKIPPED * steps].heldout_loss
        room = 0.06 * (late.max() - late.min()) or 0.01
        axes.set_ylim(late.min() - room, late.max() + room)
        axes.set_xlim(0, steps)
        place_labels(figure, axes, ends, [], sides=[1], must=len(ends) <= LABELLED)
        return to_svg(figure, f"curves-{models[0].name}", titles)


def experts_figure(results: Results, sweep: Sequence[SeedGroup], label: str, scores: pd.DataFrame) -> str:
    """Score and held-out loss over the feed-forward experts; a line for each number of attention experts."""
    names = {group.name: group.names for group in sweep}
    losses = {model.name: model.heldout_loss for group in sweep for model in group.members}
    losses = over_groups(pd.DataFrame({"mean": losses, "std": float("nan")}), names)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
        titles: list[str] = []
        for place, (ylabel, values, form) in enumerate(
            [(label, over_groups(scores, names), "{:.1f}".format), ("held-out loss", losses, loss)]
        ):
            axes = figure.add_subplot(1, 2, place + 1, xlabel="feed-forward experts", ylabel=ylabel)
            axes.set_xscale("log", base=2)
            axes.grid(axis="y")
            spots = _sweep_lines(axes, sweep, values, len(titles))
            titles += [f"{m.name}: {form(values.loc[m.name, 'mean'])}" for m in sweep]
            axes.margins(x=0.12, y=0.15)
            axes.set_xticks(counts := sorted({m.first.experts[1] for m in sweep}), counts)
            axes.xaxis.set_minor_locator(NullLocator())
            points = [(m.first.experts[1], values.loc[m.name, "mean"]) for m in sweep]
            place_labels(figure, axes, spots, points)
        return to_svg(figure, f"experts-{sweep[-1].name}", titles)


def differences_figure(
    comparisons: Sequence[Comparison], models: Mapping[str, Model], name: str, scale: tuple[float, float]
) -> str:
    """Each comparison as a dot with its interval beside a zero line, in the colour of its first model.

    scale: the least and the most points that the axis reaches.
    """
    count, labels = len(comparisons), _pair_labels(comparisons, models)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.75 + 0.45 * count), layout="constrained")
        axes = figure.add_subplot(xlabel="points", yticks=[])
        for place, pair in enumerate(comparisons):
            model = models.get(pair.first)  # a mean of several students is none of them
            colour = ROLES[model.family if model else "ink"]
            axes.plot([0, 0], [place - 0.18, place + 0.28], color=ROLES["muted"], linewidth=1, zorder=1)
            axes.plot([pair.low, pair.high], [place, place], color=colour, linewidth=2.2, alpha=0.5)
            axes.plot(pair.mean, place, **_dot(model), gid=f"mark-{place}")
            axes.text(0, place - 0.38, labels[place], fontsize=9, va="center", transform=axes.get_yaxis_transform())
        axes.set_ylim(count - 0.6, -0.7)
        axes.set_xlim(*scale)
        axes.spines["left"].set_visible(False)
        titles = [f"{c.first} minus {c.second}: {c.evidence}; {c.verdict}" for c in comparisons]
        return to_svg(figure, f"differences-{name}", titles)


def scale_of(comparisons: Sequence[Comparison]) -> tuple[float, float]:
    """Points from the lowest to the highest end of an interval, zero included, with a little room."""
    ends = [0.0, *(end for c in comparisons for end in (c.mean, c.low, c.high))]
    room = 0.05 * (max(ends) - min(ends)) or 1.0
    return min(ends) - room, max(ends) + room


def side_by_side(macs: pd.Series) -> pd.Series:
    """Multiply-adds as they are drawn: those nearly equal are spread about their mean, by a dot's width each."""
    step = 1 + 0.035 * math.log(macs.max() / macs.min()) / math.log(10) if len(macs) > 1 else 1
    drawn = levels(macs).loc[macs.sort_values(kind="stable").index]
    drawn = drawn.groupby(drawn).transform(
        lambda own: own * step ** (pd.Series(range(len(own)), own.index) - (len(own) - 1) / 2)
    )
    return drawn[macs.index]


def levels(macs: pd.Series) -> pd.Series:
    """Multiply-adds, those nearly equal as their mean."""
    ordered = macs.sort_values(kind="stable")
    groups = (ordered > (1 + ALIKE) * ordered.shift()).cumsum()
    return ordered.groupby(groups).transform("mean")[macs.index]


def front(macs: pd.Series, scores: pd.Series) -> list[str]:
    """The models that no other beats with as few multiply-adds."""
    table = pd.DataFrame({"macs": macs, "score": scores}).sort_values(["macs", "score"], ascending=[True, False])
    return list(table.index[table.score > table.score.cummax().shift(fill_value=float("-inf"))])


def _sweep_lines(axes: Axes, sweep: Sequence[SeedGroup], values: pd.DataFrame, first_mark: int) -> list[Spot]:
    """A line for each number of attention experts; a name for each where there are several."""
    spots = []
    lines = sorted({group.first.experts[0] for group in sweep})
    for attention in lines:
        line = [group for group in sweep if group.first.experts[0] == attention]
        x, y = [m.first.experts[1] for m in line], values.loc[[m.name for m in line], "mean"]
        axes.plot(x, y, color=ROLES["muted"], linewidth=1, zorder=1)
        if len(lines) > 1:
            spots.append(Spot(f"{attention} attention", x[-1], y.iloc[-1]))
    for place, group in enumerate(sweep):
        model, (mean, std) = group.first, values.loc[group.name, ["mean", "std"]]
        if not pd.isna(std):
            axes.plot([model.experts[1]] * 2, [mean - std, mean + std], color=ROLES[model.family], alpha=0.5)
        axes.plot(model.experts[1], mean, **_dot(model), gid=f"mark-{first_mark + place}")
    return spots


def _dot(model: Model | None) -> dict:
    """The marker of a model; of the mean of several where it is None."""
    colour = ROLES[model.family if model else "ink"]
    fill = ROLES["card"] if model and model.assisted else colour
    return DOT | {"color": colour, "markerfacecolor": fill, "markeredgecolor": colour}


def _pair_labels(comparisons: Sequence[Comparison], models: Mapping[str, Model]) -> list[str]:
    """The two models of every pair; a mean of several students keeps its name."""
    names = _names(list(models))
    return [f"{names.get(c.first, c.first)} − {names.get(c.second, c.second)}" for c in comparisons]


def _names(models: Sequence[str]) -> dict[str, str]:
    """What each model is called in a figure: its short name, where that is no part of another's."""
    short = [_short(name) for name in models]
    alone = [sum(own in other for other in short) == 1 for own in short]
    return {name: own if only else name for name, own, only in zip(models, short, alone, strict=True)}


def _short(name: str) -> str:
    return name.rpartition("/")[2]
