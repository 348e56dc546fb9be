"""Every key of params.yaml: which stages a change of it reruns by itself, before what they make changes."""

import re
from pathlib import Path

import pytest
import yaml

from minimoe.params import Params
from minimoe.params.resolve import resolve, text

ROOT = Path(__file__).parents[2]
SAMPLE = yaml.safe_load((ROOT / "profiles/sample.yaml").read_text())
GRAPH = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
GONE = object()  # in place of a value: the key is taken out


def changed(values: dict, edits: dict) -> dict:
    """A deep copy of `values` with some of them, by their dotted keys, set or taken out."""
    values = yaml.safe_load(yaml.safe_dump(values))
    for key, value in edits.items():
        *sections, last = key.split(".")
        section = values
        for name in sections:
            section = section[name]
        if value is GONE:
            del section[last]
        else:
            section[last] = value
    return values


def settings(values: dict) -> dict[str, str]:
    return {name: text(content) for name, content in resolve(Params.model_validate(values)).items()}


def readers(name: str) -> set[str]:
    """The stages that depend on a file of settings."""
    found = set()
    for stage, declared in GRAPH.items():
        for path in declared.get("do", declared)["deps"]:
            pattern = re.sub(r"\\\$\\\{.*?\\\}", r"([^/]+)", re.escape(path))
            match = re.fullmatch(pattern, f"data/settings/{name}.json")
            # two stages read a task's as finetune does
            if match and (stage not in ("taught", "export-head") or not match.groups()):
                found.add("@".join([stage, *match.groups()]))
    return found


def reruns(context: dict, edits: dict) -> set[str]:
    before = changed(SAMPLE, context)
    old, new = settings(before), settings(changed(before, edits))
    return set().union(*(readers(name) for name, content in new.items() if old.get(name) != content))


def rounds(*names: str) -> set[str]:
    return {f"distill@{name}" for name in names}


