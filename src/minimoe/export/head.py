"""Export a finetuned model, and score it on its task's dev set in every form."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from minimoe.export.check import Finite, compare, shapes
from minimoe.export.folder import exported, megabytes, sessions
from minimoe.export.graph import write
from minimoe.finetune.data import Batches, encode, read_examples
from minimoe.finetune.loop import BESIDE, load_finetuned, predict
from minimoe.finetune.metrics import scores
from minimoe.finetune.tokenizer import load_tokenizer
from minimoe.models.shapes import positions
from minimoe.system.machine import computing
from minimoe.tasks.task import Task


def export_head(
    folder: str | Path, task: Task, data: str | Path, out: str | Path, *, max_length: int, threads: int
) -> dict:
    """Export the finetuned model in a folder, check it on the dev set, and return its metrics.

    Args:
        folder: the model's. data: the folder of the task's files in the normal form. out: the folder that is made.
        max_length: tokens of an example. threads: cores that it computes on.

    Raises:
        UserError: the graph's outputs are not the model's own, or those of int8 not finite, or a library cannot make or
            load a graph.
    """
    model, tokenizer = load_finetuned(folder, task).eval(), load_tokenizer(folder, task, max_length)
    column, split = next(iter(task.results.items()))
    examples = encode(read_examples(Path(data, f"{split}.jsonl"), task), task, tokenizer, max_length, by_length=True)
    dev = Batches(examples, task, tokenizer, "cpu")

    def batch(numbers: Sequence[int]) -> dict[str, Tensor]:
        return {name: values for name, values in dev(numbers).items() if name not in BESIDE}

    with computing(threads), exported(folder, out) as temporary:
        seen = list(shapes(batch, len(dev), positions(model.config)))
        write(model, seen[3], temporary)
        forms = sessions(folder, temporary, threads)
        metrics = compare(model, forms["fp32"], seen)
        models = {"pytorch": model} | {form: Finite(one, folder, form) for form, one in forms.items()}
        answers = {form: predict(one, dev, task) for form, one in models.items()}
        metrics |= megabytes(folder, temporary)
    if not task.graded:
        equal = sum(one == other for one, other in zip(answers["fp32"], answers["int8"], strict=True))
        metrics["same_answers"] = round(100 * equal / len(dev), 4)
    (metric, *_), gold = task.metrics, examples.gold
    metrics |= {f"score_{form}": scores([metric], gold, found)[metric] for form, found in answers.items()}
    return metrics | {"column": column, "metric": metric}
