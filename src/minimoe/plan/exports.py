"""Rows of the stages that measure and export finished models."""

from collections.abc import Iterator

from minimoe.plan import constants
from minimoe.plan.row import Row, Run
from minimoe.plan.sizes import COUNTED, GUESSED
from minimoe.report.cost import WARM_UP

FLOAT = 4  # bytes of a weight


def costs(run: Run) -> Row:
    """Costs of the models that are not up to date, one after another."""
    models, done = run.left("cost@{}")
    paths = [f"models/{model}" for model in models]
    seconds = _latencies(run, paths) + len(models) * run.begin()
    reads = FLOAT * sum(map(run.models.weights, paths))
    return Row("cost", reads, 0, f"{len(models)} models", seconds, COUNTED, run.rates.basis, done=done)


def _latencies(run: Run, paths: list[str]) -> float:
    """Seconds of measuring the latency of models."""
    settings = run.params.cost
    passes = (WARM_UP + settings.repeats) * sum(settings.batches)
    computed = passes * sum(run.models.forward(path, settings.length) for path in paths)
    return computed / (run.rates.teacher * run.rates.scale("fp32"))


def exports(run: Run) -> Iterator[Row]:
    """Encoders, and finetuned models on each task, in three forms that are measured: PyTorch's, fp32 and int8."""
    exported, forms = run.params.export, 3
    threads = max(run.params.finetuning(task).threads for task in run.params.table.tasks)
    at_once = min(run.side_by_side(threads), len(exported.models) * (1 + len(exported.tasks)))
    for part in ("encoder", *exported.tasks) if exported.models else ():
        stage = "export@{}" if part == "encoder" else f"export-head@{{}}-{part}"
        models, done = run.left(stage, exported.models)
        paths = [f"models/{model}" for model in models]
        layers = sum(run.models.config(path).num_hidden_layers for path in paths)
        measured = _latencies(run, paths) if part == "encoder" else _scoring(run, paths, part)
        seconds = len(models) * (run.begin() + constants.TRACE) + layers * constants.TRACE_LAYER + forms * measured
        seconds /= at_once
        weights, work = sum(map(run.models.weights, paths)), f"{len(models)} models, in fp32 and int8"
        yield Row(stage.format("*"), FLOAT * weights, (FLOAT + 1) * weights, work, seconds, COUNTED, GUESSED, done=done)


def _scoring(run: Run, paths: list[str], task: str) -> float:
    """Seconds of scoring models on a task."""
    settings, (sets, _) = run.params.finetuning(task), run.tasks[task]
    length = round(min(settings.max_length, sets.tokens * constants.PADDING))
    computed = sets.scored * sum(run.models.forward(path, length) for path in paths)
    return computed / (run.rates.teacher * run.rates.scale("fp32"))