TRAINED = rounds("base", "assisted", "tinybert", "sentence", "sparse", "minidisc", "once-for-all")
ROUNDS = TRAINED | rounds("control")
MINILM = ROUNDS - rounds("tinybert", "sentence")
CELLS = {f"finetune@{task}" for task in SAMPLE["table"]["tasks"]}  # of all models
COSINE = {"finetune@stsb_cosine"}  # nothing is trained there
REPORT = {"report"}
WIKI, HUB = {"corpus.download.source": "wikipedia"}, {"teacher.source": "hub"}
TICKETS = {
    "kind": "classification", "path": "data/sample", "train": "train.csv", "dev": "dev.csv", "text": "subject",
    "label": "team",
}  # fmt: skip
LISTED = {"own_tasks": {"tickets": TICKETS}, "table.tasks": ["sst2", "tickets"]}
OWN = {"tasks", "inputs-own-tasks@tickets"}
DATA_SET = {"corpus.download.source": "hub"}
LOCAL = {"teacher.source": "local"}
NO_SPARSE = {
    "rounds.sparse": GONE, "rounds.minidisc": GONE, "table.models": ["teacher", "base/minilm-2L-72H"],
    "export.models": [],
}  # fmt: skip
CLUE = {"table.tasks": ["sst2", "tnews"]}
LARGE = {"source": "hub", "path": "data/sample", "hub": "a/b", "revision": "main"}
TAUGHT = {"teacher": "models/teachers/large", "students": {"s": {"layers": 1, "hidden": 72}}}
THEN = {"rounds.base.then": {"objective": "embedding"}}
OTHERS = {
    f"rounds.{name}.objective": "minilm"
    for name in ("base", "tinybert", "sentence", "sparse", "minidisc", "once-for-all")
}  # all but `assisted` and `control`, which take distill's
# (what holds besides, the key, its other value, the stages)
CASES = [
    ({}, "seed", 1, {"records", "teacher", "sparsify@teacher"} | ROUNDS | REPORT),
    ({}, "corpus.language", "de", {"format"} | REPORT),
    ({}, "corpus.download.source", "wikipedia", {"download", "inputs@corpus"} | REPORT),
    ({}, "corpus.download.path", "data/sample", {"download", "inputs@corpus"} | REPORT),
    (WIKI, "corpus.download.path", "data/sample", set()),
    (WIKI, "corpus.download.wiki", "enwiki", {"download"} | REPORT),
    (WIKI, "corpus.download.date", "20260101", {"download"} | REPORT),
    ({}, "corpus.download.wiki", "enwiki", set()),
    ({}, "corpus.download.date", "20260101", set()),
    (DATA_SET, "corpus.download.hub", "x", {"download"} | REPORT),
    *((DATA_SET, f"corpus.download.{key}", "x", {"download"}) for key in ("revision", "files")),
    *(({}, f"corpus.download.{key}", "x", set()) for key in ("hub", "revision", "files")),
    ({}, "corpus.extract.form", "wudao", {"extract"}),
    ({"corpus.extract.form": "text"}, "corpus.extract.document_end", "line", {"extract"}),
    *(({"corpus.extract.form": form}, "corpus.extract.field", "x", {"extract"}) for form in ("jsonl", "parquet")),
    *(({}, f"corpus.extract.{key}", value, set()) for key, value in {"document_end": "line", "field": "x"}.items()),
    ({}, "corpus.extract.templates", False, {"extract"}),
    ({"corpus.extract.form": "wudao"}, "corpus.extract.templates", False, set()),
    ({}, "corpus.format.splitter", "published", {"format"}),
    ({}, "corpus.format.min_length", 3, {"format"}),
    ({}, "corpus.records.max_length", 32, {"records"}),
    ({}, "corpus.records.short_probability", 0.2, {"records"}),
    ({}, "corpus.records.heldout", 0.2, {"records"}),
    ({}, "teacher.source", "hub", {"tokenizer", "teacher"} | REPORT),
    ({}, "teacher.source", "local", {"tokenizer", "teacher", "inputs@teacher"} | REPORT),
    (LOCAL, "teacher.path", "x", {"tokenizer", "teacher", "inputs@teacher"}),
    ({}, "teacher.path", "x", set()),
    (HUB, "teacher.path", "x", set()),
    (HUB, "teacher.hub", "a/b", {"tokenizer", "teacher"} | REPORT),
    (HUB, "teacher.revision", "v2", {"tokenizer", "teacher"}),
    ({}, "teacher.hub", "a/b", set()),
    ({}, "teacher.revision", "v2", set()),
    *(({}, f"teacher.tokenizer.{key}", value, {"tokenizer"}) for key, value in {
        "vocabulary": 500, "lowercase": False}.items()),
    *(({"rounds.tinybert.objective": "minilm"}, f"teacher.pretrain.{key}", value, {"teacher"}) for key, value in {
        "layers": 4, "hidden": 192, "heads": 12, "neurons": 96, "masked": 0.15, "epochs": 1, "batch": 8,
        "learning_rate": 0.1}.items()),
    (HUB, "teacher.pretrain.epochs", 1, set()),
    ({}, "teachers", {"large": LARGE}, {"teachers@large", "inputs-teachers@large", "distill@larger"} | REPORT),
    (NO_SPARSE | {"sparsify.teachers": []}, "sparsify.teachers", ["teacher"], {"sparsify@teacher"}),
    *(({}, f"sparsify.{key}", value, {"sparsify@teacher"}) for key, value in {
        "share": 0.1, "batch": 8, "criterion": "states", "sparsities": [0, 70]}.items()),
    ({}, "distill.epochs", 3, TRAINED - rounds("minidisc", "sentence") | REPORT),
    ({}, "distill.batch", 64, ROUNDS | REPORT),
    *(({}, f"distill.{key}", value, TRAINED | REPORT) for key, value in {
        "learning_rate": 0.1, "warmup": 0.1, "schedule": "cosine", "weight_decay": 0.1, "gradient_norm": 1.0,
        "adam_epsilon": 0.1}.items()),
    *(({}, f"distill.{key}", value, ROUNDS | REPORT) for key, value in {
        "dropout": 0.2, "precision": "bf16", "heldout": 64}.items()),
    ({}, "distill.teacher_layer", 1, ROUNDS - rounds("sentence") | REPORT),
    (OTHERS, "distill.objective", "tinybert", rounds("assisted", "control") | REPORT),
    *(({}, f"distill.{key}", value, MINILM | REPORT) for key, value in {
        "relation_heads": 12, "relation_weights": [1, 1, 2], "extra_projection": "always"}.items()),
    *(({}, f"distill.{key}", value, MINILM - rounds("control") | REPORT) for key, value in {
        "relation_dropout": 0.1, "log_epsilon": 1e-7, "relation_sequences": 2}.items()),
    ({f"rounds.{name}.further_layers": [] for name in ("minidisc", "once-for-all")}, "distill.further_layers", [1],
     MINILM - rounds("control", "minidisc", "once-for-all") | REPORT),
    ({}, "distill.tinybert_weights", [1, 2], rounds("tinybert") | REPORT),
    ({}, "distill.embedding_distance", "l2", rounds("sentence") | REPORT),
    ({}, "distill.load_balance", 0.1, rounds("base") | REPORT),
    ({}, "distill.balance_padding", True, rounds("base") | REPORT),
    ({}, "distill.expert_learning_rate", 2, rounds("base") | REPORT),
    ({}, "distill.router_z_loss", 0.001, rounds("base") | REPORT),
    ({"rounds.base.epochs": 0}, "distill.load_balance", 0.1, REPORT),  # it has experts, and never trains
    ({}, "distill.assistant_tradeoff", 0.3, rounds("minidisc")),
    ({}, "distill.evaluate_every", 7, TRAINED),
    ({"rounds.base.learning_rate": 0.1}, "distill.learning_rate", 0.2, TRAINED - rounds("base") | REPORT),
    ({}, "rounds.assisted.epochs", 1, rounds("assisted") | REPORT),
    ({}, "rounds.assisted.epochs", 4, set()),  # as distill says
    ({}, "rounds.control.learning_rate", 0.5, REPORT),  # it never trains
    ({}, "rounds.base.then", {"objective": "embedding"}, rounds("base") | REPORT),
    (THEN, "rounds.base.then.epochs", 1, rounds("base") | REPORT),
    (THEN, "rounds.base.then.epochs", 4, set()),  # as the round and distill say
    (THEN, "rounds.base.then.relation_weights", [1, 1, 2], REPORT),  # an embedding has no relations
    (THEN, "rounds.base.relation_weights", [1, 1, 2], rounds("base") | REPORT),
    (THEN, "distill.embedding_distance", "l2", rounds("base", "sentence") | REPORT),
    (THEN | {"rounds.base.then.embedding_distance": "l2"}, "rounds.base.embedding_distance", "l2", REPORT),
    ({}, "rounds.base.students.minilm-2L-72H.neurons", 288, set()),  # as it is by itself
    ({}, "rounds.base.students.minilm-2L-72H.neurons", 144, rounds("base") | REPORT),
    ({}, "rounds.base.students.minilm-2L-72H.start", "random", set()),
    *(({}, f"rounds.base.students.minimoe-2L-72H.experts.{key}", value, rounds("base") | REPORT)
      for key, value in {"active": 2, "shared": 72, "router": "hash"}.items()),
    *(({}, f"rounds.base.students.minimoe-2L-72H.experts.{key}", value, set())  # as published
      for key, value in {"active": 1, "shared": 0, "router": "learned"}.items()),
    ({}, "rounds.base.students.minilm-2L-72H.seed", 1, rounds("base") | REPORT),
    ({}, "rounds.sparse.students.sparse-80.seed", 1, rounds("sparse") | REPORT),
    *(({"teacher.source": "hub"}, "rounds.base.students.minilm-2L-72H.start", start, rounds("base") | REPORT)
      for start in ("teacher", [1, 3])),
    *(({}, f"task_data.{name}.{key}", value, {"tasks", f"inputs-tasks@{name}"} | REPORT)
      for name in ("glue", "conll2003") for key, value in {"source": "hub", "path": "x"}.items()),
    *(({f"task_data.{name}.source": "hub"}, f"task_data.{name}.{key}", "x", read)
      for name in ("glue", "conll2003") for key, read in {"path": set(), "hub": {"tasks"} | REPORT}.items()),
    *(({}, f"task_data.{name}.hub", "x", set()) for name in ("glue", "conll2003", "clue")),
    *(({}, f"task_data.clue.{key}", value, set()) for key, value in {"source": "local", "path": "x"}.items()),
    (CLUE, "task_data.clue.source", "local", {"tasks", "inputs-tasks@clue"} | REPORT),
    (CLUE, "task_data.clue.hub", "x", {"tasks"} | REPORT),
    (CLUE | {"task_data.clue.source": "local"}, "task_data.clue.path", "x", {"tasks", "inputs-tasks@clue"} | REPORT),
    ({}, "own_tasks", {"tickets": TICKETS}, {"inputs-own-tasks@tickets"}),  # read by nobody, as the table lacks it
    (LISTED, "own_tasks", {"tickets": TICKETS | {"train": "a.csv"}}, OWN | REPORT),
    (LISTED, "own_tasks", {"tickets": TICKETS | {"path": "x"}}, OWN | REPORT),
    (LISTED, "own_tasks", {"tickets": TICKETS | {"label": "x"}}, {"tasks", "finetune@tickets"} | REPORT),
    (LISTED, "own_tasks", {"tickets": TICKETS | {"metrics": ["matthews"]}}, {"tasks", "finetune@tickets"} | REPORT),
    (LISTED, "own_tasks", {"tickets": TICKETS, "others": TICKETS}, {"inputs-own-tasks@others"}),
    (LISTED, "tasks.tickets", {"epochs": 1}, {"finetune@tickets"}),
    *(({}, f"finetune.{key}", value, CELLS) for key, value in {
        "max_length": 32, "precision": "bf16", "threads": 2}.items()),
    *(({}, f"finetune.{key}", value, CELLS - COSINE) for key, value in {
        "batch": 8, "learning_rates": [0.1], "seeds": [1], "warmup": 0.2, "weight_decay": 0.1}.items()),
    ({}, "finetune.max_train", 9, CELLS - COSINE - {"finetune@mnli"}),
    *(({}, f"finetune.{key}", 9, CELLS - COSINE - {"finetune@wnli"}) for key in ("epochs", "patience")),
    ({}, "tasks.cola", {"epochs": 1}, {"finetune@cola"}),
    ({}, "tasks.tnews", {"epochs": 1}, set()),
    ({}, "table.models", SAMPLE["table"]["models"][:-1], REPORT),
    ({}, "table.tasks", SAMPLE["table"]["tasks"][:-1], {"tasks"} | REPORT),
    ({}, "table.tasks", SAMPLE["table"]["tasks"][:-2], {"tasks", "inputs-tasks@conll2003"} | REPORT),
    ({}, "taught.models", ["base/minilm-2L-72H"], REPORT),
    *(({}, f"taught.{key}", value, {"taught"}) for key, value in {
        "temperature": 3.0, "weight": 0.1, "unlabelled": 9, "teacher": "base/minilm-2L-72H"}.items()),
    ({}, "cost.length", 64, {"cost", "export"} | REPORT),
    ({}, "cost.batches", [1], {"cost", "export"} | REPORT),
    ({}, "cost.repeats", 3, {"cost", "export"}),
    ({}, "export.models", ["teacher"], REPORT),
    ({}, "export.tasks", ["cola"], REPORT),
    *(({}, f"runtime.{key}", value, set()) for key, value in {
        "workers": 7, "backend": "dask", "scheduler": "tcp://a:1", "device": "cpu", "micro_batch": 3,
        "round_threads": 2, "compile": "never", "deterministic": True, "cells_per_gpu": 2, "shard_records": 9,
        "log_every": 3, "checkpoint_minutes": 1, "launcher": "torchrun", "cell_launcher": "srun python",
        "tracking.enabled": False,
        "tracking.uri": "x.db", "tracking.experiment": "x",
        "tracking.system_metrics": True}.items()),
]  # fmt: skip
BESIDE = {  # what an edit needs to be valid
    "teachers": {"rounds.larger": TAUGHT},
    "runtime.backend": {"runtime.scheduler": "tcp://a:1"},
}


