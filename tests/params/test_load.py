"""Loading params: a wrong file is one line that names every key, what was expected and what came."""

import copy
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from minimoe.params import load
from minimoe.system.errors import UserError

SAMPLE = Path(__file__).parents[2] / "profiles/sample.yaml"
VALUES = YAML(typ="safe").load(SAMPLE.read_text(encoding="utf-8"))
GONE = object()
DENSE = {"layers": 1, "hidden": 96}
ROUND = {"teacher": "models/teacher", "students": {"a": DENSE}}
# what the messages below name is fixed here, so that the sample may change
VALUES["rounds"] = {
    "base": {"teacher": "models/teacher", "students": {"small": DENSE, "big": DENSE | {"layers": 2}}},
    "assisted": {"teacher": "models/base/big", "students": {"small": DENSE}},
    "control": ROUND | {"epochs": 0},
}
VALUES["table"] = {"models": ["teacher", "base/small"], "tasks": ["rte", "conll2003"]}
VALUES["export"] = {"models": ["base/small"], "tasks": ["rte"]}
VALUES["tasks"]["conll2003"] = {"batch": 32}
VALUES["distill"]["relation_heads"] = 48
VALUES["teacher"] |= {"source": "pretrain"}
VALUES["teacher"]["pretrain"] |= {"hidden": 192, "heads": 12}


