"""Every shipped profile is valid and makes the stages that its table needs; selecting one loses no edit."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from minimoe.pipeline.profiles import REPLACED, load_profile, names, select, whole
from minimoe.system.errors import UserError
from minimoe.tasks.table import TASKS

ROOT = Path(__file__).parents[2]
NAMES = names(ROOT)


def text(name: str) -> str:
    return whole(name, ROOT)


def yaml_of(path: Path) -> dict:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def comments(content: str) -> list[tuple[str, str]]:
    """(key, comment) of the lines that have one, rounds and models aside, which are each profile's own."""
    content = re.sub(r"(?ms)^rounds:.*?^# --- ", "", content)
    return re.findall(r"(?m)^ *([\w]+):(?: .*?)? +(# .*)$", content)


def layout(values: object) -> object:
    """Keys in their order, down to where a profile has its own."""
    if not isinstance(values, dict):
        return None
    own = {"rounds", "tasks", "teachers"}
    return [(key, None if key in own else layout(value)) for key, value in values.items()]


def maker(model: str) -> str:
    """The stage that makes a model."""
    round_, _, name = model.partition("/")
    return {"teacher": "teacher", "teachers": f"teachers@{name}", "sparsified": f"sparsify@{name}"}.get(
        round_, f"distill@{round_}"
    )


