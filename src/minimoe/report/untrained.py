"""Compare models on the columns that nothing is trained on: what their embeddings are worth as they are.

These comparisons stand apart from those after finetuning: they measure something else, and p values are corrected for
their own number.
"""

from collections.abc import Sequence

from minimoe.report.ablations import Ablation, TableGroup
from minimoe.report.collect import Results
from minimoe.report.comparisons import Comparison, Pair, compare, p_value
from minimoe.report.scores import signed

TITLE = "Without finetuning"


def compare_as_they_are(results: Results, pairs: Sequence[Pair]) -> list[Comparison]:
    """The pairs by their scores without finetuning; none where there are no such scores, or no others."""
    if not results.untrained or not results.seeds:
        return []
    return compare(results.as_they_are, pairs)


def untrained_section(results: Results, comparisons: Sequence[Comparison]) -> list[TableGroup]:
    """Their table."""
    if not comparisons:
        return []
    rows = [
        [one.subject, f"{one.first} − {one.second}", signed(one.mean), f"{signed(one.low)} to {signed(one.high)}",
         p_value(one.p).removeprefix("p = ").removeprefix("p "), one.verdict]
        for one in comparisons
    ]  # fmt: skip
    names = ", ".join(results.untrained)
    luck = ", and over other seeds of distillation where one side has several" * bool(results.several)
    caption = (
        f"The pairs of the page by {names} in place of the scores after finetuning. Intervals are over other "
        f"examples{luck}; p is corrected for all comparisons of this table."
    )
    headers = ["question", "first − second", "points", "95 % interval", "p", "the first is"]
    return [TableGroup(TITLE, caption, [Ablation(f"Compared by {names}", headers, rows)])]
