"""The published student of sparsity 90 %, as we train it: an encoder cut from its teacher, and an extra projection."""

import goldens
import pytest
import torch

from minimoe.distill.hooks import LayerHooks
from minimoe.distill.losses import minilm
from minimoe.distill.relations import relation_logits
from minimoe.distill.student import StudentWithFeatures
from minimoe.models import MiniMoEConfig, MiniMoEModel
from minimoe.models.sparsity import cut_config

NAME = "sparsebert_minilm_h48_90S"
R = 12


def student(dtype: torch.dtype) -> StudentWithFeatures:
    values = goldens.config(NAME)
    values = {key: values[key] for key in values if key not in ("sparsity_map", "teacher", "num_relation_heads")}
    removed = goldens.config(NAME)["sparsity_map"]["90"]
    encoder = MiniMoEModel(cut_config(MiniMoEConfig(**values), removed, 90)).to(dtype)
    weights = goldens.tensors(NAME, "weights", dtype)
    order = weights.pop("bert.recover_indices")
    parts = {
        part: {k.removeprefix(part): v for k, v in weights.items() if k.startswith(part)} for part in ("bert.", "self.")
    }
    parts["bert."]["encoder.recover_indices"] = order.long()[: encoder.config.inner_size]
    encoder.load_state_dict(parts["bert."])
    trained = StudentWithFeatures(encoder, seed=0, extra_projection=True).to(dtype).eval()
    trained.projection.load_state_dict(parts["self."])
    return trained


def loss(dtype: torch.dtype) -> tuple[StudentWithFeatures, torch.Tensor]:
    trained, inputs = student(dtype), goldens.tensors(NAME, "inputs")
    with torch.no_grad():
        taught = LayerHooks(goldens.teacher(NAME, dtype), "last")(**inputs)
    features, _ = trained(**inputs)
    return trained, minilm(features, taught, inputs["attention_mask"], R, log_epsilon=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_hidden_states_equal_the_published(dtype):
    hidden = student(dtype).encoder(**goldens.tensors(NAME, "inputs")).last_hidden_state
    assert goldens.error(hidden, goldens.outputs(NAME, torch.float32)["last_hidden_state"]) < 1e-5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_relations_equal_the_published(dtype):
    inputs, published = goldens.tensors(NAME, "inputs"), goldens.outputs(NAME, dtype)
    features, _ = student(dtype)(**inputs)
    rows = inputs["attention_mask"][:, None].expand(-1, R, -1)
    for name, feature in zip(("qq", "kk", "vv"), features, strict=False):
        relations = relation_logits(feature, inputs["attention_mask"], R).softmax(-1)
        assert goldens.error(relations[rows], published[f"{name}_relations"]) < goldens.tolerance(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_loss_equals_the_published(dtype):
    assert goldens.error(loss(dtype)[1], goldens.outputs(NAME, dtype)["loss"]) < goldens.tolerance(dtype)


def test_gradients_equal_the_published():
    trained, value = loss(torch.float32)
    value.backward()
    published = goldens.tensors(NAME, "grads")
    ours = {goldens.published_name(key): weight.grad for key, weight in trained.named_parameters()}
    size = torch.stack([gradient.norm() for gradient in published.values()]).max()
    assert {key for key, gradient in ours.items() if gradient is not None} == set(published)
    for key, gradient in published.items():
        assert (ours[key] - gradient).norm() < 1e-5 * size, key
