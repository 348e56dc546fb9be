"""Every kind of student does what a Hugging Face model does."""

import pytest
import torch
from models.kinds import KINDS, LAYERS, batch, config, student
from transformers import AutoModel

from minimoe.models import MiniMoEForSequenceClassification, MiniMoEForTokenClassification
from minimoe.models.routing import Router

every_kind = pytest.mark.parametrize("kind", KINDS)


def hidden(model, inputs, **more):
    """The states of real tokens [N, D]."""
    return model(**inputs, **more).last_hidden_state[inputs["attention_mask"].bool()]


def gradients(model, inputs):
    model.zero_grad()
    hidden(model, inputs).float().square().sum().backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


@every_kind
def test_padding_changes_nothing(kind):
    model, inputs = student(kind), batch(kind)
    states = model(**inputs).last_hidden_state
    torch.testing.assert_close(states[:1], model(inputs["input_ids"][:1]).last_hidden_state)
    torch.testing.assert_close(states[1:, :7], model(inputs["input_ids"][1:, :7]).last_hidden_state)


@every_kind
def test_every_implementation_of_attention_gives_the_same(kind, tmp_path):
    student(kind).save_pretrained(tmp_path)
    models = {name: AutoModel.from_pretrained(tmp_path, attn_implementation=name) for name in ("eager", "sdpa")}
    assert [model.config._attn_implementation for model in models.values()] == ["eager", "sdpa"]
    torch.testing.assert_close(*(hidden(model.eval(), batch(kind)) for model in models.values()))


@every_kind
def test_hidden_states_are_the_embeddings_and_those_of_each_layer(kind):
    model, inputs = student(kind), batch(kind)
    output = model(**inputs, output_hidden_states=True)
    assert len(output.hidden_states) == LAYERS + 1
    assert {state.shape[-1] for state in output.hidden_states[:-1]} == {model.config.width}
    assert torch.equal(output.hidden_states[0], model.embeddings(inputs["input_ids"]))
    assert output.hidden_states[-1] is output.last_hidden_state  # in the teacher's width and order


@every_kind
def test_attentions_are_those_of_layers_with_heads(kind):
    model, inputs = student(kind), batch(kind)
    model.set_attn_implementation("eager")
    attentions = model(**inputs, output_attentions=True).attentions
    assert [a.shape[1] for a in attentions] == [heads for heads in model.config.layer_heads if heads]
    for attention in attentions:
        torch.testing.assert_close(attention.sum(-1), torch.ones_like(attention[..., 0]))
        assert not attention[1, :, :, 7:].any()


@every_kind
def test_embeddings_instead_of_ids(kind):
    model, inputs = student(kind), {"input_ids": batch(kind)["input_ids"][:1]}
    embedded = model.get_input_embeddings()(inputs["input_ids"])
    if model.config.expert_router == "hash":
        with pytest.raises(ValueError, match="input_ids: expected them, as they choose the experts"):
            model(inputs_embeds=embedded)
        return
    assert torch.equal(model(inputs_embeds=embedded).last_hidden_state, model(**inputs).last_hidden_state)


@every_kind
def test_more_tokens_and_other_labels(kind):
    model = MiniMoEForSequenceClassification(config(kind, num_labels=5)).eval()
    before = model(**batch(kind)).logits
    model.resize_token_embeddings(330, mean_resizing=False)
    assert model.config.vocab_size == 330
    assert torch.equal(model(**batch(kind)).logits, before)
    assert model(torch.tensor([[328, 329]])).logits.shape == (1, 5)
    tagger = MiniMoEForTokenClassification(config(kind, num_labels=7))
    assert tagger(**batch(kind)).logits.shape == (2, 12, 7)


@every_kind
def test_gradient_checkpointing_changes_no_gradient(kind):
    """Dropout and router noise are drawn again as they were."""
    model, inputs = student(kind).train(), batch(kind)
    torch.manual_seed(0)
    plain = gradients(model, inputs)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    calls = []
    model.encoder.layer[0].attention.register_forward_hook(lambda *_: calls.append(1))
    torch.manual_seed(0)
    checkpointed = gradients(model, inputs)
    assert len(calls) == 2  # once more on the way back
    assert plain.keys() == checkpointed.keys()
    assert all(torch.equal(plain[name], checkpointed[name]) for name in plain)


@pytest.mark.slow
@every_kind
def test_compiles_to_one_graph(kind):
    model, inputs = student(kind), batch(kind)
    torch.compiler.reset()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    assert torch.equal(hidden(compiled, inputs), hidden(model, inputs))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["experts-2,4", "sparse"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_gradients(kind, dtype):
    model, inputs = student(kind).to(dtype), batch(kind)
    expected = gradients(model, inputs)
    torch.compiler.reset()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    hidden(compiled, inputs).float().square().sum().backward()  # on top of those there are
    for name, weight in model.named_parameters():
        if name in expected:
            torch.testing.assert_close(weight.grad, 2 * expected[name])


@every_kind
def test_bf16(kind):
    """Tokens may change their expert where two are as probable; without that all is near fp32."""
    model, half, inputs = student(kind), student(kind).bfloat16(), batch(kind)
    if model.config.inner_size:
        assert half.encoder.recover_indices.dtype == torch.int64
        assert torch.equal(half.encoder.recover_indices, model.encoder.recover_indices)
    for module in [*model.modules(), *half.modules()]:
        if isinstance(module, Router):
            torch.nn.init.zeros_(module.weight)
    expected, states = hidden(model, inputs), hidden(half, inputs)
    assert states.dtype == torch.bfloat16
    assert (states.float() - expected).abs().max() < 0.02 * expected.abs().max()
    exact, rounded = gradients(model, inputs), gradients(half, inputs)
    size = max(gradient.norm() for gradient in exact.values())
    for name, gradient in rounded.items():
        assert gradient.isfinite().all()
        assert (gradient.float() - exact[name]).norm() < 0.05 * size, name
