import goldens
import pytest
import torch
from sparsify.sparse import (
    KINDS,
    MLM,
    golden_batches,
    golden_encoder,
    golden_importance,
    golden_inputs,
    golden_model,
    inputs,
    random_importance,
    teacher,
)
from transformers import BertModel, XLMRobertaConfig, XLMRobertaForMaskedLM
from transformers.models.bert.modeling_bert import BertPooler

from minimoe.models import MiniMoEModel
from minimoe.models.save import save
from minimoe.sparsify.criteria import HEADS
from minimoe.sparsify.reorder import falling, reorder


def test_equal_importances_keep_their_order():
    assert falling(torch.tensor([1.0, 3, 2, 3, 2, 2, 0])).tolist() == [1, 3, 2, 4, 5, 0, 6]
    same = torch.ones(3, 5000)  # long enough for a sort that is not stable to show it
    assert torch.equal(falling(same), torch.arange(5000).expand(3, -1))


def test_orders_equal_the_published():
    published = goldens.tensors(MLM, "outputs")
    for kind, importance in golden_importance()._asdict().items():
        assert torch.equal(falling(importance), published[f"{kind}_indices"]), kind


def test_weights_equal_the_published():
    ours = reorder(golden_encoder(torch.float32), golden_importance()).state_dict()
    published = {key.removeprefix("bert."): value for key, value in goldens.tensors(MLM, "reordered_weights").items()}
    published["encoder.recover_indices"] = published.pop("recover_indices").long()
    assert ours.keys() == published.keys()
    assert all(torch.equal(ours[key], value) for key, value in published.items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_hidden_states_equal_the_published_before_and_after(dtype):
    encoder, published = golden_encoder(dtype), goldens.tensors(MLM, "outputs")
    dense = encoder(**golden_inputs()).last_hidden_state
    reordered = reorder(encoder, golden_importance())(**golden_inputs()).last_hidden_state
    assert goldens.error(dense, published["last_hidden_state_dense"]) < 1e-5
    assert goldens.error(reordered, published["last_hidden_state_reordered"]) < 1e-5
    assert goldens.error(reordered, dense) < goldens.tolerance(dtype)


def test_logits_equal_the_published_of_before():
    """The published logits of after are wrong: there the output embedding, tied to the input's, was permuted too."""
    model, predicted = golden_model(torch.float32), golden_batches()[0]["labels"] >= 0
    hidden = reorder(golden_encoder(torch.float32), golden_importance())(**golden_inputs()).last_hidden_state
    assert goldens.error(model.cls(hidden)[predicted], goldens.tensors(MLM, "outputs")["mlm_logits_dense"]) < 1e-5


@pytest.mark.parametrize("kind", [*KINDS, "xlm-roberta"])
def test_no_hidden_state_and_no_logit_changes(kind):
    model = (xlm_roberta() if kind == "xlm-roberta" else teacher(kind)).double()
    encoder = model.base_model
    assert encoder.pooler is None
    encoder.pooler = BertPooler(model.config).double()
    ours = reorder(encoder, random_importance())
    before, after = encoder(**inputs()), ours(**inputs())
    head = model.get_submodule(HEADS[kind])
    torch.testing.assert_close(after.last_hidden_state, before.last_hidden_state)
    torch.testing.assert_close(after.pooler_output, before.pooler_output)
    torch.testing.assert_close(head(after.last_hidden_state), model(**inputs()).logits)
    assert not torch.equal(ours.embeddings.word_embeddings.weight, encoder.embeddings.word_embeddings.weight)


def test_activation_and_the_like_come_along():
    config = teacher(hidden_act="relu", layer_norm_eps=1e-3, pad_token_id=1, hidden_dropout_prob=0.25).config
    encoder = BertModel(config).eval()
    ours = reorder(encoder, random_importance())
    torch.testing.assert_close(ours(**inputs()).last_hidden_state, encoder(**inputs()).last_hidden_state)
    assert (ours.config.pad_token_id, ours.config.hidden_dropout_prob) == (1, 0.25)


def test_the_encoder_itself_is_left_as_it_was():
    encoder = golden_encoder(torch.float32)
    before = {name: weight.clone() for name, weight in encoder.state_dict().items()}
    reorder(encoder, golden_importance())
    assert all(torch.equal(weight, before[name]) for name, weight in encoder.state_dict().items())


def test_saved_and_loaded_is_the_same_in_bf16_too(tmp_path):
    model = reorder(golden_encoder(torch.float32), golden_importance())
    save(model.bfloat16(), tmp_path)
    loaded = MiniMoEModel.from_pretrained(tmp_path)
    assert loaded.encoder.recover_indices.dtype == torch.int64
    assert all(torch.equal(weight, loaded.state_dict()[name]) for name, weight in model.state_dict().items())


def xlm_roberta():
    config = teacher("roberta").config.to_dict() | {"model_type": "xlm-roberta"}
    return XLMRobertaForMaskedLM(XLMRobertaConfig(**config)).eval()
