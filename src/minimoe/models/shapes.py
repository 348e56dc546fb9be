"""Build the model config of a student from its entry in params.yaml and its teacher's config."""

from collections.abc import Callable

from minimoe.models.config import MiniMoEConfig
from minimoe.models.kinds import BERT_EPS, KINDS
from minimoe.params.rounds import OnceForAll, Student

FROM_TEACHER = (  # copied from a teacher's config to that of the sparsified teacher
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "max_position_embeddings",
    "type_vocab_size",
    "initializer_range",
    "layer_norm_eps",
    "pad_token_id",
    "bos_token_id",
    "eos_token_id",
)


def embedding_type(teacher) -> str:
    """The kind of embeddings of an encoder with this config and of its students: bert or roberta."""
    own, kind = getattr(teacher, "embedding_type", None), KINDS.get(teacher.model_type)
    return own or ("roberta" if kind and kind.behind_padding else "bert")


def positions(config) -> int:
    """The longest sequence, in tokens, of an encoder with this config; RoBERTa's first positions stand for padding."""
    return config.max_position_embeddings - (config.pad_token_id + 1 if embedding_type(config) == "roberta" else 0)


def student_config(
    student: Student, teacher, dropout: float, sparsified: Callable[[int], MiniMoEConfig] | None = None
) -> MiniMoEConfig:
    """The config of a student with its teacher's vocabulary and positions.

    Args:
        student: its shape, as params have it.
        teacher: the teacher's `PreTrainedConfig`.
        dropout: everywhere in the student; half the width of the router noise as well (paper §3.2).
        sparsified: for a student with a sparsity (%), the config of the teacher cut to that.
    """
    if student.sparsity is not None:
        return with_dropout(sparsified(student.sparsity), dropout)
    layers = student.layers
    config = MiniMoEConfig(
        vocab_size=teacher.vocab_size,
        max_position_embeddings=teacher.max_position_embeddings,
        # of a teacher without segments two, as its tokenizer may mark them all the same
        type_vocab_size=getattr(teacher, "type_vocab_size", 0) or 2,
        pad_token_id=teacher.pad_token_id,
        bos_token_id=teacher.bos_token_id,
        eos_token_id=teacher.eos_token_id,
        layer_norm_eps=getattr(teacher, "layer_norm_eps", BERT_EPS),
        embedding_type=embedding_type(teacher),
        num_hidden_layers=layers,
        hidden_size=student.hidden,
        num_attention_heads=student.heads,
        intermediate_size=student.neurons,
        attention_experts=[student.experts.attention] * layers,
        ffn_experts=[student.experts.ffn] * layers,
        ffn_active=student.experts.active,
        ffn_shared=student.experts.shared,
        expert_router=student.experts.router,
    )
    return with_dropout(config, dropout)


def with_dropout(config: MiniMoEConfig, dropout: float) -> MiniMoEConfig:
    """Set dropout and router noise of a config, in place; returns it."""
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = config.router_noise = dropout
    return config


def once_for_all_configs(shapes: OnceForAll, teacher, dropout: float) -> dict[str, MiniMoEConfig]:
    """The configs of all once-for-all students by name, the largest last; arguments as of `student_config`."""
    configs = {name: student_config(student, teacher, dropout) for name, student in shapes.students.items()}
    if shapes.idle_norms:
        return {name: with_idle_layers(config, max(shapes.layers)) for name, config in configs.items()}
    return configs


def with_idle_layers(config: MiniMoEConfig, layers: int) -> MiniMoEConfig:
    """Add layers on top, up to `layers` in all, that are only their two LayerNorms, as in the published code."""
    idle = [0] * (layers - config.num_hidden_layers)
    lists = {"layer_heads": config.layer_heads + idle, "layer_neurons": config.layer_neurons + idle}
    experts = {"attention_experts": [1] * layers, "ffn_experts": [1] * layers}
    return MiniMoEConfig(**config.to_dict() | lists | experts | {"num_hidden_layers": layers})


def reordered_config(teacher) -> MiniMoEConfig:
    """The config of a teacher as a student encoder, of the same size: nothing is cut yet."""
    own = {name: getattr(teacher, name) for name in FROM_TEACHER}
    return MiniMoEConfig(**own, inner_size=teacher.hidden_size, embedding_type=embedding_type(teacher))
