"""Change one line, and `dvc repro` reruns what depends on it and nothing else (stages stand in, the graph is real)."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pipeline.repository import DENSE, MODELS, TASKS, dvc, environment, git, params, python

pytestmark = pytest.mark.slow


def rerun_after(repository: Path, edit) -> set[str]:
    """The stages that `dvc repro` runs after an edit of the params; but for the one that looks at them."""
    values = params()
    edit(values)
    (repository / "params.yaml").write_text(yaml.safe_dump(values))
    lines = dvc(repository, "repro").splitlines()
    return {line.split("'")[1] for line in lines if line.startswith("Running stage")} - {"settings"}


def cells(*models: str, tasks: list[str] = TASKS) -> set[str]:
    return {f"finetune@{model}-{task}" for model in models for task in tasks}


def costs(*models: str) -> set[str]:
    return {f"cost@{model}" for model in models}


def experts(values):
    values["rounds"]["base"]["students"]["minimoe"]["experts"]["ffn"] = 8


def width(values):
    values["rounds"]["assisted"]["students"]["minilm-ta"]["hidden"] = 48


def assistant(values):
    values["rounds"]["base"]["students"]["assistant"]["layers"] = 4


def sparsity(values):
    values["rounds"]["sparse"]["students"]["sparse"]["sparsity"] = 90


def sparsify_share(values):
    values["sparsify"]["share"] = 0.5


def task_rate(values):
    values["tasks"]["rte"] = {"learning_rates": [1e-4]}


def distill_rate(values):
    values["distill"]["learning_rate"] = 1e-4


def runtime(values):
    values["runtime"]["workers"] = 7
    values["runtime"]["launcher"] = "torchrun --nproc-per-node=2"
    values["runtime"]["tracking"]["enabled"] = False


def one_task_less(values):
    values["table"]["tasks"] = ["rte"]


STUDENTS = [m for m in MODELS if m != "teacher"]
ENCODER, HEAD = "export@base/minimoe", "export-head@base/minimoe-rte"
CASES = {
    experts: {"distill@base", "report", ENCODER, HEAD} | cells("base/minimoe") | costs("base/minimoe"),
    width: {"distill@assisted", "report"} | cells("assisted/minilm-ta") | costs("assisted/minilm-ta"),
    assistant: {"distill@base", "distill@assisted", "report"}
    | cells("assisted/minilm-ta")
    | costs("assisted/minilm-ta"),
    sparsity: {"distill@sparse", "report"} | cells("sparse/sparse") | costs("sparse/sparse"),
    sparsify_share: {"sparsify@teacher", "distill@sparse", "report"} | cells("sparse/sparse") | costs("sparse/sparse"),
    task_rate: {"report", HEAD} | cells(*MODELS, tasks=["rte"]),
    distill_rate: {"distill@base", "distill@assisted", "distill@sparse", "report", ENCODER, HEAD}
    | cells(*STUDENTS)
    | costs(*STUDENTS),
    runtime: set(),
    one_task_less: {"inputs-tasks@conll2003", "tasks", "report"},  # its files are read no more
}


@pytest.mark.parametrize("edit", CASES, ids=lambda edit: edit.__name__)
def test_an_edit_reruns_what_depends_on_it(repository, edit):
    assert rerun_after(repository, edit) == CASES[edit]


def test_experiments_metrics_and_plots(repository):
    """The README's commands: an experiment from the command line, its metrics and its curves against the baseline."""
    before = (repository / "metrics/distill/base.json").read_bytes()
    dvc(repository, "exp", "run", "-S", "rounds.base.students.minimoe.experts.ffn=8")
    assert (repository / "metrics/distill/base.json").read_bytes() != before
    assert "experts.ffn" in dvc(repository, "params", "diff")
    changed = dvc(repository, "metrics", "diff")
    assert "metrics/finetune/base/minimoe/rte.json" in changed
    assert "metrics/finetune/base/minilm/rte.json" not in changed
    dvc(repository, "plots", "diff", "HEAD")
    assert "Held-out loss" in (repository / "dvc_plots/index.html").read_text()


def test_repro_side_by_side_is_repro(repository):
    """`python -m minimoe repro` runs what `dvc repro` would, and shows the table."""
    values = params()
    distill_rate(values)
    (repository / "params.yaml").write_text(yaml.safe_dump(values))
    lines = python(repository, "minimoe", "repro").splitlines()
    ran = [line.split("'")[1] for line in lines if line.startswith("Running stage")]
    assert sorted(ran) == sorted(CASES[distill_rate] | {"settings"})
    assert (repository / "reports/results.txt").read_text() in "\n".join(lines)
    assert "index.html" in lines[-3]
    assert "up to date" in dvc(repository, "status")


