"""The small tables beside the large one: the curse of the capacity gap, experts, load balance, an assistant's choice.

Each appears where the table's rows allow it, and holds only rows that differ in the one thing it is about.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from minimoe.report.collect import Results
from minimoe.report.comparisons import Comparison
from minimoe.report.models import TEACHER, Model, differences
from minimoe.report.pairs import CURSE
from minimoe.report.scores import big, headlines, loss, over_members, score, signed

PARTS = {"attention": "attention", "ffn": "feed-forward"}
FEWEST_COUNTS = 3  # numbers of experts; two of them are a pair already


@dataclass(frozen=True)
class Ablation:
    """One small table. `sweep`: its models, where they are one sweep over the number of experts."""

    name: str
    headers: list[str]
    rows: list[list[str]]
    sweep: tuple[Model, ...] = ()


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
            "network; 1,1 is the dense student. Multiply-adds stay nearly the same.",
            [_experts(results, sweep) for sweep in expert_sweeps(results)],
        ),
        TableGroup(
            "Load balance",
            "The same students with another weight of the load balance. Busiest expert: its share of the held-out "
            "tokens, where an even share is one over the number of experts. Entropy: the router's, over that of an "
            "even choice. Both are means over layers.",
            [_balance(results, models) for models in _balances(results)],
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


def expert_sweeps(results: Results) -> list[tuple[Model, ...]]:
    """Models that differ in the number of experts alone, at least three, in the order of these numbers."""
    students = [model for model in results.models.values() if model.steps and not model.task_teacher]
    mixtures = [model for model in students if model.experts != (1, 1)]
    sweeps = []
    for group in _groups(mixtures, lambda m: (m.taught_by, m.shape.dense, m.form, repr(m.training))):
        dense = [m for m in students if m.shape == m.shape.dense and differences(m, group[0]) == {"experts"}]
        dense.sort(key=lambda model: not model.projected)  # one that lacks nothing but experts, where there is one
        sweep = {model.experts: model for model in reversed([*group, *dense])}  # the first of several
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
    return f"{model.kind} {model.shape.model_copy(update={'seed': None})}, {len(members)} seeds"


def _differences(results: Results, one: Sequence[str], other: Sequence[str]) -> list[str]:
    """For each headline the mean score of `one`, of `other`, and how much the other is above."""
    cells = []
    for _, scores in headlines(results):
        first, second = (over_members(scores, members) for members in (one, other))
        cells += [score(*first), score(*second), signed(second[0] - first[0])]
    return cells


def _experts(results: Results, sweep: tuple[Model, ...]) -> Ablation:
    scores = headlines(results)
    macs = results.costs.columns[0]
    headers = ["experts", "model", *(label for label, _ in scores), "held-out loss", "multiply-adds", "parameters"]
    rows = [
        [
            "{},{}".format(*model.experts),
            model.name,
            *_cells(scores, model),
            loss(model.heldout_loss),
            big(results.costs.loc[model.name, macs]),
            big(results.costs.loc[model.name, "params_total"]),
        ]
        for model in sweep
    ]
    shape = f"{sweep[0].shape.dense}{sweep[-1].shape.experts.form}"
    lacking = "" if sweep[0].projected else ", 1,1 without the extra projection of the others"
    return Ablation(f"{shape}, taught by {sweep[0].taught_by}{lacking}", headers, rows, sweep)


def _balances(results: Results) -> list[list[Model]]:
    """Models that differ in the weight of the load balance alone, at least two."""
    mixtures = [m for m in results.models.values() if m.expert_load and m.steps and not m.task_teacher]

    def rest(model: Model) -> Hashable:
        others = {key: value for key, value in model.training.items() if key != "load_balance"}
        return model.taught_by, model.shape, repr(others)

    groups = (sorted(group, key=lambda m: -m.settings.load_balance) for group in _groups(mixtures, rest))
    return [group for group in groups if len({m.settings.load_balance for m in group}) > 1]


def _balance(results: Results, models: list[Model]) -> Ablation:
    scores = headlines(results)
    parts = [part for part, layers in models[0].expert_load.items() if layers]
    uses = [f"{what}, {PARTS[part]}" for part in parts for what in ("busiest expert", "entropy")]
    headers = ["load balance", "model", *(label for label, _ in scores), "held-out loss", *uses]
    rows = [
        [
            f"{model.settings.load_balance:g}",
            model.name,
            *_cells(scores, model),
            loss(model.heldout_loss),
            *(text for part in parts for text in _use(model, part)),
        ]
        for model in models
    ]
    return Ablation(f"{models[0].shape}, taught by {models[0].taught_by}", headers, rows)


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


def _use(model: Model, part: str) -> tuple[str, str]:
    """The busiest expert's share in percent and the entropy over that of an even router, means over layers."""
    load = pd.DataFrame(model.expert_load[part])
    entropy = pd.Series((model.router_entropy or {}).get(part, []), dtype=float)
    return f"{100 * load.max(axis=1).mean():.0f} %", f"{entropy.mean() / math.log(load.shape[1]):.2f}"


def _cells(scores: list[tuple[str, pd.DataFrame]], model: Model) -> list[str]:
    return [score(table.loc[model.name, "mean"], table.loc[model.name, "std"]) for _, table in scores]


def _groups(models: list[Model], key: Callable[[Model], Hashable]) -> list[list[Model]]:
    """Models of one key together, in their order."""
    groups: dict[Hashable, list[Model]] = {}
    for model in models:
        groups.setdefault(key(model), []).append(model)
    return list(groups.values())
