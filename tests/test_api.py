"""Distilling by one call, without DVC."""

import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

import minimoe.api
from minimoe.api import Student, distill
from minimoe.export.encoder import export_encoder
from minimoe.models.sentence import read_head
from minimoe.system.errors import UserError
from tests.backbones import TEXT, save

SHAPE = {"layers": 1, "hidden": 24}
SETTINGS = {"max_length": 24, "epochs": 2, "batch": 8, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a tiny teacher, where the hub's would be, and with a text of 40 documents."""
    folder = tmp_path_factory.mktemp("api")
    save("bert", folder / "google-bert/bert-base-uncased", max_position_embeddings=128)
    line = " ".join(TEXT.split())
    (folder / "text.txt").write_text("\n\n".join(f"{line}\n{line}" for _ in range(40)), encoding="utf-8")
    return folder


@pytest.fixture
def here(folder, tmp_path, monkeypatch) -> Path:
    """A new folder with both in it, as the working folder."""
    for name in ("google-bert", "text.txt"):
        (tmp_path / name).symlink_to(folder / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_documented_lines(here):
    """Those of the module's docstring, as they stand there."""
    code = dedent("".join(re.findall(r"(?m)^    .*\n", minimoe.api.__doc__)))
    assert len(code.splitlines()) == 4
    values = {}
    exec(code, values)
    assert values["model"].config.num_hidden_layers == 3 and values["model"].config.hidden_size == 384
    assert len(values["tokenizer"]) == values["model"].config.vocab_size
    assert {path.name for path in here.iterdir()} == {"google-bert", "text.txt", "student"}


def test_a_student_learns_and_is_the_same_again(here, capsys):
    one, two = (
        distill("google-bert/bert-base-uncased", "text.txt", Student(**SHAPE), f"s{number}", device="cpu", **SETTINGS)
        for number in range(2)
    )
    assert (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()
    first, last = map(float, re.search(r"(\d\.\d+) before training, (\d\.\d+) after", capsys.readouterr().out).groups())
    assert last < first


def test_experts_and_a_folder_for_what_is_made(here):
    student = Student(**SHAPE, experts={"ffn": 2})
    out = distill("google-bert/bert-base-uncased", here / "text.txt", student, "out/moe", work="work", **SETTINGS)
    model = AutoModel.from_pretrained(out, trust_remote_code=True)
    batch = AutoTokenizer.from_pretrained(out)(["ann eats the film"], return_tensors="pt")
    assert model(**batch).last_hidden_state.shape == torch.Size([1, 6, 24])
    assert (here / "work/records/manifest.json").is_file() and (here / "work/teacher/config.json").is_file()


@pytest.mark.slow
def test_shared_neurons_and_finer_experts_are_saved_loaded_and_exported(here):
    student = Student(**SHAPE, experts={"ffn": 6, "active": 2, "shared": 32})
    out = distill("google-bert/bert-base-uncased", "text.txt", student, "fine", work="work", **SETTINGS)
    model = AutoModel.from_pretrained(out, trust_remote_code=True)
    assert (model.config.ffn_active, model.config.ffn_shared, model.config.expert_neurons) == (2, 32, [32])
    layer = model.encoder.layer[0]
    assert layer.ffn_gate.active == 2
    assert layer.intermediate.dense.weight.shape == (6, 32, 24) and layer.shared.intermediate.weight.shape == (32, 24)
    exported = export_encoder(out, here / "work/records", "exported", length=8, batches=[1], repeats=1)
    assert exported["error"] < 1e-5 and exported["rerouted"] == 0


def test_a_sentence_encoder_is_saved_with_its_pooling(here):
    out = distill(
        "google-bert/bert-base-uncased", "text.txt", Student(**SHAPE), "sentence", objective="embedding", **SETTINGS
    )
    teacher = AutoModel.from_pretrained("google-bert/bert-base-uncased").config.hidden_size
    head = read_head(out, AutoModel.from_pretrained(out).config.hidden_size)
    assert (head.modes, head.size, head.length) == (("mean",), teacher, 24)


def test_a_folder_of_texts(here):
    (here / "texts").mkdir()
    (here / "texts/a.txt").write_text((here / "text.txt").read_text())
    out = distill("google-bert/bert-base-uncased", "texts", Student(**SHAPE), "student", **SETTINGS | {"epochs": 0})
    assert (out / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": "none.txt"}, r"^none\.txt: no such file"),
        ({"text": "one.txt"}, r"^one\.txt: expected at least 4 documents"),
        ({"text": "empty.txt"}, r"^empty\.txt: no document in it"),
        ({"out": "google-bert"}, r"^google-bert: exists; expected a new or empty folder"),
        ({"student": Student(sparsity=50)}, "^student: expected layers and hidden"),
        (
            {"max_length": 512},
            r"at most 128, the positions of the teacher google-bert/bert-base-uncased; got 512",
        ),
        ({"device": "cuda"}, "PyTorch finds no GPU"),
        ({"epoch": 3}, "epoch"),
        ({"epochs": -1}, "epochs"),
    ],
)
def test_what_will_not_do_is_said_and_leaves_nothing(here, changes, message):
    if "device" in changes and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    Path("one.txt").write_text("ann eats the good film in paris and rome .\n" * 9)
    Path("empty.txt").write_text("\n")
    before = set(here.iterdir())
    teacher = "google-bert/bert-base-uncased"
    values = {"text": "text.txt", "student": Student(**SHAPE), "out": "student"} | SETTINGS | changes
    with pytest.raises((UserError, ValueError), match=message):
        distill(teacher, **values)
    assert set(here.iterdir()) == before


def test_importing_takes_no_library_of_models():
    code = (
        "import sys; import minimoe, minimoe.api; print({'torch', 'transformers', 'dvc', 'mlflow'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
