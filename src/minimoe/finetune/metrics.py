"""The metrics of the task table, from 0 to 100, and what always giving the commonest answer would score.

Their libraries are imported when a task needs them, because importing them takes longer than a small cell's epoch.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from minimoe.system.errors import UserError


def accuracy(gold: Sequence[int], predicted: Sequence[int]) -> float:
    """Share of equal labels."""
    return float(np.mean(np.asarray(gold) == np.asarray(predicted)))


def f1(gold: Sequence[int], predicted: Sequence[int]) -> float:
    """F1 of label 1."""
    from sklearn.metrics import f1_score

    return float(f1_score(gold, predicted, zero_division=0.0))


def macro_f1(gold: Sequence, predicted: Sequence) -> float:
    """Mean of the labels' F1, with one label or several an example."""
    from sklearn.metrics import f1_score

    return float(f1_score(np.asarray(gold), np.asarray(predicted), average="macro", zero_division=0.0))


def micro_f1(gold: Sequence[tuple[int, ...]], predicted: Sequence[tuple[int, ...]]) -> float:
    """F1 of all labels of all examples together, with several labels an example."""
    from sklearn.metrics import f1_score

    return float(f1_score(np.asarray(gold), np.asarray(predicted), average="micro", zero_division=0.0))


def matthews(gold: Sequence[int], predicted: Sequence[int]) -> float:
    """Matthews correlation; 0 where all predictions are the same."""
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(gold, predicted))


def spearman(gold: Sequence[float], predicted: Sequence[float]) -> float:
    """Rank correlation; 0 where all predictions are the same."""
    from scipy.stats import spearmanr

    return _correlation(spearmanr, gold, predicted)


def pearson(gold: Sequence[float], predicted: Sequence[float]) -> float:
    """Linear correlation; 0 where all predictions are the same."""
    from scipy.stats import pearsonr

    return _correlation(pearsonr, gold, predicted)


def chunk_f1(gold: Sequence[list[str]], predicted: Sequence[list[str]]) -> float:
    """F1 of whole entities, as conlleval counts them."""
    from seqeval.metrics import f1_score

    return float(f1_score(list(gold), list(predicted), zero_division=0))


def tag_accuracy(gold: Sequence[list[str]], predicted: Sequence[list[str]]) -> float:
    """Share of words with the right tag."""
    return accuracy([tag for tags in gold for tag in tags], [tag for tags in predicted for tag in tags])


METRICS = {
    metric.__name__: metric
    for metric in (
        accuracy, f1, macro_f1, micro_f1, matthews, spearman, pearson, chunk_f1, tag_accuracy,
    )
}  # fmt: skip


def scores(names: Sequence[str], gold: Sequence, predicted: Sequence) -> dict[str, float]:
    """The metrics `names` of predictions, each from 0 to 100 (correlations from -100)."""
    values = {name: round(100 * METRICS[name](gold, predicted), 4) for name in names}
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    if bad:
        raise UserError(
            f"{bad[0]} is {values[bad[0]]}: the model's outputs are NaN or infinite; lower its learning rate"
        )
    return values


def majority(name: str, gold: Sequence) -> float:
    """What metric `name` gives to the commonest answer of `gold` given every time; 0 for correlations.

    Of answers equally common, the one that scores best. For tags as entities the answer is O, which finds none; with
    several labels an example it is the commonest set of them.
    """
    if name in {"spearman", "pearson", "chunk_f1"}:
        return 0.0
    if name == "tag_accuracy":
        name, gold = "accuracy", [tag for tags in gold for tag in tags]
    counts = Counter(gold)
    commonest = [label for label, count in counts.items() if count == max(counts.values())]
    return max(scores([name], gold, [label] * len(gold))[name] for label in commonest)


def _correlation(function, gold: Sequence[float], predicted: Sequence[float]) -> float:
    if len(set(predicted)) == 1:
        return 0.0
    return float(function(gold, predicted).statistic)
