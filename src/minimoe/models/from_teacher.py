"""Start a student from layers of its teacher: the same embeddings, and copies of the layers.

Only a teacher whose layers compute what BERT's do can start a student (`EncoderKind.starts`), and one of the student's
width, heads and neurons. A dense student of all its layers then computes exactly what the teacher does.
"""

from collections.abc import Sequence

from torch import Tensor
from transformers import PreTrainedModel

from minimoe.models.config import MiniMoEConfig
from minimoe.models.initialise import new_student, split_shared
from minimoe.models.kinds import KINDS
from minimoe.models.student import MiniMoEModel
from minimoe.system.errors import UserError

SIZES = {"hidden": "hidden_size", "heads": "num_attention_heads", "neurons": "intermediate_size"}


def evenly_spaced(layers: int, last: int) -> list[int]:
    """Numbers of `layers` of the first `last` layers of a teacher, evenly spaced, the last one among them."""
    return [(2 * number * last + layers) // (2 * layers) for number in range(1, layers + 1)]


def student_from(teacher: PreTrainedModel, config: MiniMoEConfig, layers: Sequence[int], seed: int) -> MiniMoEModel:
    """A student of the shape `config` with the teacher's embeddings and these of its layers, numbered from 1.

    Every expert begins as a copy of the teacher's sub-layer, whose output is multiplied by their number, as a router
    that prefers none has gates of one over it; where ids choose experts, gates are 1 and it is not. Routers are random,
    from the seed: they send each token to an expert of its own, so copies see other tokens and become different. Of a
    feed-forward with shared neurons these are the teacher's first ones, and experts are copies of the rest.

    Raises:
        UserError: a teacher of another kind or shape, or without one of the layers; a student whose tokens go to
            several experts, each of which has too few neurons for a copy.
    """
    _check(teacher.config, config, layers)
    config.hidden_act = teacher.config.hidden_act
    student, weights = new_student(config, seed), dict(teacher.state_dict())
    own = _embeddings(weights) | {name: weight for name, weight in student.state_dict().items() if "_gate." in name}
    for number in set(layers) if config.ffn_shared else ():
        split_shared(weights, f"encoder.layer.{number - 1}.", config.ffn_shared)
    for layer, number in enumerate(layers):
        experts = {"attention": config.attention_experts[layer], "ffn": config.ffn_experts[layer]}
        learned = config.expert_router == "learned"
        own |= _layer(weights, f"encoder.layer.{number - 1}.", f"encoder.layer.{layer}.", experts, learned=learned)
    student.load_state_dict(own)
    return student


def _check(teacher, config: MiniMoEConfig, layers: Sequence[int]) -> None:
    kind = KINDS.get(teacher.model_type)
    if not (kind and kind.starts and getattr(teacher, "is_plain", True)):
        known = ", ".join(sorted(name for name, kind in KINDS.items() if kind.starts))
        raise UserError(f"start: expected a teacher of a kind with BERT's layers: {known}; got {teacher.model_type!r}")
    if config.ffn_active > 1:
        raise UserError(
            f"start: expected random where a token goes to {config.ffn_active} experts, none of which has the neurons "
            "for a copy of the teacher's"
        )
    for key, name in SIZES.items():
        if getattr(config, name) != getattr(teacher, name):
            wanted, own = getattr(teacher, name), getattr(config, name)
            raise UserError(f"start: expected the teacher's {key} {wanted}; got {own}")
    width, own = teacher.hidden_size, getattr(teacher, "embedding_size", teacher.hidden_size)
    if own != width:
        raise UserError(f"start: expected a teacher with embeddings as wide as its layers, {width}; got {own}")
    if max(layers) > teacher.num_hidden_layers:
        raise UserError(f"start: expected numbers of the teacher's {teacher.num_hidden_layers} layers; got {layers}")


def _embeddings(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """ERNIE also adds the embedding of the kind of task, which is always the first here: types take it over."""
    own = {name: weight for name, weight in weights.items() if name.startswith("embeddings.")}
    task = own.pop("embeddings.task_type_embeddings.weight", None)
    if task is not None:
        own["embeddings.token_type_embeddings.weight"] = own["embeddings.token_type_embeddings.weight"] + task[0]
    return own


def _layer(
    weights: dict[str, Tensor], prefix: str, own: str, experts: dict[str, int], *, learned: bool
) -> dict[str, Tensor]:
    """A layer's weights under the prefix `own`, those of sub-layers with experts once for each."""
    layer = {}
    for name, weight in weights.items():
        if not name.startswith(prefix):
            continue
        part = name.removeprefix(prefix)
        copies = experts["attention" if part.startswith("attention.") else "ffn"]
        if copies > 1 and "LayerNorm" not in part and not part.startswith("shared."):
            last = learned and part.startswith(("attention.output.", "output."))
            weight = (copies * weight if last else weight).expand(copies, *weight.shape).clone()
        layer[own + part] = weight
    return layer
