"""What was exported to ONNX: sizes, latencies and scores of each form beside PyTorch's."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from minimoe.report.ablations import Ablation, TableGroup
from minimoe.report.collect import SCORES, Results
from minimoe.report.metrics import Metrics
from minimoe.report.scores import score

FORMS = {"pytorch": "PyTorch", "fp32": "ONNX fp32", "int8": "ONNX int8"}
ENCODER = "encoder"
CAPTION = (
    "In MB of 10⁶ bytes and ms a batch, on one core. Error: the largest between the outputs of ONNX in fp32 and of "
    "PyTorch, on real examples of several lengths and batch sizes, relative to the largest output. Cosine: between the "
    "outputs of int8 and fp32, the mean over tokens, or over sentence embeddings. Scores are on the dev set; answers: "
    "those of int8 that are fp32's."
)


def collect_exported(root: str | Path, exported: Mapping[str, Sequence[str]], batches: Sequence[int]) -> pd.DataFrame:
    """Read the metrics of exported models: a row an encoder, and one a finetuned model; `part` is encoder or a task.

    Args:
        root: with the folder metrics.
        exported: params' `export`. batches: those of latencies.

    Raises:
        UserError: a file is missing, or not whole.
    """
    rows = []
    for model in exported["models"]:
        for part in (ENCODER, *exported["tasks"]):
            stage = f"export@{model}" if part == ENCODER else f"export-head@{model}-{part}"
            read = Metrics.read(Path(root, f"metrics/export/{model}/{part}.json"), stage)
            spans = {"error": (0,), "rerouted": (0,)} | {f"mb_{form}": (0,) for form in FORMS}
            if part == ENCODER:
                spans |= {f"latency_ms_b{batch}_{form}": (0,) for batch in batches for form in FORMS}
                spans |= {"cosine": (-1.01, 1.01)}
            else:
                spans |= {f"score_{form}": SCORES for form in FORMS}
                spans |= {"same_answers": (0, 100)} if read.has("same_answers") else {}
            rows.append({"model": model, "part": part} | {key: read.number(key, *span) for key, span in spans.items()})
            if part != ENCODER:
                rows[-1] |= {"task": read.text("column"), "metric": read.text("metric")}
    return pd.DataFrame(rows)


def exported_tables(results: Results) -> list[TableGroup]:
    """The tables of what was exported; none where nothing was."""
    rows = results.exported
    if rows.empty:
        return []
    encoders = rows[rows.part == ENCODER].dropna(axis=1)
    batches = [name.removesuffix("_pytorch") for name in encoders if name.endswith("_pytorch") and "latency" in name]
    headers = ["model", *(f"MB, {form}" for form in FORMS.values())]
    headers += [f"ms, batch {name.removeprefix('latency_ms_b')}, {f}" for name in batches for f in FORMS.values()]
    cells = [
        [
            row["model"],
            *(f"{row[f'mb_{form}']:.1f}" for form in FORMS),
            *(f"{row[f'{name}_{form}']:.1f}" for name in batches for form in FORMS),
            f"{row['error']:.0e}",
            f"{row['cosine']:.4f}",
        ]
        for _, row in encoders.iterrows()
    ]
    tables = [Ablation("Encoders", [*headers, "error", "cosine, int8"], cells)]
    if len(encoders) < len(rows):
        tables.append(_heads(results, rows[rows.part != ENCODER]))
    return [TableGroup("Exported to ONNX", CAPTION, tables)]


def _heads(results: Results, rows: pd.DataFrame) -> Ablation:
    names = {column.key: column.name for column in results.columns}
    headers = ["model", "task", *FORMS.values(), "answers, int8", "MB, int8", "error"]
    cells = [
        [
            row["model"],
            names[row["task"]],
            *(score(row[f"score_{form}"]) for form in FORMS),
            _percent(row.get("same_answers")),
            f"{row['mb_int8']:.1f}",
            f"{row['error']:.0e}",
        ]
        for _, row in rows.iterrows()
    ]
    return Ablation("Finetuned models", headers, cells)


def _percent(value: float | None) -> str:
    """Empty for a regression, whose answers are numbers."""
    return "" if value is None or pd.isna(value) else f"{value:.1f} %"
