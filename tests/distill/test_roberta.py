"""RoBERTa's students against the published numbers: positions behind the padding id, no segments."""

import goldens
import pytest
import torch
from transformers import RobertaConfig, RobertaModel

from minimoe.distill.hooks import LayerHooks
from minimoe.distill.losses import minilm
from minimoe.distill.relations import relation_logits
from minimoe.distill.student import StudentWithFeatures
from minimoe.models import MiniMoEConfig, MiniMoEModel

TEACHER, STUDENT = "roberta_minilm_r12_teacher", "roberta_minilm_r12_student"
R = 12
exactly = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def model(name, dtype):
    """The teacher as the stock RoBERTa, the student as our encoder."""
    values = {key: value for key, value in goldens.config(name).items() if key not in {"num_relation_heads", "teacher"}}
    if name == TEACHER:
        made = RobertaModel(RobertaConfig(**values))
    else:
        made = MiniMoEModel(MiniMoEConfig(embedding_type="roberta", **values))
    weights = goldens.tensors(name, "weights", dtype)
    made.to(dtype).eval().load_state_dict({key.removeprefix("roberta."): value for key, value in weights.items()})
    return made


def inputs():
    return goldens.tensors(STUDENT, "inputs")


@exactly
@pytest.mark.parametrize("name", [TEACHER, STUDENT])
def test_hidden_states_equal_the_published(name, dtype):
    published = goldens.outputs(name, dtype)
    with torch.no_grad():
        ours = model(name, dtype)(**inputs(), output_hidden_states=True)
    pairs = [(ours.hidden_states[layer], published[f"hidden_states.{layer}"]) for layer in (0, 1)]
    for mine, other in [*pairs, (ours.last_hidden_state, published["last_hidden_state"])]:
        assert goldens.error(mine, other) < goldens.tolerance(dtype)


@exactly
@pytest.mark.parametrize("name", [TEACHER, STUDENT])
def test_relations_equal_the_published(name, dtype):
    published = goldens.outputs(name, dtype)
    relations = {key: value for key, value in published.items() if "relations" in key}
    with torch.no_grad():
        features = dict(zip("qkv", LayerHooks(model(name, dtype), "last")(**inputs()), strict=False))
    assert relations
    for key, value in relations.items():  # "qq_relations_layer.2"
        ours = relation_logits(features[key[0]], inputs()["attention_mask"], R).softmax(-1)
        assert goldens.error(ours, value) < goldens.tolerance(dtype)


def loss_of(student, dtype):
    with torch.no_grad():
        teacher = LayerHooks(model(TEACHER, dtype), "last")(**inputs())
    features, _ = student(**inputs())
    return minilm(features, teacher, inputs()["attention_mask"], R, log_epsilon=1e-7)


@exactly
def test_the_loss_equals_the_published(dtype):
    loss = loss_of(StudentWithFeatures(model(STUDENT, dtype), seed=0).eval(), dtype)
    assert goldens.error(loss, goldens.outputs(STUDENT, dtype)["loss"]) < goldens.tolerance(dtype)


def test_gradients_equal_the_published():
    student = StudentWithFeatures(model(STUDENT, torch.float32), seed=0).eval()
    loss_of(student, torch.float32).backward()
    ours = {name.replace("encoder.", "roberta.", 1): weight.grad for name, weight in student.named_parameters()}
    published = goldens.tensors(STUDENT, "grads")
    # bounds the error of each gradient by the size of all: some are zero but for rounding, as those of key biases
    size = torch.stack([gradient.norm() for gradient in published.values()]).max()
    assert len(published) > 20
    for name, gradient in published.items():
        assert (ours[name] - gradient).norm() < 1e-5 * size, name
