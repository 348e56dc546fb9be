"""Students, metrics and curves made here: bad input of finetune, cost and report."""

from bad.harm import GONE, Case, cut, drop, json_of, params, write
from bad.models import CONFIG, TOKENIZER, WEIGHTS, unusable, weights

SMALL = "models/base/small"
PREDICTIONS = "predictions/base/small/sst2.parquet"
METRICS, COSTS, CURVE = "metrics/finetune/base/small/sst2.json", "metrics/cost/base/small.json", "curves/base.csv"

ORIGIN = "data/origin/teacher.json"

CASES = {
    # a cell of the table
    **unusable("finetune, a model", "finetune base/small sst2", SMALL),
    "finetune: no weights": Case(
        "finetune base/small sst2", drop(f"{SMALL}/{WEIGHTS}"), SMALL, "run the stage that makes it"
    ),
    "finetune: no tokenizer": Case(
        "finetune base/small sst2", drop(f"{SMALL}/{TOKENIZER}"), SMALL, "saved with its tokenizer"
    ),
    "finetune: a tokenizer truncated": Case(
        "finetune base/small sst2", cut(f"{SMALL}/{TOKENIZER}"), SMALL, "run the stage that makes it"
    ),
    "finetune: a config that is a list": Case(
        "finetune base/small sst2", write(f"{SMALL}/{CONFIG}", "[]"), SMALL, "run the stage"
    ),
    "finetune: a dropout that is no number": Case(
        "finetune base/small sst2",
        json_of(f"{SMALL}/{CONFIG}", {"hidden_dropout_prob": float("nan")}),
        "hidden_dropout_prob",
        "expected a share from 0 to 1",
    ),
    "finetune: a weight missing": Case(
        "finetune base/small sst2",
        weights(SMALL, lambda w: w.pop("embeddings.word_embeddings.weight")),
        SMALL,
        "missing",
    ),
    "finetune: a model of no row": Case("finetune nobody sst2", params({}), "nobody", "expected one of"),
    "finetune: a path": Case("finetune ../given/teacher sst2", params({}), "../given/teacher", "expected one of"),
    "finetune: a length beyond the positions": Case(
        "finetune base/small sst2", params({"finetune.max_length": 33}), "finetune.max_length", "at most 32"
    ),
    "finetune: a task of no column": Case("finetune base/small rte", params({}), "rte", "expected one of"),
    # cost
    "cost: no model": Case("cost base/small", drop(SMALL), SMALL, "run the stage that makes it"),
    "cost: weights truncated": Case("cost base/small", cut(f"{SMALL}/{WEIGHTS}"), SMALL, "run the stage that makes it"),
    "cost: a length beyond the positions": Case(
        "cost base/small", params({"cost.length": 33}), "cost.length", "at most 32"
    ),
    "cost: a path": Case("cost ../given/teacher", params({}), "../given/teacher", "expected one of"),
    # the report
    "report: no metrics": Case("report", drop(METRICS), METRICS, "dvc repro"),
    "report: metrics truncated": Case("report", cut(METRICS), METRICS, "dvc repro"),
    "report: metrics that are a list": Case("report", write(METRICS, "[]"), METRICS, "dvc repro"),
    "report: metrics of another task": Case("report", json_of(METRICS, {"results.sst2": GONE}), METRICS, "dvc repro"),
    "report: a score that is text": Case(
        "report", json_of(METRICS, {"results.sst2.mean": "high"}), METRICS, "dvc repro"
    ),
    "report: results that are a number": Case("report", json_of(METRICS, {"results": 3}), METRICS, "dvc repro"),
    "report: no origin": Case("report", drop(ORIGIN), ORIGIN, "dvc repro"),
    "report: an origin truncated": Case("report", cut(ORIGIN), ORIGIN, "dvc repro"),
    "report: a license that is a number": Case(
        "report", write(ORIGIN, '{"teacher": {"license": 3}}'), "license", "dvc repro"
    ),
    "report: a student of unknown form": Case(
        "report", json_of("metrics/distill/base.json", {"small.own_code": GONE}), "own_code", "dvc repro"
    ),
    "report: no predictions": Case("report", drop(PREDICTIONS), PREDICTIONS, "dvc repro"),
    "report: predictions truncated": Case("report", cut(PREDICTIONS), PREDICTIONS, "dvc repro"),
    "report: predictions that are text": Case(
        "report", write(PREDICTIONS, "column,gold,1\n"), PREDICTIONS, "dvc repro"
    ),
    "report: predictions of another score": Case(
        "report", json_of(METRICS, {"results.sst2.mean": 12.5}), PREDICTIONS, "dvc repro"
    ),
    "report: no cost": Case("report", drop(COSTS), COSTS, "dvc repro"),
    "report: a cost that is text": Case("report", json_of(COSTS, {"params_total": "many"}), COSTS, "dvc repro"),
    "report: no curve": Case("report", drop(CURVE), CURVE, "dvc repro"),
    "report: an empty curve": Case("report", write(CURVE, ""), CURVE, "dvc repro"),
    "report: a curve of other columns": Case("report", write(CURVE, "a,b\n1,2\n"), CURVE, "dvc repro"),
    "report: a curve of words": Case(
        "report", write(CURVE, "student,step,train_loss,heldout_loss\nsmall,first,low,low\n"), CURVE, "dvc repro"
    ),
    "report: a binary curve": Case("report", write(CURVE, b"\xff\x00" * 50), CURVE, "dvc repro"),
    "report: no round's metrics": Case(
        "report", drop("metrics/distill/base.json"), "metrics/distill/base.json", "dvc repro"
    ),
}