@pytest.mark.slow
@pytest.mark.parametrize(("context", "key", "value", "stages"), CASES)
def test_a_key_reruns_what_reads_it(context, key, value, stages):
    assert reruns(context, BESIDE.get(key, {}) | {key: value}) == stages


def keys(values: dict, before: str = "") -> set[str]:
    """All keys of params; those of users' names count as their section's."""
    found = set()
    for key, value in values.items():
        if f"{before}{key}" in ("rounds", "tasks", "teachers", "own_tasks"):
            found.add(key)
        elif isinstance(value, dict):
            found |= keys(value, f"{before}{key}.")
        else:
            found.add(f"{before}{key}")
    return found


def test_every_key_is_in_the_table():
    tried = {key.split(".")[0] if key.startswith(("rounds.", "tasks.")) else key for _, key, _, _ in CASES}
    assert keys(SAMPLE) == tried
    effective = {key for _, key, _, stages in CASES if stages}
    idle = {key for key in keys(SAMPLE) - {"rounds", "tasks"} if key not in effective}
    assert all(key.startswith("runtime.") for key in idle)


def test_settings_are_the_same_bytes_in_whatever_order_they_are_given():
    def turned(values):
        return {k: turned(v) for k, v in reversed(values.items())} if isinstance(values, dict) else values

    assert settings(turned(SAMPLE)) == settings(SAMPLE)
