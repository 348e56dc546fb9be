"""Finetune a model on a task over a grid of learning rates and seeds: one cell of the results table.

The learning rate is the one with the best mean on the dev set; mean and deviation over the seeds are those at this
rate, and the model that is saved is the best run's at it. Scores of further sets (MNLI mismatched, CoNLL's test
set) are those of the same states; they choose nothing.
"""

from pathlib import Path
from statistics import mean, stdev

import torch
from transformers.utils import logging

from minimoe.finetune.data import Batches, EncodedExamples, encode, read_examples
from minimoe.finetune.loop import FinetuneRun, all_logits, load_finetuned, load_model, predict, train
from minimoe.finetune.metrics import majority, scores
from minimoe.finetune.predictions import given, write
from minimoe.finetune.teaching import Teaching, unlabelled
from minimoe.finetune.tokenizer import load_tokenizer
from minimoe.resume.checkpoints import Checkpoints, NoCheckpoints
from minimoe.system.errors import UserError
from minimoe.system.files import whole_folder
from minimoe.system.machine import computing
from minimoe.tasks.task import Task

logging.set_verbosity_error()  # a new head is what we ask for

TENSORS = ("state", "predictions")  # what a run has of them


def finetune(
    name: str,
    folder: str | Path,
    task: Task,
    data: str | Path,
    out: str | Path,
    predictions: str | Path,
    *,
    learning_rates: list[float],
    seeds: list[int],
    max_length: int,
    max_train: int,
    threads: int,
    tracker,
    precision: str = "fp32",
    checkpoints: Checkpoints | None = None,
    teaching: Teaching | None = None,
    **settings,
) -> dict:
    """Finetune the model in `folder`, save it into `out`, and return the cell's metrics.

    Args:
        name: the model's name in the table.
        data: the folder of the task's files in the normal form.
        predictions: the file for the answers of the runs at the chosen rate.
        learning_rates: each is tried with each of `seeds`.
        max_length: tokens of an example. max_train: only so many training examples; 0 means all.
        threads: cores that it computes on; on a CPU they are part of the result, to the last bits.
        precision: fp32 or bf16, of the model's forward passes.
        checkpoints: of the runs that are done; default: none are kept.
        teaching: what a teacher of the task adds; default: none teaches.
        settings: what `loop.train` takes besides.
    """
    checkpoints = checkpoints or NoCheckpoints()
    tokenizer = load_tokenizer(folder, task, max_length)
    sets = {
        name: Batches(examples, task, tokenizer, settings["device"])
        for name, examples in _encode_all(data, task, tokenizer, max_length, max_train).items()
    }
    grid = [(rate, seed) for rate in learning_rates for seed in seeds]
    runs = _done(checkpoints)
    with computing(threads):
        if teaching:
            sets["train"] = _taught(teaching, sets["train"], task, tokenizer, max_length, precision)
            settings["teaching"] = teaching
        for rate, seed in grid[len(runs) :]:
            which = f"lr{rate:g}-seed{seed}" if len(grid) > 1 else ""
            watched = {"label": f"{name} {task.name} {which}".strip(), "prefix": f"{which}/" if which else ""}
            about = {"learning_rate": rate, "precision": precision, "tracker": tracker, **watched, **settings}
            runs.append(_run(folder, task, sets, seed, **about))
            _forget_all_but_best(runs, rate)
            if len(runs) < len(grid):
                _save(checkpoints, runs)
    cell = summary(name, task, runs, {split: batches.examples.gold for split, batches in sets.items()})
    chosen = [run for run in runs if run.learning_rate == cell["learning_rate"]]
    _write_model(next(run for run in chosen if run.state), folder, task, tokenizer, out)
    answers = {run.seed: run.predictions for run in chosen}
    write(predictions, task, {name: batches.examples for name, batches in sets.items()}, answers)
    tracker.metrics({column: result["mean"] for column, result in cell["results"].items()})
    return cell


def _write_model(run: FinetuneRun, folder: str | Path, task: Task, tokenizer, out: str | Path) -> None:
    """Write the model as the run left it, with its tokenizer."""
    model = load_model(folder, task, run.seed)
    model.load_state_dict(run.state)
    with whole_folder(out) as temporary:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)


