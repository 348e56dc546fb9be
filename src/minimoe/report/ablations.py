"""The small tables beside the large one: the curse of the capacity gap, experts, load balance, an assistant's choice.

Each appears where the table's rows allow it, and holds only rows that differ in the one thing it is about. Students
that differ by their seed alone are one row, their mean.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import pandas as pd

from minimoe.report.collect import Results
from minimoe.report.comparisons import Comparison
from minimoe.report.models import TEACHER, Model
from minimoe.report.questions import CURSE
from minimoe.report.scores import big, headlines, loss, over_members, score, signed
from minimoe.report.seeds import SeedGroup, alike, apart, seedless

PARTS = {"attention": "attention", "ffn": "feed-forward"}
FEWEST_COUNTS = 3  # numbers of experts; two of them are a pair already


@dataclass(frozen=True)
class Ablation:
    """One small table. `sweep`: its students, where they are one sweep over the number of experts."""

    name: str
    headers: list[str]
    rows: list[list[str]]
    sweep: tuple[SeedGroup, ...] = ()


@dataclass(frozen=True)
class TableGroup:
    """Tables about one question."""

    title: str
    caption: str
    tables: list[Ablation]


def sections(results: Results, comparisons: Sequence[Comparison]) -> list[TableGroup]:
    """What the table's models and their `comparisons` allow; a section without a table is left out."""
    found = [
        TableGroup(
            "The curse of the capacity gap",
            "The same student taught by two teachers, all else equal. A larger teacher that is itself the better "
            "model, and whose student is nevertheless the worse one, shows the curse; students with experts are "
            "meant to lift it.",
            list(_curses(results, comparisons)),
        ),
        TableGroup(
            "Number of experts",
            "Students that differ in nothing but the number of experts of self-attention and of the feed-forward "
            "network; 1,1 is the dense student. Where it lacks the extra projection of the others, the title says so. "
            "Multiply-adds stay nearly the same.",
            [_experts(results, sweep) for sweep in expert_sweeps(results)],
        ),
        TableGroup(
            "Load balance",
            "The same students with another weight of the load balance. Busiest expert: its share of the held-out "
            "tokens, where an even share is one over the number of experts. Entropy: the router's, over that of an "
            "even choice. Both are means over layers.",
            [_balance(results, groups) for groups in _balances(results)],
        ),
        TableGroup(
            "The assistant's choice",
            "An assistant should imitate its teacher well and be small: of all sparsities the one of the best score "
            "becomes the assistant. Metric: what of the teacher a candidate explains; score: with its reward for "
            "sparsity. 0 % is there to compare with.",
            [_choice(model) for model in results.models.values() if model.candidates],
        ),
    ]
    return [section for section in found if section.tables]


def expert_sweeps(results: Results) -> list[tuple[SeedGroup, ...]]:
    """Students that differ in the number of experts alone, at least three, in the order of these numbers.

    The dense one may lack the extra projection too, where the table has none with it.
    """
    students = _students(results)
    mixtures = [one for one in students if one.first.experts != (1, 1)]
    sweeps = []
    for own in alike(mixtures, lambda m: (m.taught_by, seedless(m.shape.dense), m.form, repr(m.training))):
        dense = [
            one for one in students
            if one.first.shape == one.first.shape.dense and all(apart(one, other) == {"experts"} for other in own)
        ]  # fmt: skip
        dense.sort(key=lambda one: not one.first.projected)  # one that lacks nothing but experts, where there is one
        sweep = {one.first.experts: one for one in reversed([*own, *dense])}  # the first of several
        if len(sweep) >= FEWEST_COUNTS:
            sweeps.append(tuple(sweep[experts] for experts in sorted(sweep)))
    return sweeps


def _curses(results: Results, comparisons: Sequence[Comparison]) -> Iterable[Ablation]:
    """For every further teacher: the students that it and the first teacher taught, and the two themselves."""
    models = results.models
    found = [pair for pair in comparisons if pair.question in CURSE]
    for further in dict.fromkeys(models[pair.sides[0][0]].taught_by for pair in found):
        labels = [f"{label}, {who}" for label, _ in headlines(results) for who in (TEACHER, further, "difference")]
        both = [pair.sides[::-1] for pair in found if models[pair.sides[0][0]].taught_by == further]
        rows = [[_called(models, one), *_differences(results, one, other)] for one, other in both]
        if {TEACHER, further} <= models.keys():
            rows = [["the teachers themselves", *_differences(results, [TEACHER], [further])], *rows]
        yield Ablation(f"Taught by {TEACHER} or by {further}", ["student", *labels], rows)


