"""Build a model from the sizes in a released config.json, and load exactly the released weights."""

from huggingface_hub.errors import StrictDataclassError
from torch import Tensor
from transformers import PreTrainedModel

from minimoe.convert.released import Released
from minimoe.models import MiniMoEConfig

SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
)
# the keys of training, of generation and of transformers' own book-keeping are left out
DETAILS = (
    "type_vocab_size",
    "pad_token_id",
    "bos_token_id",
    "eos_token_id",
    "layer_norm_eps",
    "hidden_act",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "initializer_range",
)
EMBEDDINGS = "embeddings.word_embeddings.weight"


def stock_shape(released: Released) -> dict:
    """The values of config.json that make a stock encoder."""
    sizes = {key: _size(released, key) for key in SIZES}
    return sizes | {key: released.config[key] for key in DETAILS if key in released.config}


def our_shape(released: Released) -> dict:
    """The same for an encoder of ours, and its head size and router noise (published: the dropout's probability)."""
    shape = stock_shape(released)
    if released.config.get("attention_head_size") is None:
        shape["attention_head_size"] = shape["hidden_size"] // shape["num_attention_heads"]
    else:
        shape["attention_head_size"] = _size(released, "attention_head_size")
    shape["router_noise"] = shape.get("hidden_dropout_prob", MiniMoEConfig.router_noise)
    return shape


def _size(released: Released, key: str) -> int:
    size = released.config.get(key)
    if type(size) is not int or size < 1:
        raise released.error(f"config.json: {key}: expected a positive integer, got {size!r}")
    return size


def build(kind: type[PreTrainedModel], shape: dict, weights: dict[str, Tensor], released: Released) -> PreTrainedModel:
    """A model of class `kind` and that shape with these weights, in their precision.

    Raises `UserError` for a weight that is missing, left over or of another shape, and where no model has the shape.
    """
    try:
        model = kind(kind.config_class(**shape))
    except KeyError:
        raise released.error(f"config.json: hidden_act: unknown activation {shape['hidden_act']!r}") from None
    except (StrictDataclassError, ValueError) as error:
        raise released.error(f"config.json: no encoder of this shape: {' '.join(str(error).split())}") from None
    wanted = model.state_dict()
    problems = [f"{name} is missing" for name in sorted(wanted.keys() - weights.keys())]
    problems += [f"{name} is unexpected" for name in sorted(weights.keys() - wanted.keys())]
    problems += [
        f"{name}: expected {tuple(wanted[name].shape)}, got {tuple(weight.shape)}"
        for name, weight in weights.items()
        if name in wanted and weight.shape != wanted[name].shape
    ]
    if problems:
        raise released.error(f"{released.prefix}{problems[0]}; of its weights {len(problems)} do not fit its config")
    model.to(weights[EMBEDDINGS].dtype).load_state_dict(weights)
    return model