def _run(folder: str | Path, task: Task, sets: dict[str, Batches], seed: int, **settings) -> FinetuneRun:
    """Finetune once, and score the best state on every set that is scored; `settings` are those of `loop.train`."""
    model = load_model(folder, task, seed)
    run = train(model, task, sets, seed=seed, **settings)
    model.load_state_dict(run.state)
    for column, split in task.results.items():
        found = predict(model, sets[split], task, settings["precision"])
        gold = sets[split].examples.gold
        run.scores[column] = scores(task.metrics, gold, found)
        run.predictions[column] = torch.from_numpy(given(task, gold, found))
    return run


def _taught(teaching: Teaching, labelled: Batches, task: Task, tokenizer, max_length: int, precision: str) -> Batches:
    """The training set with the corpus's sentences that have no labels, and the teacher's logits of both."""
    examples, device = labelled.examples, labelled.sizes.device
    if teaching.unlabelled:
        examples = examples + unlabelled(teaching.texts, teaching.unlabelled, task, tokenizer, max_length)
    teacher = load_finetuned(teaching.teacher, task).to(device)
    if load_tokenizer(teaching.teacher, task, max_length).get_vocab() != tokenizer.get_vocab():
        raise UserError(f"taught.teacher: expected a model with the student's tokenizer, got {teaching.teacher}")
    made = Batches(examples, task, tokenizer, str(device))
    made.taught = all_logits(teacher, made, precision).clone()
    return made


def _save(checkpoints: Checkpoints, runs: list[FinetuneRun]) -> None:
    """Keep the runs that are done; one that is killed later begins anew."""
    tensors = {
        f"{number}/{part}/{key}": tensor
        for number, run in enumerate(runs) for part in TENSORS for key, tensor in getattr(run, part).items()
    }  # fmt: skip
    values = [{key: value for key, value in vars(run).items() if key not in TENSORS} for run in runs]
    checkpoints.save(len(runs), tensors, {"runs": values})


def _done(checkpoints: Checkpoints) -> list[FinetuneRun]:
    saved = checkpoints.load()
    if not saved:
        return []
    runs = [FinetuneRun(state={}, **run) for run in saved.values["runs"]]
    for name, tensor in saved.tensors.items():
        number, part, key = name.split("/", 2)
        getattr(runs[int(number)], part)[key] = tensor
    return runs


def summary(name: str, task: Task, runs: list[FinetuneRun], gold: dict[str, list]) -> dict:
    """The cell's metrics: the chosen rate, mean and sample deviation over its seeds, and every run."""
    rates = dict.fromkeys(run.learning_rate for run in runs)
    chosen = max(rates, key=lambda rate: mean(run.score for run in runs if run.learning_rate == rate))
    metric = task.metrics[0]
    results = {}
    for column, split in task.results.items():
        values = [run.scores[column][metric] for run in runs if run.learning_rate == chosen]
        results[column] = {
            "metric": metric,
            "mean": round(mean(values), 4),
            "std": round(stdev(values), 4) if len(values) > 1 else 0.0,
            "runs": len(values),
            "majority": majority(metric, gold[split]),
        }
    told = ("seed", "learning_rate", "epoch", "scores")
    return {
        "model": name,
        "task": task.name,
        "learning_rate": chosen,
        "results": results,
        "runs": [{key: getattr(run, key) for key in told} for run in runs],
    }


def _encode_all(data, task: Task, tokenizer, max_length: int, max_train: int) -> dict[str, EncodedExamples]:
    """The task's sets by name, the scored ones sorted by length."""
    sets = {}
    for split in task.splits:
        scored = split.suffix is not None
        examples = read_examples(Path(data, f"{split.name}.jsonl"), task, 0 if scored else max_train)
        sets[split.name] = encode(examples, task, tokenizer, max_length, by_length=scored)
    return sets


def _forget_all_but_best(runs: list[FinetuneRun], rate: float) -> None:
    """Free the states that cannot become the saved model."""
    ranked = sorted((run for run in runs if run.learning_rate == rate), key=lambda run: -run.score)
    for run in ranked[1:]:
        run.state = {}
