"""Shapes before there are models, and of models that are there."""

import pytest
from transformers import BertConfig, BertModel

from minimoe.models.sparsity import removed
from minimoe.pipeline.profiles import names
from minimoe.plan.models import Models, even_importance
from minimoe.system.errors import UserError
from tests.plan.conftest import ROOT, profile


def models(params, root=ROOT, done=frozenset()) -> Models:
    return Models(params, root, done)


@pytest.fixture(autouse=True)
def no_hub_cache(monkeypatch):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)


@pytest.mark.parametrize("name", names(ROOT))
def test_every_model_of_every_profile_has_a_shape(name):
    params = profile(name)
    made = models(params)
    for model in params.table.models:
        assert made.config(f"models/{model}").num_hidden_layers > 0


def test_known_teachers():
    teacher = models(profile("chinese_xlarge")).config("models/teacher")
    assert (teacher.num_hidden_layers, teacher.hidden_size, teacher.vocab_size) == (24, 2048, 21248)
    small = models(profile("small")).config("models/teacher")
    assert (small.num_hidden_layers, small.hidden_size, small.intermediate_size) == (8, 512, 2048)
    assert models(profile("paper_curse")).config("models/teachers/large").hidden_size == 1024


def test_an_unknown_teacher_is_an_error_that_says_what_to_run():
    params = profile("paper_base", teacher__hub="somebody/encoder")
    with pytest.raises(UserError, match=r"teacher\.hub: .*somebody/encoder.*dvc repro teacher$"):
        models(params).config("models/base/minilm-3L-384H")


def test_a_local_teachers_folder_is_read(tmp_path):
    shape = BertConfig(hidden_size=36, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, vocab_size=9)
    BertModel(shape).save_pretrained(tmp_path / "own")
    params = profile(teacher__source="local", teacher__path="own")
    assert models(params, tmp_path).config("models/teacher").hidden_size == 36
    with pytest.raises(UserError, match=r"teacher\.path: expected a Hugging Face model folder, got 'none'"):
        models(profile(teacher__source="local", teacher__path="none"), tmp_path).config("models/teacher")


def test_a_model_counts_only_while_it_is_up_to_date(tmp_path):
    shape = BertConfig(hidden_size=36, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, vocab_size=9)
    shape.save_pretrained(tmp_path / "models/teacher")
    assert models(profile(), tmp_path, {"teacher"}).config("models/teacher").hidden_size == 36
    assert models(profile(), tmp_path).config("models/teacher").hidden_size == 96


def test_students_have_the_shape_that_params_say():
    made = models(profile())
    experts = made.config("models/base/minimoe-2x4-2L-72H")
    assert (experts.attention_experts, experts.ffn_experts, experts.intermediate_size) == ([2, 2], [4, 4], 288)
    subnet = made.config("models/once-for-all/2L-48H")
    assert (subnet.num_hidden_layers, subnet.hidden_size, subnet.num_attention_heads) == (2, 48, 4)


def test_a_sparsity_takes_the_same_from_every_layer():
    made = models(profile())
    sparse = made.config("models/sparse/sparse-80")
    gone = removed(even_importance(made.config("models/teacher")), 80)  # 55 % of rows and columns
    assert (gone["hidden"]["-1"], sparse.inner_size) == (53, 40)
    assert max(gone["neuron"].values()) - min(gone["neuron"].values()) <= 1
    assert sum(gone["neuron"].values()) == round(0.55 * 3 * 384)
    assert set(sparse.layer_neurons) == {176}


def test_an_assistant_is_chosen_among_sparsities_below_the_students():
    made = models(profile())
    assert made.config("models/minidisc/assistant") == made._sparse(40)
    first, second = made.passes("minidisc")
    assert [own.students for own in first.learners] == [3] and [own.students for own in second.learners] == [1]
    assert first.learners[0].weights > second.learners[0].weights
    # the assistant teaches with the extra projection of its last hidden states
    assert second.teacher == made.forward("models/minidisc/assistant", 48) + 2 * 48 * 3 * 96**2


def test_students_of_one_width_share_the_work_of_their_layers():
    shapes = {"layers": [1, 2], "hidden": [72, 48], "heads": 6}
    work = {}
    for own in (False, True):
        made = models(profile(**{"rounds__once-for-all__once_for_all": shapes | {"own_dropout": own}}))
        ((only,),) = (one.learners for one in made.passes("once-for-all"))
        work[own] = only.flops
    once = sum(made.forward(f"models/once-for-all/1L-{width}H", 48) for width in (48, 72))
    assert work[True] - work[False] == 3 * once  # the layers that run once in place of twice, forward and backward


def test_a_layer_that_the_teacher_lacks_is_an_error():
    # a teacher from the hub, of which params say no layers
    made = models(profile("paper_base", rounds__base__teacher_layer=21))
    with pytest.raises(UserError, match=r"rounds\.base: teacher_layer: expected last or 1 to 12.*got 21"):
        made.passes("base")