@pytest.fixture
def refused(tmp_path):
    """The message for the sample's params with some values changed, after the file's name."""

    def refuse(edits: dict[str, object]) -> str:
        values = copy.deepcopy(VALUES)
        for key, value in edits.items():
            *sections, last = key.split(".")
            section = values
            for name in sections:
                section = section[name]
            if value is GONE:
                del section[last]
            else:
                section[last] = value
        path = tmp_path / "p.yaml"
        with path.open("w", encoding="utf-8") as file:
            YAML().dump(values, file)
        with pytest.raises(UserError) as error:
            load(path)
        message = str(error.value)
        assert message.startswith(f"{path}: ") and "\n" not in message
        return message.removeprefix(f"{path}: ")

    return refuse


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        # an unknown key, with the nearest known
        ("sed", 1, "sed: unknown key; did you mean 'seed'?"),
        ("distill.learning_rat", 0.1, "distill.learning_rat: unknown key; did you mean 'learning_rate'?"),
        ("rounds.base.epoch", 1, "rounds.base.epoch: unknown key; did you mean 'epochs'?"),
        ("tasks.sst2", {"epoch": 1}, "tasks.sst2.epoch: unknown key; did you mean 'epochs'?"),
        ("table.zzz", 1, "table.zzz: unknown key; known here: models, tasks"),
        # something missing
        ("seed", GONE, "seed: missing"),
        ("distill.epochs", GONE, "distill.epochs: missing"),
        ("teacher", GONE, "teacher: missing"),
        ("rounds.base.teacher", GONE, "rounds.base.teacher: missing"),
        # what starts processes, and whose
        ("runtime.launcher", "torchrun '-x", 'runtime.launcher: expected a command line, got "torchrun \'-x"'),
        ("runtime.cell_launcher", "srun '-x", 'runtime.cell_launcher: expected a command line, got "srun \'-x"'),
        ("runtime.cells_per_gpu", 0, "runtime.cells_per_gpu: expected at least 1, got 0"),
        ("runtime.deterministic", 1, "runtime.deterministic: expected true or false, got 1"),
        ("runtime.compile", True, "runtime.compile: expected 'auto', 'never' or 'always', got True"),
        ("finetune.precision", "fp16", "finetune.precision: expected 'fp32' or 'bf16', got 'fp16'"),
        ("runtime.backend", "spark", "runtime.backend: expected 'loky', 'dask' or 'ray', got 'spark'"),
        ("runtime.backend", "dask", "runtime.scheduler: expected the address of the dask cluster, got nothing"),
        # a wrong type
        ("seed", "776", "seed: expected a whole number, got '776'"),
        ("seed", 1.5, "seed: expected a whole number, got 1.5"),
        ("seed", True, "seed: expected a whole number, got True"),
        ("distill.learning_rate", "fast", "distill.learning_rate: expected a number, got 'fast'"),
        ("corpus.extract.templates", "no", "corpus.extract.templates: expected true or false, got 'no'"),
        ("finetune.seeds", 776, "finetune.seeds: expected a list in [ ], got 776"),
        ("corpus.download", None, "corpus.download: expected keys and values, got None"),
        ("tasks.rte", None, "tasks.rte: expected keys and values, got None"),
        ("teacher.hub", 3, "teacher.hub: expected text, got 3"),
        # out of range, or none of the choices
        ("seed", -1, "seed: expected at least 0, got -1"),
        ("distill.warmup", 2, "distill.warmup: expected at most 1.0, got 2"),
        ("distill.learning_rate", 0, "distill.learning_rate: expected more than 0.0, got 0"),
        ("distill.dropout", 1, "distill.dropout: expected less than 1.0, got 1"),
        ("distill.precision", "fp8", "distill.precision: expected 'fp32', 'bf16' or 'fp16', got 'fp8'"),
        ("distill.teacher_layer", "top", "distill.teacher_layer: expected a whole number or 'last', got 'top'"),
        ("distill.teacher_layer", 0, "distill.teacher_layer: expected at least 1 or 'last', got 0"),
        ("rounds.control.epochs", -1, "rounds.control.epochs: expected at least 0, got -1"),
        ("tasks.rte", {"batch": 0}, "tasks.rte.batch: expected at least 1, got 0"),
        ("finetune.seeds", [], "finetune.seeds: expected a list of at least 1, got []"),
        ("finetune.seeds", [1, 2, 1], "finetune.seeds: expected each entry once, got 1 again"),
        ("cost.batches", [1, 0], "cost.batches.1: expected at least 1, got 0"),
        # a text of a wrong form
        ("corpus.language", "English", "corpus.language: expected an ISO code such as en, got 'English'"),
        ("corpus.download.date", "1 May", "corpus.download.date: expected latest or yyyymmdd, got '1 May'"),
        ("corpus.download.wiki", "simple", "corpus.download.wiki: expected a wiki's name such as simplewiki"),
        ("corpus.download.source", "here", "corpus.download.source: expected local, wikipedia, hub, or an http"),
        ("rounds.a b", ROUND, "rounds.a b: expected a name of letters, digits, '_' and '-', got 'a b'"),
        ("rounds", {"v1.5": ROUND}, "rounds.v1.5: expected a name of letters, digits, '_' and '-', got 'v1.5'"),
        ("teachers", {"v1.5": {"source": "hub", "path": "x", "hub": "a/b", "revision": "main"}},
         "teachers.v1.5: expected a name of letters, digits, '_' and '-', got 'v1.5'"),
        # DVC asks for an address that stands in a path
        ("corpus.download.path", "https://x/y.bz2", "corpus.download.path: expected a path on this machine, got "
         "'https://x/y.bz2'; an address is given at source"),
        ("teacher.path", "s3://x", "teacher.path: expected a path on this machine, got 's3://x'; a model of the hub"),
        ("task_data.glue.path", "http://x", "task_data.glue.path: expected a path on this machine, got 'http://x'"),
        ("rounds.base.teacher", "teacher", "rounds.base.teacher: expected models/teacher, models/teachers/<name>"),
        ("taught.teacher", "a", "taught.teacher: expected teacher, teachers/<name> or <round>/<student>, got 'a'"),
        ("taught.models", ["teacher"], "taught.models.0: expected <round>/<student>, got 'teacher'"),
        ("export.models", ["a"], "export.models.0: expected teacher, teachers/<name> or <round>/<student>, got 'a'"),
        ("export.models", ["base/big"], "export.models: expected some of table.models, teacher, base/small; got 'base"),
        ("export.models", ["teacher", "teacher"], "export.models: expected each entry once, got 'teacher' again"),
        ("export.tasks", ["cola"], "export.tasks: expected some of table.tasks, rte, conll2003; got 'cola'"),
        ("export.tasks", ["a/b"], "export.tasks.0: expected a name of letters"),
        ("table.models", ["a"], "table.models.0: expected teacher, teachers/<name> or <round>/<student>, got 'a'"),
        ("table.tasks", ["rte", "sst"], "table.tasks.1: expected 'sst2', 'mrpc'"),
    ],
)  # fmt: skip
def test_wrong_value(refused, key, value, message):
    assert refused({key: value}).startswith(message)


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        (
            {"rounds.base.students.small": DENSE | {"heads": 7}},
            "rounds.base.students.small.hidden: expected a multiple of heads 7, got 96",
        ),
        (
            {"teacher.pretrain.heads": 7},
            "teacher.pretrain.hidden: expected a multiple of heads 7, got 192",
        ),
        (
            {"rounds.control.relation_heads": 64},
            "rounds.control.students.a.hidden: expected a multiple of relation_heads 64, got 96",
        ),
        (
            {"teacher.pretrain.hidden": 180},
            "rounds.base.teacher: expected a width that is a multiple of relation_heads 48, got "
            "'models/teacher', 180 wide",
        ),
        (
            {"rounds.assisted.teacher": "models/base/nobody"},
            "rounds.assisted.teacher: expected one of models/assisted/small, models/base/big, models/base/small",
        ),
        (
            {"rounds.base.teacher": "models/base/small"},
            "rounds.base.teacher: expected a model made before this round, got 'models/base/small'",
        ),
        (
            {"rounds.base.teacher": "models/assisted/small"},
            "rounds.base.teacher: expected a model made before this round",
        ),
        ({"table.models": ["teacher", "base/nobody"]}, "table.models: expected one of assisted/small, base/big"),
        ({"table.models": ["teacher", "teacher"]}, "table.models: expected each entry once, got 'teacher' again"),
    ],
)
def test_values_that_contradict_each_other(refused, edits, message):
    assert message in refused(edits)