def test_the_documented_profiles_are_there():
    assert {"sample", "small", "paper_base", "paper_large", "paper_curse", "chinese", "chinese_xlarge"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_profile_is_valid(name):
    load_profile(name, ROOT)


def test_params_yaml_is_the_sample():
    assert (ROOT / "params.yaml").read_text(encoding="utf-8") == text("sample")


@pytest.mark.parametrize("name", NAMES)
def test_profile_has_the_keys_and_comments_of_the_sample(name):
    sample, own = text("sample"), text(name)
    yaml = YAML(typ="safe")
    assert layout(yaml.load(own)) == layout(yaml.load(sample))
    assert comments(own) == comments(sample)
    headings = [[line for line in content.split("\n") if line.startswith("# ---")] for content in (own, sample)]
    assert headings[0] == headings[1]
    assert max(map(len, own.split("\n"))) <= 140


@pytest.mark.parametrize("name", sorted({*NAMES} - {"sample"}))
def test_profile_says_only_what_differs(name):
    """In the values that its run reads, and of each key once."""
    own = yaml_of(ROOT / f"profiles/{name}.yaml")
    sample = yaml_of(ROOT / "profiles/sample.yaml")

    def same(mine: dict, its: dict, at: str = "") -> list[str]:
        both = [(f"{at}{key}", value, its[key]) for key, value in mine.items()]
        nested = [
            same(a, b, f"{key}.") for key, a, b in both if isinstance(a, dict) and isinstance(b, dict) and a and b
        ]
        return [key for key, a, b in both if a == b] + [key for keys in nested for key in keys]

    for replaced in REPLACED:
        assert own.pop(replaced) != sample.pop(replaced)
    assert set(same(own, sample)) <= {"teacher.hub"}  # beside the revision that pins it


@pytest.mark.parametrize("name", NAMES)
def test_every_student_is_in_the_table_or_teaches(name):
    params = load_profile(name, ROOT)
    made = {f"{round_}/{model}" for round_, values in params.rounds.items() for model in values.models}
    made |= {f"teachers/{further}" for further in params.teachers}
    teachers = {round_.teacher.removeprefix("models/") for round_ in params.rounds.values()}
    teachers |= {f"{name}/assistant" for name in params.rounds}  # of its own round
    assert {"teacher"} | made - teachers <= set(params.table.models) <= {"teacher"} | made


@pytest.mark.parametrize(
    ("name", "teacher", "width", "form"),
    [
        ("chinese", "google-bert/bert-base-chinese", 768, "cluecorpus"),
        ("chinese_xlarge", "IDEA-CCNL/Erlangshen-MegatronBert-1.3B", 2048, "wudao"),
    ],
)
def test_chinese_rows(name, teacher, width, form):
    params = load_profile(name, ROOT)
    assert (params.teacher.hub, params.corpus.extract.form, params.corpus.language) == (teacher, form, "zh")
    rows = [f"base/{kind}-{layers}L-384H" for kind in ("minilm", "minimoe") for layers in (6, 4, 3)]
    assert params.table.models == ["teacher", *rows]
    assert {TASKS[task].family for task in params.table.tasks} == {"clue"}
    assert width % params.distill.relation_heads == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_graph_is_what_the_table_needs(name, tmp_path):
    from dvc.repo import Repo

    params = load_profile(name, ROOT)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    (tmp_path / "params.yaml").write_text(text(name), encoding="utf-8")
    with Repo.init(tmp_path, no_scm=True) as repo:
        graph = repo.index.graph
        edges = {stage.name: {other.name for other in graph.successors(stage)} for stage in repo.index.stages}
    cells = {f"finetune@{model}-{task}" for model in params.table.models for task in params.table.tasks}
    rounds = {f"distill@{name}" for name in params.rounds}
    once = {"settings", "download", "extract", "format", "tokenizer", "records", "teacher", "tasks", "report"}
    once |= {f"sparsify@{name}" for name in params.sparsify.teachers}
    once |= {f"{stage}@{name}" for name in params.teachers for stage in ("teachers", "inputs-teachers")}
    once |= {"inputs@corpus", "inputs@teacher"} | {f"inputs-tasks@{name}" for name in ("glue", "conll2003", "clue")}
    exports = {f"export@{model}" for model in params.export.models}
    heads = {f"export-head@{model}-{task}" for model in params.export.models for task in params.export.tasks}
    assert set(edges) == once | rounds | cells | {f"cost@{model}" for model in params.table.models} | exports | heads
    for model in params.table.models:
        assert maker(model) in edges[f"cost@{model}"]
        assert {maker(model), "tasks"} <= edges[f"finetune@{model}-{params.table.tasks[0]}"]
    for name, round_ in params.rounds.items():
        assert {maker(round_.teacher.removeprefix("models/")), "records"} <= edges[f"distill@{name}"]
    assert cells | rounds <= edges["report"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the sample as params.yaml, and beside it a profile `two`."""
    for key in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(key, raising=False)
    (tmp_path / "profiles").mkdir()
    shutil.copy(ROOT / "profiles/sample.yaml", tmp_path / "profiles")
    shutil.copy(ROOT / "profiles/small.yaml", tmp_path / "profiles/two.yaml")
    shutil.copy(ROOT / "profiles/sample.yaml", tmp_path / "params.yaml")
    return tmp_path


def commit(folder: Path) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=folder, check=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("corpus:\n  langage: zh\n", r"two\.yaml: corpus\.langage: unknown key; known here: language, download"),
        ("corpora: 1\n", r"two\.yaml: corpora: unknown key; known here: seed, corpus"),
        ("corpus: 5\n", r"two\.yaml: corpus: expected keys and values, got 5"),
        ("seed: no\n", r"two\.yaml: seed: expected a whole number"),
        ("- a\n", r"two\.yaml: expected sections"),
        ("", r"two\.yaml: expected sections"),
        ("a: [1", r"two\.yaml: not valid YAML"),
    ],
)
def test_a_wrong_profile_is_not_selected(folder, content, message):
    (folder / "profiles/two.yaml").write_text(content)
    with pytest.raises(UserError, match=message) as error:
        select("two", folder)
    assert len(str(error.value).splitlines()) == 1
    assert (folder / "params.yaml").read_text() == text("sample")


def test_select_replaces_a_profile(folder):
    select("two", folder)
    assert (folder / "params.yaml").read_text() == text("small")
    select("sample", folder)
    assert (folder / "params.yaml").read_text() == text("sample")


def test_select_makes_a_missing_file(folder):
    (folder / "params.yaml").unlink()
    select("two", folder)
    assert (folder / "params.yaml").read_text() == text("small")


def test_unknown_profile_lists_the_known(folder):
    with pytest.raises(UserError, match="'three': unknown; known are sample, two"):
        select("three", folder)


def test_a_folder_without_profiles_says_how_to_get_some(tmp_path):
    with pytest.raises(UserError, match="minimoe init"):
        select("sample", tmp_path)


@pytest.mark.parametrize("name", ["../params", "", "two.yaml"])
def test_a_profile_is_a_name_not_a_path(folder, name):
    with pytest.raises(UserError, match="unknown"):
        select(name, folder)


@pytest.mark.parametrize("committed", [False, True])
def test_uncommitted_edits_are_kept(folder, committed):
    if committed:
        commit(folder)
    edited = text("sample").replace("seed: 776", "seed: 1")
    (folder / "params.yaml").write_text(edited)
    with pytest.raises(UserError, match=r"neither committed nor in a profile.*--force"):
        select("two", folder)
    assert (folder / "params.yaml").read_text() == edited
    select("two", folder, force=True)
    assert (folder / "params.yaml").read_text() == text("small")


def test_committed_edits_may_go(folder):
    (folder / "params.yaml").write_text(text("sample").replace("seed: 776", "seed: 1"))
    commit(folder)
    select("two", folder)
    assert (folder / "params.yaml").read_text() == text("small")
