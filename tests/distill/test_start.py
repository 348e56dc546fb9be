"""Students that start from layers of their teacher, in a round."""

import pytest
import torch
from tiny_rounds import run
from transformers import BertModel

from minimoe.params.rounds import Student
from minimoe.system.errors import UserError

SIZES = {"hidden": 48, "heads": 4, "neurons": 96}  # the teacher's
EXPERTS = {"experts": {"attention": 2, "ffn": 4}}


def started(layers, start="teacher", **more):
    return {"s": Student(layers=layers, **SIZES, start=start, **more)}


def first_loss(results):
    return results["s"].curve[0]["heldout_loss"]


def layers_of(results, teacher):
    """For each layer of the student the number of the teacher's that it is."""
    own, whole = results["s"].encoder.encoder.layer, BertModel.from_pretrained(teacher).encoder.layer
    keys = [layer.attention.self.key.weight for layer in own]
    keys = [key[0] if key.dim() == 3 else key for key in keys]
    same = [[torch.equal(key, other.attention.self.key.weight) for other in whole] for key in keys]
    return [row.index(True) + 1 for row in same]


@pytest.mark.parametrize(
    ("shape", "changes", "layers"),
    [
        (started(2), {}, [2, 3]),
        (started(1), {}, [3]),
        (started(2), {"teacher_layer": 2}, [1, 2]),
        (started(2, [3, 1]), {}, [3, 1]),
        (started(1, **EXPERTS), {}, [2]),  # the projections of the third beside it
        (started(1), {"extra_projection": "always"}, [2]),
        (started(2, **EXPERTS), {}, [1, 2]),
        (started(3, **EXPERTS), {}, [1, 2, 3]),
    ],
)
def test_which_layers(shape, changes, layers, teacher):
    assert layers_of(run(teacher, shape, epochs=0, **changes), teacher) == layers


@pytest.mark.parametrize(("layers", "teacher_layer"), [(3, "last"), (2, 2)])
def test_all_layers_imitate_the_teacher_from_the_start(layers, teacher_layer, teacher):
    assert first_loss(run(teacher, started(layers), epochs=0, teacher_layer=teacher_layer)) < 1e-6
    assert first_loss(run(teacher, started(layers, "random"), epochs=0, teacher_layer=teacher_layer)) > 0.01


def test_the_extra_projection_of_a_dense_student_starts_as_the_teachers(teacher):
    projected = {"extra_projection": "always", "epochs": 0}
    assert first_loss(run(teacher, started(2), **projected)) < 1e-6  # two layers and the third's projections
    assert first_loss(run(teacher, started(2), epochs=0)) > 0.01


@pytest.mark.parametrize("more", [{}, EXPERTS])
def test_what_imitates_a_further_layer_starts_as_its_projections(more, teacher):
    still = {"learning_rate": 1e-12, "further_layers": [1], "epochs": 1}
    (own,) = run(teacher, started(2, **more), **still)["s"].learner.supernet.whole.further.values()
    taught = BertModel.from_pretrained(teacher).encoder.layer[0].attention.self
    torch.testing.assert_close(own["value"].weight, taught.value.weight, rtol=1e-5, atol=1e-6)


def test_tinybert_from_all_layers(teacher):
    assert first_loss(run(teacher, started(3), epochs=0, objective="tinybert")) < 1e-6


@pytest.mark.parametrize("layer", ["last", 1])
def test_sentence_embeddings_from_all_layers(layer, teacher):
    """They are pooled over the last layer, whichever of them others imitate."""
    assert first_loss(run(teacher, started(3), epochs=0, objective="embedding", teacher_layer=layer)) < 1e-6


def test_experts_begin_nearer_to_the_teacher_and_become_different(teacher):
    """Only routers differ at first: experts see other tokens."""
    random, begun = (run(teacher, started(2, start, **EXPERTS), epochs=0) for start in ("random", "teacher"))
    assert first_loss(begun) < 0.8 * first_loss(random)
    trained = run(teacher, started(2, **EXPERTS), epochs=1)["s"].encoder.state_dict()
    before = begun["s"].encoder.state_dict()
    experts = [name for name in before if before[name].dim() == 3]
    assert len(experts) == 12
    for name in experts:
        assert torch.equal(before[name][0], before[name][1])
        assert (trained[name][0] - trained[name][1]).norm() > 1e-3 * trained[name][0].norm(), name


def test_a_round_that_trains_some_from_the_teacher_and_some_not(teacher):
    both = {"begun": started(2)["s"], "random": started(2, "random")["s"]}
    together, alone = run(teacher, both, epochs=1), run(teacher, {"begun": both["begun"]}, epochs=1)
    assert together["begun"].curve == alone["begun"].curve


@pytest.mark.parametrize(
    ("shape", "changes", "message"),
    [
        (started(3), {"teacher_layer": 2}, "start: expected at most 2 layers, the teacher's up to the one"),
        (started(2, [1, 4]), {}, r"start: expected numbers of the teacher's 3 layers; got \[1, 4\]"),
        ({"s": Student(layers=2, hidden=24, start="teacher")}, {}, "start: expected the teacher's hidden 48; got 24"),
    ],
)
def test_what_the_teacher_has_not_is_one_line(shape, changes, message, teacher):
    with pytest.raises(UserError, match=message):
        run(teacher, shape, epochs=0, **changes)