def test_a_file_that_is_not_read_reruns_nothing(repository):
    """Its stage looks at it, and finds that nobody reads it."""
    (repository / "data/sample/README.md").write_text("another")  # in the folder at the paths of teacher and CLUE
    assert rerun_after(repository, lambda values: None) == {"inputs@teacher", "inputs-tasks@clue"}


def test_a_file_that_is_read_reruns_what_reads_it(repository):
    path = repository / "data/sample/conll2003/eng.train"
    path.write_text(path.read_text() + "\n")
    ran = rerun_after(repository, lambda values: None)
    unread = {"inputs@teacher", "inputs-tasks@clue"}
    assert {"inputs-tasks@conll2003", "tasks"} <= ran <= {"inputs-tasks@conll2003", "tasks"} | unread


def test_a_task_of_ones_own_is_a_column_whose_files_rerun_its_cells_alone(repository):
    folder = repository / "own/tickets"
    folder.mkdir(parents=True)
    for split in ("train", "dev"):
        (folder / f"{split}.csv").write_text("subject,team\na,x\nb,y\n")
    (folder / "notes.txt").write_text("not read")
    given = {"kind": "classification", "path": "own/tickets", "train": "train.csv", "dev": "dev.csv"}
    ran = rerun_after(repository, lambda values: own(values, given))
    assert ran == {"inputs-own-tasks@tickets", "tasks", "report"} | cells(*MODELS, tasks=["tickets"])
    (folder / "dev.csv").write_text("subject,team\na,x\nc,y\n")
    edited = rerun_after(repository, lambda values: own(values, given))
    assert edited == {"inputs-own-tasks@tickets", "tasks", "report"} | cells(*MODELS, tasks=["tickets"])
    (folder / "notes.txt").write_text("not read either")
    assert rerun_after(repository, lambda values: own(values, given)) == {"inputs-own-tasks@tickets"}


def own(values, given):
    values["own_tasks"] = {"tickets": given | {"text": "subject", "label": "team"}}
    values["table"]["tasks"] = [*TASKS, "tickets"]


def test_a_clone_with_the_cache_has_everything(repository, tmp_path):
    git(repository, "clone", "-q", str(repository), str(tmp_path / "clone"))
    clone = tmp_path / "clone"
    dvc(clone, "cache", "dir", "--local", str(repository / ".dvc/cache"))
    dvc(clone, "checkout")
    assert (clone / "data/settings/rounds/base.json").is_file()
    assert "up to date" in dvc(clone, "status")


def test_nothing_changed_runs_nothing(repository):
    assert rerun_after(repository, lambda values: None) == set()


def test_artifacts_rerun_nothing_and_are_found_by_name(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # it is found in the repository
    text = (repository / "dvc.yaml").read_text()
    more = "  assisted:\n    path: models/assisted\n    desc: Another\n"
    (repository / "dvc.yaml").write_text(text.replace("The students of the round base", "Small ones") + more)
    assert "up to date" in dvc(repository, "status")
    git(repository, "commit", "-qam", "Artifacts")
    for name, path in (("teacher", "models/teacher"), ("students", "models/base"), ("assisted", "models/assisted")):
        git(repository, "tag", "-a", f"{name}@v1.0.0", "-m", "First")
        dvc(repository, "artifacts", "get", ".", name, "--out", str(tmp_path / name))
        got, made = tmp_path / name, repository / path
        files = {file.relative_to(made): file.read_bytes() for file in made.rglob("*") if file.is_file()}
        assert files and files == {f.relative_to(got): f.read_bytes() for f in got.rglob("*") if f.is_file()}


@pytest.mark.parametrize("name", ["x; touch ran", "$(touch ran)", "../docs"])
def test_a_name_is_refused_before_it_reaches_a_command_or_a_path(repository, name):
    (repository / "docs").mkdir()
    (repository / "docs/mine.txt").write_text("mine")
    values = params()
    values["rounds"][name] = {"teacher": "models/teacher", "students": {"s": dict(DENSE)}}
    (repository / "params.yaml").write_text(yaml.safe_dump(values))
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"], cwd=repository, env=environment(), capture_output=True, text=True
    )
    assert done.returncode and "expected a name of letters" in done.stderr
    assert not list(repository.rglob("ran")) and (repository / "docs/mine.txt").read_text() == "mine"
