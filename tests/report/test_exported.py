"""What was exported: its tables on the page, in Markdown and CSV, and what a file that is not whole says."""

from dataclasses import replace

import pandas as pd
import pytest

from minimoe.report.exported import FORMS, collect_exported
from minimoe.report.findings import find
from minimoe.report.page import page, write_report
from minimoe.report.provenance import Provenance
from minimoe.report.tables import markdown, terminal
from minimoe.system.errors import UserError

EXPORTED = {"models": ["base/minilm", "base/minimoe"], "tasks": ["sst2", "stsb"]}
BATCHES = [1, 32]
SIZES = {"mb_pytorch": 40.0, "mb_fp32": 40.1, "mb_int8": 10.3}
ENCODER = SIZES | {"error": 3e-7, "rerouted": 0, "cosine": 0.9987} | {
    f"latency_ms_b{batch}_{form}": batch * (number + 1.25) for batch in BATCHES for number, form in enumerate(FORMS)
}  # fmt: skip
SCORES = {"score_pytorch": 81.2, "score_fp32": 81.2, "score_int8": 80.6}
HEAD = SIZES | SCORES | {"error": 4e-7, "rerouted": 0, "metric": "accuracy"}


@pytest.fixture
def exported(tree):
    for model in EXPORTED["models"]:
        tree.write(f"metrics/export/{model}/encoder.json", ENCODER)
        tree.write(f"metrics/export/{model}/sst2.json", HEAD | {"column": "sst2", "same_answers": 98.5})
        tree.write(f"metrics/export/{model}/stsb.json", HEAD | {"column": "stsb"})
    return tree


@pytest.mark.slow
def test_tables(exported, tmp_path):
    results = exported.collect()
    whole = replace(results, exported=collect_exported(exported.root, EXPORTED, BATCHES))
    group = find(whole).sections[-1]
    assert group.title == "Exported to ONNX"
    encoders, heads = group.tables
    times = ["1.2", "2.2", "3.2", "40.0", "72.0", "104.0"]
    assert encoders.rows == [[m, "40.0", "40.1", "10.3", *times, "3e-07", "0.9987"] for m in EXPORTED["models"]]
    assert heads.rows[:2] == [
        ["base/minilm", "SST-2", "81.2", "81.2", "80.6", "98.5 %", "10.3", "4e-07"],
        ["base/minilm", "STS-B", "81.2", "81.2", "80.6", "", "10.3", "4e-07"],
    ]
    assert all(len(table.headers) == len(row) for table in group.tables for row in table.rows)
    shown = [
        markdown(whole, find(whole)),
        terminal(whole, find(whole)),
        page(whole, find(whole), Provenance()),
    ]
    assert all("Exported to ONNX" in text and "98.5 %" in text.replace("\xa0", " ") for text in shown)
    write_report(whole, tmp_path / "reports", Provenance())
    table = pd.read_csv(tmp_path / "reports/exported.csv")
    assert list(table.part) == ["encoder", "sst2", "stsb"] * 2
    assert list(table.score_int8.dropna()) == [80.6] * 4
    assert 'href="exported.csv"' in shown[-1]


@pytest.mark.slow
def test_where_nothing_is_exported_nothing_is_said(tree, tmp_path):
    results = replace(tree.collect(), exported=collect_exported(tree.root, {"models": [], "tasks": ["sst2"]}, BATCHES))
    assert not [group for group in find(results).sections if "ONNX" in group.title]
    write_report(results, tmp_path / "reports", Provenance())
    assert not (tmp_path / "reports/exported.csv").exists()
    assert "exported.csv" not in (tmp_path / "reports/index.html").read_text()


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("encoder", {"mb_int8": "x"}, r"encoder.json: mb_int8: expected a number .* dvc repro -f 'export@base/minilm'"),
        ("encoder", {"latency_ms_b32_fp32": None}, r"latency_ms_b32_fp32: expected a number"),
        ("sst2", {"score_int8": 101}, r"sst2.json: score_int8: expected a number .* 'export-head@base/minilm-sst2'"),
        ("sst2", {"column": 3}, r"sst2.json: column: expected a text"),
    ],
)
def test_a_file_that_is_not_whole(exported, part, change, message):
    exported.edit(f"metrics/export/base/minilm/{part}.json", lambda values: values.update(change))
    with pytest.raises(UserError, match=message):
        collect_exported(exported.root, EXPORTED, BATCHES)


def test_a_missing_file(exported):
    (exported.root / "metrics/export/base/minimoe/sst2.json").unlink()
    with pytest.raises(UserError, match=r"sst2.json: missing.*dvc repro 'export-head@base/minimoe-sst2'"):
        collect_exported(exported.root, EXPORTED, BATCHES)