def test_every_problem_is_named(refused):
    message = refused({"seed": "x", "distill.epoch": 1, "table.tasks": []})
    assert message.split("; ")[:2] == ["seed: expected a whole number, got 'x'", "distill.epoch: unknown key"]
    assert "table.tasks: expected a list of at least 1" in message


def test_a_width_is_not_checked_where_params_do_not_tell_it(tmp_path):
    values = copy.deepcopy(VALUES)
    values["teacher"]["source"] = "hub"
    values["teacher"]["pretrain"]["hidden"] = 180
    with (tmp_path / "p.yaml").open("w") as file:
        YAML().dump(values, file)
    load(tmp_path / "p.yaml")


def test_sections_override_only_what_they_say(tmp_path):
    with (tmp_path / "p.yaml").open("w") as file:
        YAML().dump(VALUES, file)
    params = load(tmp_path / "p.yaml")
    control = params.rounds["control"].over(params.distill)
    assert control.epochs == 0 != params.distill.epochs
    assert control == params.distill.model_copy(update={"epochs": 0})
    assert params.rounds["base"].over(params.distill) == params.distill
    conll = params.finetuning("conll2003")
    assert conll == params.finetune.model_copy(update={"batch": 32})


def test_a_date_needs_no_quotes(tmp_path):
    text = SAMPLE.read_text(encoding="utf-8")
    assert "    date: latest " in text
    path = tmp_path / "p.yaml"
    path.write_text(text.replace("    date: latest ", "    date: 20261120 "), encoding="utf-8")
    assert load(path).corpus.download.date == "20261120"
    path.write_text(text.replace("    date: latest ", "    date: 2026 "), encoding="utf-8")
    with pytest.raises(UserError, match=r"corpus\.download\.date: "):
        load(path)