def _called(models: Mapping[str, Model], members: Sequence[str]) -> str:
    """A student's kind and shape; of several seeds, the first's and how many."""
    model = models[members[0]]
    if len(members) == 1:
        return f"{model.kind} {model.shape}"
    return f"{model.kind} {seedless(model.shape)}, {len(members)} seeds"


def _differences(results: Results, one: Sequence[str], other: Sequence[str]) -> list[str]:
    """For each headline the mean score of `one`, of `other`, and how much the other is above."""
    cells = []
    for _, scores in headlines(results):
        first, second = (over_members(scores, members) for members in (one, other))
        cells += [score(*first), score(*second), signed(second[0] - first[0])]
    return cells


def _experts(results: Results, sweep: tuple[SeedGroup, ...]) -> Ablation:
    scores = headlines(results)
    macs = results.costs.columns[0]
    headers = ["experts", "model", *(label for label, _ in scores), "held-out loss", "multiply-adds", "parameters"]
    rows = [
        [
            "{},{}".format(*group.first.experts),
            group.name,
            *_cells(scores, group),
            loss(group.heldout_loss),
            big(results.costs.loc[group.first.name, macs]),
            big(results.costs.loc[group.first.name, "params_total"]),
        ]
        for group in sweep
    ]
    least, most = sweep[0].first, sweep[-1].first
    lacking = "" if least.projected else ", 1,1 without the extra projection of the others"
    name = f"{seedless(least.shape.dense)}{most.shape.experts.form}, taught by {least.taught_by}{lacking}"
    return Ablation(name, headers, rows, sweep)


def _balances(results: Results) -> list[list[SeedGroup]]:
    """Students that differ in the weight of the load balance alone, at least two."""
    mixtures = [one for one in _students(results) if one.first.expert_load]

    def rest(model: Model) -> Hashable:
        others = {key: value for key, value in model.training.items() if key != "load_balance"}
        return model.taught_by, seedless(model.shape), repr(others)

    found = (sorted(own, key=lambda one: -one.first.settings.load_balance) for own in alike(mixtures, rest))
    return [own for own in found if len({one.first.settings.load_balance for one in own}) > 1]


def _balance(results: Results, groups: list[SeedGroup]) -> Ablation:
    scores, first = headlines(results), groups[0].first
    parts = [part for part, layers in first.expert_load.items() if layers]
    uses = [f"{what}, {PARTS[part]}" for part in parts for what in ("busiest expert", "entropy")]
    headers = ["load balance", "model", *(label for label, _ in scores), "held-out loss", *uses]
    rows = [
        [
            f"{group.first.settings.load_balance:g}",
            group.name,
            *_cells(scores, group),
            loss(group.heldout_loss),
            *(text for part in parts for text in _use(group, part)),
        ]
        for group in groups
    ]
    return Ablation(f"{seedless(first.shape)}, taught by {first.taught_by}", headers, rows)


def _choice(model: Model) -> Ablation:
    order = sorted(model.candidates.items(), key=lambda item: int(item[0]))
    rows = [
        [
            f"{sparsity} %",
            loss(values["heldout_loss"]),
            f"{values['metric']:.3f}",
            f"{values['score']:.3f}",
            "chosen" if int(sparsity) == model.shape.sparsity else "",
        ]
        for sparsity, values in order
    ]
    return Ablation(
        f"{model.name}, taught by {model.taught_by}", ["sparsity", "held-out loss", "metric", "score", ""], rows
    )


def _use(group: SeedGroup, part: str) -> tuple[str, str]:
    """The busiest expert's share in percent and the entropy over that of an even router, means over layers."""
    loads = [pd.DataFrame(model.expert_load[part]) for model in group.members]
    entropies = [pd.Series((model.router_entropy or {}).get(part, []), dtype=float) for model in group.members]
    busiest = mean(100 * load.max(axis=1).mean() for load in loads)
    entropy = mean(one.mean() / math.log(loads[0].shape[1]) for one in entropies)
    return f"{busiest:.0f} %", f"{entropy:.2f}"


def _cells(scores: list[tuple[str, pd.DataFrame]], group: SeedGroup) -> list[str]:
    return [score(*over_members(table, group.names)) for _, table in scores]


def _students(results: Results) -> list[SeedGroup]:
    return [one for one in results.groups if one.first.steps and not one.first.task_teacher]
