"""Cards: valid metadata, every kind of student, and no number that no stage wrote."""

import json
import re

import pytest
from huggingface_hub import ModelCard
from report.conftest import EVERY, FURTHER, Tree

from minimoe.params.resolve import resolve
from minimoe.pipeline.profiles import load_profile
from minimoe.publish.card import Run
from minimoe.publish.sources import read_sources
from minimoe.system.errors import UserError

HUB = {"source": "hub", "hub": "some/data"}
SOURCES = {
    "corpus": HUB,
    "teacher": {"source": "hub", "hub": "some/bert"},
    "teachers/large": {"source": "local"},
    "tasks/glue": HUB,
    "tasks/conll2003": {"source": "local"},
}
TEACHER, COMMIT = "data/origin/teacher.json", "c0ffee" * 6


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Tree:
    made = Tree(tmp_path_factory.mktemp("run"), EVERY, FURTHER)
    made.write(TEACHER, {"teacher": {"hub": "some/bert", "commit": COMMIT, "license": "mit"}})
    made.write("data/origin/teachers/large.json", {})
    made.write("data/origin/corpus.json", {"corpus": {"commit": COMMIT}})
    made.write("data/origin/tasks.json", {"glue": {"commit": COMMIT}})
    return made


def run(tree, models=None, invented=(), **sources) -> Run:
    read = read_sources(tree.root, SOURCES | sources)
    return Run(tree.root, tree.collect(models=models), tree.rounds, tree.distill, "en", read, invented, {})


@pytest.fixture(scope="module")
def cards(tree) -> dict[str, str]:
    return run(tree).cards()


@pytest.mark.slow
def test_every_student_has_a_card_whose_metadata_the_library_reads_back(cards):
    assert set(cards) == {f"{name}/{m}" for name, values in EVERY.items() for m in made_by(values)}
    for name, text in cards.items():
        data = ModelCard(text).data
        assert (data.language, data.model_name) == ("en", name.partition("/")[2])
        assert data.eval_results and str(ModelCard(text)) == text
        assert "Undefined" not in text and "None" not in text and "\n\n\n" not in text


def made_by(values) -> list[str]:
    shapes = values.get("once_for_all", {"layers": [], "hidden": []})
    inside = [f"{layers}L-{hidden}H" for layers in shapes["layers"] for hidden in shapes["hidden"]]
    return [*values["students"], *inside, *(["assistant"] if "assistant" in values else [])]


def test_scores_and_costs_are_those_of_the_metric_files(tree, cards):
    data = ModelCard(cards["base/minimoe"]).data
    found = {(result.dataset_config, result.dataset_split): result.metric_value for result in data.eval_results}
    for task, split, column in (("mnli", "validation_mismatched", "mnli-mm"), ("cola", "validation", "cola")):
        path = tree.root / f"metrics/finetune/base/minimoe/{task}.json"
        assert found[task, split] == json.loads(path.read_text())["results"][column]["mean"]
    assert "| multiply-adds of a sequence of 128 tokens | 28,000,000 |" in cards["base/minimoe"]
    assert "| milliseconds for a batch of 32 such sequences | 14.0 |" in cards["base/minimoe"]


def test_where_everything_came_from(cards):
    data = ModelCard(cards["base/minilm"]).data
    assert (data.base_model, data.license, data.datasets) == ("some/bert", "mit", ["some/data"])
    glue, conll = data.eval_results[0], data.eval_results[-2]
    assert (glue.dataset_type, glue.dataset_revision) == ("some/data", COMMIT)
    assert (conll.dataset_type, conll.dataset_revision) == ("local-conll2003", None)
    other = ModelCard(cards["large/minilm"])
    assert (other.data.base_model, other.data.license) == (None, None)
    assert "Not known: what came with the teacher names no license." in other.text


def test_each_kind_says_how_it_is_loaded(cards):
    assert "trust_remote_code" not in cards["base/minilm"]
    assert 'AutoModel.from_pretrained("models/base/minimoe", trust_remote_code=True)' in cards["base/minimoe"]
    for name in ("sentence/sentence", "relations-first/sentence"):
        data = ModelCard(cards[name]).data
        assert (data.pipeline_tag, data.library_name) == ("sentence-similarity", "sentence-transformers")
        assert f'SentenceTransformer("models/{name}")' in cards[name] and "sentence-transformers" in data.tags
    assert "It was not trained" in cards["control/scratch"]
    assert "`base/assistant` of the same run" in cards["assisted/minilm-ta"]
    for text in cards.values():
        compile(re.search(r"(?s)```python\n(.*?)```", text)[1], "card", "exec")


@pytest.mark.slow
def test_without_its_file_there_is_no_number(tree, cards):
    """What is not measured is left out; what is no longer there is an error; what changes, changes on the card."""
    outside = run(tree, models=["teacher", "base/minilm"]).cards()["base/minimoe"]
    assert ModelCard(outside).data.eval_results is None and outside.count("Not measured in this run") == 2
    whole = set(re.findall(r"\d[\d,.]*\d|\d", cards["base/minimoe"]))
    assert {"28,000,000", "700,000", "600,000", "2.5", "14.0"} <= whole
    path = "metrics/distill/base.json"
    kept = json.loads((tree.root / path).read_text())
    changed = {"heldout_loss": 0.123, "records": 7654, "steps": 4321}
    try:
        tree.edit(path, lambda values: values["minimoe"].update(changed))
        text = run(tree).cards()["base/minimoe"]
        assert all(value in text for value in ("0.123", "7,654", "4,321"))
        tree.edit(path, lambda values: values["minimoe"].pop("records"))
        with pytest.raises(UserError, match=r"distill/base\.json: minimoe: expected 'records'"):
            run(tree).cards()
    finally:
        tree.write(path, kept)


@pytest.mark.slow
def test_no_path_and_no_secret_of_an_address_is_told(tree):
    address = {"source": "https://me:secret@example.org/private/text.zip?key=secret"}
    text = run(tree, corpus=address, teacher={"source": "pretrain"}).cards()["base/minilm"]
    assert "a file from example.org" in text and "secret" not in text and "private" not in text
    assert "pretrained for it" in text


@pytest.mark.slow
def test_the_sample_says_that_it_is_invented(tree):
    text = run(tree, invented=("corpus", "glue")).cards()["base/minilm"]
    assert "its corpus and glue are invented" in text and "GLUE CoLA (invented examples)" in text


def test_settings_name_sources_without_paths():
    params = load_profile("sample", ".")
    said = resolve(params)["report"]["sources"]
    assert said["corpus"] == {"source": "local"} and said["teacher"] == {"source": "pretrain"}
    assert "data/sample" not in str(said)
