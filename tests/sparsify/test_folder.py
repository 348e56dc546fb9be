import json

import pytest
import torch
from safetensors.torch import load_file
from sparsify.sparse import inputs, random_importance, teacher
from transformers import AutoModel, AutoModelForMaskedLM

from minimoe.models import MiniMoEModel
from minimoe.models.save import save
from minimoe.models.slices import cut
from minimoe.models.sparsified import Sparsified, write_sparsified
from minimoe.models.sparsity import removed
from minimoe.sparsify.reorder import reorder
from minimoe.system.errors import UserError

IMPORTANCE = random_importance()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sparsified tiny teacher, beside the teacher."""
    root = tmp_path_factory.mktemp("sparsified")
    teacher().save_pretrained(root / "teacher")
    (root / "teacher" / "vocab.txt").write_text("its tokenizer\n")
    encoder = AutoModel.from_pretrained(root / "teacher")
    write_sparsified(root / "teacher", root / "out", IMPORTANCE, reorder(encoder, IMPORTANCE), [50, 0, 90])
    return root / "out"


def test_it_teaches_as_the_teacher_does(folder):
    for path in sorted((folder.parent / "teacher").iterdir()):
        assert (folder / path.name).read_bytes() == path.read_bytes()
    loaded = AutoModelForMaskedLM.from_pretrained(folder)
    assert torch.equal(loaded(**inputs()).logits, teacher()(**inputs()).logits)


def test_importances_and_map_are_stored(folder):
    stored = load_file(folder / "importance.safetensors")
    assert stored.keys() == IMPORTANCE._asdict().keys()
    assert all(torch.equal(stored[kind], values) for kind, values in IMPORTANCE._asdict().items())
    sparsities = json.loads((folder / "sparsity_map.json").read_text())
    assert sparsities == {str(sparsity): removed(IMPORTANCE, sparsity) for sparsity in (50, 0, 90)}
    assert Sparsified(folder).sparsities == [0, 50, 90]


def test_the_reordered_model_is_the_teacher(folder):
    sparsified = Sparsified(folder)
    hidden = sparsified.model(**inputs()).last_hidden_state
    torch.testing.assert_close(hidden, teacher().bert(**inputs()).last_hidden_state)
    assert not sparsified.model.training
    assert sparsified.config(0).to_dict() == sparsified.model.config.to_dict()


@pytest.mark.parametrize("sparsity", [25, 66])  # of no entry in the map
def test_a_student_of_any_sparsity_is_cut_saved_and_loaded(tmp_path, folder, sparsity):
    sparsified = Sparsified(folder)
    student = cut(sparsified.model, sparsified.config(sparsity))
    assert student.num_parameters() < sparsified.model.num_parameters()
    save(student, tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert type(loaded) is MiniMoEModel
    assert torch.equal(loaded(**inputs()).last_hidden_state, student(**inputs()).last_hidden_state)


def test_no_width_left_is_an_error_that_names_the_sparsity(folder):
    with pytest.raises(UserError, match=r"sparsity 99: .* removes 29 of 32"):
        Sparsified(folder).config(99)


@pytest.mark.parametrize("name", ["importance.safetensors", "sparsity_map.json", "reordered/config.json"])
def test_a_folder_of_another_kind_is_an_error(tmp_path, name):
    for other in {"importance.safetensors", "sparsity_map.json", "reordered/config.json"} - {name}:
        (tmp_path / other).parent.mkdir(exist_ok=True)
        (tmp_path / other).touch()
    with pytest.raises(UserError, match=f"{tmp_path}: expected a sparsified teacher, but {name} is missing"):
        Sparsified(tmp_path)


def test_a_failure_leaves_nothing(tmp_path, folder):
    model = Sparsified(folder).model
    with pytest.raises(ValueError):
        write_sparsified(folder.parent / "teacher", tmp_path / "out", IMPORTANCE, model, [100, 101])
    assert not list(tmp_path.iterdir())
