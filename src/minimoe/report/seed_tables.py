"""The tables of students with several seeds of distillation: what each reaches, and how two of them differ."""

from collections.abc import Sequence
from statistics import mean, stdev

import numpy as np
import pandas as pd

from minimoe.report.ablations import Ablation, TableGroup
from minimoe.report.collect import Results
from minimoe.report.comparisons import Comparison, p_value
from minimoe.report.scores import headline, loss, score, signed, signed_loss


def seeds_table(results: Results) -> pd.DataFrame:
    """seeds.csv: a row for each group of several seeds, with mean and standard deviation over its members."""
    label, scores = headline(results)
    rows = []
    for group in results.several:
        losses, own = [model.heldout_loss for model in group.members], list(scores["mean"][list(group.names)])
        about = {"students": group.name, "members": " ".join(group.names), "seeds": len(losses)}
        losses = {"heldout_loss": mean(losses), "heldout_loss_std": stdev(losses)}
        rows.append(about | losses | {"score_of": label, "score": mean(own), "score_std": stdev(own)})
    return pd.DataFrame(rows)


def seed_sections(results: Results, comparisons: Sequence[Comparison]) -> list[TableGroup]:
    """The groups of several seeds, and the comparisons that they are in; nothing where there is no such group."""
    if not results.several:
        return []
    made = seeds_table(results)
    rows = [
        [row.students, str(row.seeds), score(row.score, row.score_std),
         f"{loss(row.heldout_loss)} ± {row.heldout_loss_std:.4f}"]
        for row in made.itertuples()
    ]  # fmt: skip
    headers = ["students", "seeds", made.score_of[0], "held-out loss"]
    tables = [Ablation("Mean and standard deviation over seeds", headers, rows)]
    names = {group.name for group in results.several}
    if pairs := [_row(results, one) for one in comparisons if names & {one.first, one.second}]:
        headers = [
            "first − second", "points", "95 % interval", "p", "in deviations", "loss by seed", "its 95 % interval",
            "seeds of both",
        ]  # fmt: skip
        tables.append(Ablation("Compared", headers, pairs))
    luck = "finetuning and of distillation" if len(results.seeds) > 1 else "distillation"
    caption = (
        "Students that differ by the seed of their distillation alone. Intervals of points are over other examples and "
        f"other seeds of {luck}; p is corrected for all comparisons of the page. In deviations: "
        "the difference over the standard deviation of a single student's mean score. Losses are compared between "
        "students of one seed, by a t interval."
    )
    return [TableGroup("Seeds of distillation", caption, tables)]


def _row(results: Results, pair: Comparison) -> list[str]:
    totals = results.by_task.mean(axis=1)
    inside = [group for group in results.several if any(set(group.names) <= set(side) for side in pair.sides)]
    several = [totals[list(group.names)] for group in inside]  # a side may hold other methods too
    spread = np.sqrt(np.average([own.var() for own in several], weights=[len(own) - 1 for own in several]))
    by_seed = pair.heldout_by_seed
    return [
        f"{pair.first} − {pair.second}",
        signed(pair.mean),
        f"{signed(pair.low)} to {signed(pair.high)}",
        p_value(pair.p).removeprefix("p = ").removeprefix("p "),
        signed(pair.mean / spread) if spread > 0 else "",
        signed_loss(by_seed.mean) if by_seed else "",
        f"{signed_loss(by_seed.low)} to {signed_loss(by_seed.high)}" if by_seed else "",
        str(pair.seeds) if by_seed else "",
    ]
