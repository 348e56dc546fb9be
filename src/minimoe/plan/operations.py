"""Count the operations of a teacher and its students for one sequence of distillation, on the meta device."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from minimoe.distill.batch import TokenCounts
from minimoe.distill.hooks import LayerHooks, check_objective
from minimoe.distill.losses import Features, embedding, minilm, tinybert
from minimoe.distill.sentence import Pooled
from minimoe.distill.start import StudentFactory
from minimoe.distill.supernet import Supernet
from minimoe.models.sentence import SentenceHead
from minimoe.params.rounds import Distill, Student
from minimoe.report import flops

STEP = 3  # forward and backward pass over forward pass: one more product for the inputs' gradient, one for the weights'


class LearnerCosts(NamedTuple):
    """A supernet in training; amounts are of one sequence."""

    students: int
    experts: bool
    flops: int  # of a step: forward pass, loss, backward pass
    weights: int
    activations: int  # numbers kept for the backward pass


class Pass(NamedTuple):
    """One pass over the corpus."""

    teacher: int  # FLOPs of its forward pass over one sequence, to the layer that is read
    learners: list[LearnerCosts]


def teacher_hooks(config, settings: Distill) -> LayerHooks | Pooled:
    """A teacher of this config, with hooks on the layer that a round with these settings reads, or pooled."""
    if settings.objective == "embedding":
        return Pooled(flops.encoder(config), SentenceHead(config.hidden_size))
    states = settings.objective == "tinybert"
    hooks = LayerHooks(flops.encoder(config), settings.teacher_layer, states=states, further=settings.beside)
    check_objective(hooks, settings, config.model_type)
    return hooks


def students(factory: StudentFactory, shapes: dict[str, Student]) -> list[Supernet]:
    """Students of these shapes on the meta device; bf16 is as in `flops.encoder`."""
    with torch.device("meta"):
        made = [factory.student(name, shape).bfloat16().eval() for name, shape in shapes.items()]
    for supernet in made:
        if supernet.whole.head is not None:
            supernet.whole.head.float()  # it computes in at least fp32
    return made


def count_pass(teacher: Callable[..., Features], supernets: list[Supernet], settings: Distill, length: int) -> Pass:
    """Count one sequence of `length` tokens; teacher and students are on the meta device.

    For sentence embeddings it is two, of half the length each.
    """
    if settings.objective == "embedding":
        return _twice(_count_pass(teacher, supernets, settings, -(-length // 2)))
    return _count_pass(teacher, supernets, settings, length)


def _twice(one: Pass) -> Pass:
    learners = [own._replace(flops=2 * own.flops, activations=2 * own.activations) for own in one.learners]
    return Pass(2 * one.teacher, learners)


def _count_pass(teacher: Callable[..., Features], supernets: list[Supernet], settings: Distill, length: int) -> Pass:
    with flops.counter() as counter, torch.no_grad():
        features = teacher(**flops.sequence(length))
    if settings.objective == "minilm":  # the students of a round share the teacher's relations
        many = settings.relation_sequences
        features = _several(features, many).with_targets(_mask(length, many), settings.relation_heads, many)
    return Pass(counter.get_total_flops(), [_learner(supernet, features, settings, length) for supernet in supernets])


def _learner(supernet: Supernet, teacher: Features, settings: Distill, length: int) -> LearnerCosts:
    with flops.counter() as forward, torch.no_grad():
        outputs = [supernet(group, **flops.sequence(length)) for group in supernet.groups]
    many = settings.together
    with flops.counter() as compared:
        for features, _ in (output for group in outputs for output in group.values()):
            own = _several(features, many).each(Tensor.requires_grad_)
            _loss(own, teacher, settings, supernet).backward()
    configs = supernet.subnets.values()
    return LearnerCosts(
        students=len(configs),
        experts=any(max(config.attention_experts + config.ffn_experts) > 1 for config in configs),
        flops=STEP * forward.get_total_flops() + compared.get_total_flops() // many,
        weights=count_weights(supernet),
        activations=max(activations(config, length) for config in configs),
    )


def _several(features: Features, sequences: int) -> Features:
    """Those of one sequence, as if they were of several, which losses compare with each other."""
    return features.each(lambda own: own.expand(sequences, -1, -1)) if sequences > 1 else features


def _loss(student: Features, teacher: Features, settings: Distill, supernet: Supernet) -> Tensor:
    if settings.objective == "embedding":
        return embedding(student.sentence, teacher.sentence, distance=settings.embedding_distance)
    length = student.query.shape[1]
    if settings.objective == "minilm":
        heads, weights, many = settings.relation_heads, settings.relation_weights, settings.relation_sequences
        mask, tokens = _mask(length, many), length * many
        return minilm(student, teacher, mask, heads, tokens=tokens, weights=weights, sequences=many)
    heads, counts = supernet.whole.encoder.config.num_attention_heads, TokenCounts(length, length**2, 1)
    return tinybert(student, teacher, _mask(length), heads, counts=counts, weights=settings.tinybert_weights)


def _mask(length: int, sequences: int = 1) -> Tensor:
    return torch.ones(sequences, length, dtype=torch.bool, device="meta")


def count_weights(model: nn.Module) -> int:
    """Numbers in a model's weights."""
    return sum(weight.numel() for weight in model.parameters())


def activations(config, length: int) -> int:
    """Numbers that the forward pass over one sequence keeps for the backward pass.

    17 a token and dimension in each layer, and 5/2 a head and pair of tokens (Korthikanti et al., arXiv 2205.05198,
    eq. 2, in numbers instead of bytes); a feed-forward that is not 4 times as wide is counted in proportion.
    """
    layers, width = config.num_hidden_layers, getattr(config, "width", config.hidden_size)
    heads = getattr(config, "layer_heads", None) or [config.num_attention_heads] * layers
    neurons = getattr(config, "layer_neurons", None) or [config.intermediate_size] * layers
    return length * (9 * width * layers + 2 * sum(neurons)) + int(2.5 * sum(heads) * length**2)
