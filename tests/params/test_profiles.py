"""Every shipped profile is whole, valid, and makes the stages that its table needs; selecting one loses no edit."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from minimoe.errors import UserError
from minimoe.params import load
from minimoe.profiles import names, select

ROOT = Path(__file__).parents[2]
NAMES = names(ROOT)


def text(name: str) -> str:
    return (ROOT / f"profiles/{name}.yaml").read_text(encoding="utf-8")


def comments(content: str) -> list[tuple[str, str]]:
    """(key, comment) of the lines that have one, rounds and models aside, which are each profile's own."""
    content = re.sub(r"(?ms)^rounds:.*?^# --- ", "", content)
    return re.findall(r"(?m)^ *([\w]+):(?: .*?)? +(# .*)$", content)


def layout(values: object) -> object:
    """Keys in their order, down to where a profile has its own."""
    if not isinstance(values, dict):
        return None
    own = {"rounds", "tasks"}
    return [(key, None if key in own else layout(value)) for key, value in values.items()]


def test_the_documented_profiles_are_there():
    assert {"sample", "small", "paper_base", "paper_large"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_profile_is_valid(name):
    params = load(ROOT / f"profiles/{name}.yaml")
    assert set(params.tasks) == set(load(ROOT / "profiles/sample.yaml").tasks)


@pytest.mark.parametrize("name", NAMES)
def test_profile_has_the_keys_and_comments_of_the_sample(name):
    sample, own = text("sample"), text(name)
    yaml = YAML(typ="safe")
    assert layout(yaml.load(own)) == layout(yaml.load(sample))
    assert comments(own) == comments(sample)


@pytest.mark.parametrize("name", NAMES)
def test_every_student_is_in_the_table_or_teaches(name):
    params = load(ROOT / f"profiles/{name}.yaml")
    students = {f"{round_}/{s}" for round_, values in params.rounds.items() for s in values.students}
    teachers = {round_.teacher.removeprefix("models/") for round_ in params.rounds.values()}
    assert {"teacher"} | students - teachers <= set(params.table.models) <= {"teacher"} | students


@pytest.mark.parametrize("teacher", ["base", "large"])
def test_paper_rows(teacher):
    params = load(ROOT / f"profiles/paper_{teacher}.yaml")
    assert params.teacher.hub == f"google-bert/bert-{teacher}-uncased"
    sizes = ["12L-384H", "6L-384H", "4L-384H", "3L-384H", "4L-192H"]
    rows = [f"base/{kind}-{size}" for kind in ("minilm", "minimoe") for size in sizes]
    assert set(params.table.models) == {"teacher", *rows, *(f"assisted/minilm-ta-{size}" for size in sizes[1:])}
    for round_ in params.rounds.values():
        for student, shape in round_.students.items():
            assert student.endswith(f"{shape.layers}L-{shape.hidden}H")
            assert shape.experts.ffn == (4 if student.startswith("minimoe") else 1)
    distill = params.distill
    assert (distill.epochs, distill.batch, distill.learning_rate, distill.warmup) == (5, 1024, 3e-4, 0.01)
    assert (distill.relation_heads, distill.precision) == (32, "fp16")
    assert len(params.finetune.seeds) > 1 and len(params.finetune.learning_rates) > 1


@pytest.mark.parametrize("name", NAMES)
def test_graph_is_what_the_table_needs(name, tmp_path):
    from dvc.repo import Repo

    params = load(ROOT / f"profiles/{name}.yaml")
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    shutil.copy(ROOT / f"profiles/{name}.yaml", tmp_path / "params.yaml")
    with Repo.init(tmp_path, no_scm=True) as repo:
        graph = repo.index.graph
        edges = {stage.name: {other.name for other in graph.successors(stage)} for stage in repo.index.stages}
    cells = {f"finetune@{model}-{task}" for model in params.table.models for task in params.table.tasks}
    rounds = {f"distill@{name}" for name in params.rounds}
    once = {"download", "extract", "format", "tokenizer", "records", "teacher", "tasks", "report"}
    once |= {f"sparsify@{name}" for name in params.sparsify.teachers}
    assert set(edges) == once | rounds | cells | {f"cost@{model}" for model in params.table.models}
    for model in params.table.models:
        maker = "teacher" if model == "teacher" else f"distill@{model.partition('/')[0]}"
        assert maker in edges[f"cost@{model}"]
        assert {maker, "tasks"} <= edges[f"finetune@{model}-{params.table.tasks[0]}"]
    for name, round_ in params.rounds.items():
        _, teacher, *student = round_.teacher.split("/")
        assert {f"distill@{teacher}" if student else "teacher", "records"} <= edges[f"distill@{name}"]
    assert cells | rounds <= edges["report"]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A git repository with two profiles, the first of them committed as params.yaml."""
    for key in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(key, raising=False)
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/one.yaml").write_text(text("sample"))
    (tmp_path / "profiles/two.yaml").write_text(text("small"))
    shutil.copy(tmp_path / "profiles/one.yaml", tmp_path / "params.yaml")
    return tmp_path


def commit(folder: Path) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=folder, check=True)


def test_select_replaces_a_profile(repository):
    select("two", repository)
    assert (repository / "params.yaml").read_text() == text("small")
    select("one", repository)
    assert (repository / "params.yaml").read_text() == text("sample")


def test_select_makes_a_missing_file(repository):
    (repository / "params.yaml").unlink()
    select("two", repository)
    assert (repository / "params.yaml").read_text() == text("small")


def test_unknown_profile_lists_the_known(repository):
    with pytest.raises(UserError, match="'three': unknown; known are one, two"):
        select("three", repository)


@pytest.mark.parametrize("name", ["../params", "", "one.yaml"])
def test_a_profile_is_a_name_not_a_path(repository, name):
    with pytest.raises(UserError, match="unknown"):
        select(name, repository)


@pytest.mark.parametrize("committed", [False, True])
def test_uncommitted_edits_are_kept(repository, committed):
    if committed:
        commit(repository)
    edited = text("sample").replace("seed: 776", "seed: 1")
    (repository / "params.yaml").write_text(edited)
    with pytest.raises(UserError, match=r"neither committed nor a profile.*--force"):
        select("two", repository)
    assert (repository / "params.yaml").read_text() == edited
    select("two", repository, force=True)
    assert (repository / "params.yaml").read_text() == text("small")


def test_committed_edits_may_go(repository):
    (repository / "params.yaml").write_text(text("sample").replace("seed: 776", "seed: 1"))
    commit(repository)
    select("two", repository)
    assert (repository / "params.yaml").read_text() == text("small")


def test_a_wrong_profile_is_not_selected(repository):
    (repository / "profiles/two.yaml").write_text(text("small").replace("seed: 776", "seed: no"))
    with pytest.raises(UserError, match=r"two\.yaml: seed: expected"):
        select("two", repository)
    assert (repository / "params.yaml").read_text() == text("sample")
