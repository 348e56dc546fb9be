import goldens
import pytest
import torch
from sparsify.sparse import KINDS, MLM, SHAPE, batch, golden_batches, golden_model, teacher
from transformers import AutoModel, ElectraConfig, ElectraForMaskedLM

from minimoe.sparsify.criteria import HEADS, load_masked_lm
from minimoe.sparsify.importance import measure
from minimoe.system.errors import UserError
from minimoe.tracking import NoTracker


class Losses(NoTracker):
    def __init__(self):
        self.values = []

    def metrics(self, values, step=0):
        self.values.append((step, values["masked_lm_loss"]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_importances_equal_the_published(dtype):
    ours = measure(golden_model(dtype), golden_batches(), NoTracker())
    published = goldens.tensors(MLM, "outputs")
    for kind, values in ours._asdict().items():
        assert goldens.error(values, published[f"{kind}_importance"]) < 1e-5, kind  # published in fp32 alone


def test_the_loss_equals_the_published():
    losses = Losses()
    measure(golden_model(torch.float32), golden_batches()[:1], losses)
    published = goldens.tensors(MLM, "outputs")["mlm_loss"].item()
    assert losses.values == [(1, pytest.approx(published, rel=1e-5))]


@pytest.mark.parametrize("kind", KINDS)
def test_heads_and_neurons_by_the_chain_rule(kind):
    """A mask on an input scales the columns of the next weight W: its gradient is Σ W ∂loss/∂W over those."""
    model, batches = teacher(kind), [batch(0), batch(1, rows=5)]
    ours = measure(model, batches, NoTracker())
    expected = [torch.zeros_like(values) for values in ours[:2]]
    for each in batches:
        model.zero_grad()
        model(**each).loss.backward()
        for number, layer in enumerate(model.base_model.encoder.layer):
            for total, dense in zip(expected, (layer.attention.output.dense, layer.output.dense), strict=True):
                columns = (dense.weight * dense.weight.grad).sum(0)
                total[number] += columns.unflatten(0, (total.shape[1], -1)).sum(1).abs()
    for values, total in zip(ours, expected, strict=False):
        torch.testing.assert_close(values, total / total.norm(dim=1, keepdim=True), rtol=1e-4, atol=1e-6)


def test_hidden_dimensions_by_differences():
    model = teacher().double()
    layers = model.base_model.encoder.layer
    sublayers = [part for layer in layers for part in (layer.attention.output, layer.output)]
    masked = [model.base_model.embeddings.LayerNorm, *(part.LayerNorm for part in sublayers)]
    masked += [part.dense for part in sublayers]

    def loss(dimension: int, factor: float) -> torch.Tensor:
        for module in masked:
            module.weight.data[dimension] *= factor
            module.bias.data[dimension] *= factor
        value = model(**batch()).loss.item()
        for module in masked:
            module.weight.data[dimension] /= factor
            module.bias.data[dimension] /= factor
        return value

    ours = measure(model, [batch()], NoTracker()).hidden
    step = 1e-5
    slopes = torch.tensor([abs(loss(i, 1 + step) - loss(i, 1 - step)) for i in range(32)], dtype=torch.float64)
    torch.testing.assert_close(ours, slopes / slopes.norm(), rtol=1e-5, atol=1e-7)


def test_rows_are_of_norm_one_and_nothing_is_below_zero():
    for values in measure(teacher(), [batch(0), batch(1)], NoTracker()):
        assert (values >= 0).all()
        torch.testing.assert_close(values.norm(dim=-1), torch.ones(values.shape[:-1]))


def test_an_element_of_no_effect_has_none():
    model = teacher()
    layer = model.bert.encoder.layer[1]
    layer.attention.output.dense.weight.data[:, 8:16] = 0  # head 1 is not read
    layer.output.dense.weight.data[:, 5] = 0
    ours = measure(model, [batch()], NoTracker())
    assert ours.head[1].argmin() == 1 and ours.head[1, 1] == 0
    assert ours.neuron[1].argmin() == 5 and ours.neuron[1, 5] == 0


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training):
    model = teacher().train(training)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    logits = model.eval()(**batch()).logits
    measure(model.train(training), [batch()], NoTracker())
    assert model.training == model.bert.encoder.layer[0].training == training
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert all(weight.requires_grad and weight.grad is None for weight in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.equal(model.eval()(**batch()).logits, logits)


def test_dropout_is_off():
    first, second = (measure(teacher().train(training), [batch()], NoTracker()) for training in (True, False))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_loss_that_is_no_number_is_one_line_and_leaves_no_hook():
    model = teacher()
    nothing = batch() | {"labels": torch.full((3, 12), -100)}
    with pytest.raises(UserError, match="masked_lm_loss became nan in batch 2"):
        measure(model, [batch(), nothing], NoTracker())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_masked_language_model_loads_whole(tmp_path, kind):
    model = teacher(kind)
    model.save_pretrained(tmp_path)
    loaded = load_masked_lm(tmp_path)
    assert all(torch.equal(weight, loaded.state_dict()[name]) for name, weight in model.state_dict().items())
    assert loaded.config.model_type in HEADS and not loaded.training


def test_a_missing_head_is_an_error(tmp_path):
    teacher().bert.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=rf"{tmp_path}: .*masked language modeling head.*cls\.predictions"):
        load_masked_lm(tmp_path)
    assert AutoModel.from_pretrained(tmp_path)  # which is a model all the same


def test_another_kind_is_an_error_that_lists_the_known(tmp_path):
    ElectraForMaskedLM(ElectraConfig(vocab_size=60, embedding_size=8, **SHAPE)).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=rf"{tmp_path}: .*bert, camembert, roberta, xlm-roberta; got 'electra'"):
        load_masked_lm(tmp_path)


def test_no_model_is_one_line(tmp_path):
    with pytest.raises(UserError, match="none: expected a Hugging Face model folder") as error:
        load_masked_lm(tmp_path / "none")
    assert "\n" not in str(error.value)
