"""A learner: one set of weights in training, with its own optimizer, learning rate and random draws.

Learners of a round share nothing but the teacher's features, so each ends bit for bit as it would alone.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import torch
from torch import Tensor

from minimoe.distill.batch import Batch, TokenCounts
from minimoe.distill.load_balance import RouterLoss
from minimoe.distill.losses import Features, embedding, minilm, tinybert
from minimoe.distill.student import WeightGroup, expert_weights, weight_groups
from minimoe.distill.supernet import Outputs, Supernet
from minimoe.models.routing import Router
from minimoe.models.student import MiniMoEModel
from minimoe.params.rounds import Distill
from minimoe.training.compiled import compile_layers
from minimoe.training.draws import drawing
from minimoe.training.graphs import capturable, run_sections
from minimoe.training.optim import SCHEDULES, autocast
from minimoe.training.processes import average_gradients, sum_over_processes, wrap_ddp


class Learner:
    """Trains the students of one supernet; a step is `accumulate` for each part of a batch, then one `update`.

    Args:
        supernet: one student, or several that share weights, on its device.
        settings: the round's settings.
        steps: optimizer steps in the whole round.
        seed: of dropout and router noise.
        accelerator: knows the device and the other processes, which train the students together.
        compiled: whether their layers run compiled, and their steps, where they can, as CUDA graphs.

    Attributes:
        captured: whether steps may be recorded as CUDA graphs: gradients then stay where they are.
    """

    def __init__(
        self, supernet: Supernet, settings: Distill, steps: int, seed: int, accelerator, *, compiled: bool = False
    ):
        self.supernet = supernet
        self.names, self.groups = list(supernet.subnets), supernet.groups
        self.settings, self.steps, self.step, self.seed = settings, steps, 0, seed
        self.accelerator = accelerator
        self.router_loss = RouterLoss(settings, accelerator, supernet.whole.active)
        if steps:
            self._freeze_unreached()
        if compiled:
            compile_layers(supernet.layers)
        self.captured = compiled and capturable(supernet, accelerator, settings.precision)
        self.model = supernet if self.captured else wrap_ddp(supernet, accelerator)
        experts = expert_weights(supernet) if steps else []  # only then settings have a rate of theirs
        self._groups = weight_groups(supernet, experts, settings.expert_learning_rate if experts else 1.0)
        self._trained = [weight for weight in supernet.parameters() if weight.requires_grad]
        for weight in self._trained if self.captured else ():
            weight.grad = torch.zeros_like(weight)
        self.optimizer = torch.optim.AdamW(
            [{"params": group.weights} for group in self._groups], weight_decay=0.0, fused=True
        )
        self.scaler = torch.amp.GradScaler(accelerator.device.type, enabled=settings.precision == "fp16")
        self._step_losses = torch.zeros(len(self.names), device=accelerator.device)
        self.losses: list[Tensor] = []  # of every step since the last mean, over all processes

    def _freeze_unreached(self) -> None:
        """Freeze weights that the loss does not reach, as published: those above the layer that is read, a pooler.

        Processes would wait for their gradients, and decay would shrink them. A pass over two tokens tells which.
        """
        ids = torch.zeros(1, 2, dtype=torch.int64)
        tokens = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": ids}
        batch = Batch.of(tokens, self.accelerator.device)
        self.supernet.eval()
        for group in self.groups:
            losses = []
            for features, logits in self.forward(group, batch, self.supernet).values():
                counts = TokenCounts.of([2])
                loss = self.loss(features, features.each(Tensor.detach), batch.mask, counts)
                losses.append(loss + self.router_loss(logits, batch.mask, counts))
            sum(losses).backward()
        for weight in self.supernet.parameters():
            weight.requires_grad_(weight.grad is not None)
            weight.grad = None

    def count_routed(self, parts: list[Batch]) -> None:
        """Before a step in several parts: count the tokens per expert of the whole step, with the draws it will use."""
        if not any(isinstance(m, Router) for m in self.supernet.modules()) or not self.settings.load_balance:
            return
        self.supernet.train()
        (group,) = self.groups  # students that share weights have no experts
        counted = []
        for part, batch in enumerate(parts):
            with torch.no_grad(), drawing(self.accelerator.device, *self.key(part), 0):
                ((_, logits),) = self.forward(group, batch).values()
            counted.append((logits, batch.mask))
        self.router_loss.count_step(counted)

    def accumulate(
        self, batch: Batch, teacher: Features, counts: TokenCounts, *, part: int = 0, last: bool = True
    ) -> None:
        """Add the gradient of one part of a step's batch, of the mean of the students' losses.

        Args:
            batch: its sequences.
            teacher: the teacher's features of it.
            counts: of the whole step, over all parts and processes: what the loss is averaged over.
            part: its number among the step's parts on this process; last: whether it is the last of them.
        """
        run_sections(self.sections(batch, teacher, counts, last), self.accelerator.device, self.key(part))

    def sections(self, batch: Batch, teacher: Features, counts: TokenCounts, last: bool) -> Iterator[int]:
        """What `accumulate` does; yields a group's number before its pass, which draws from a seed of its own."""
        self.model.train()
        for number, group in enumerate(self.groups):
            yield number
            complete = last and group == self.groups[-1]  # then processes average their gradients, once a step
            sync = nullcontext() if complete or self.model is self.supernet else self.model.no_sync()
            with sync:
                losses = {
                    name: self.loss(features, teacher, batch.mask, counts)
                    + self.router_loss(logits, batch.mask, counts)
                    for name, (features, logits) in self.forward(group, batch, self.model).items()
                }
                # each loss is already divided by the tokens of all processes, and DDP divides by their number again
                scale = self.accelerator.num_processes / len(self.names)
                self.scaler.scale(sum(losses.values()) * scale).backward()
            for name, loss in losses.items():
                self._step_losses[self.names.index(name)] += loss.detach()

    def forward(self, group: tuple[str, ...], batch: Batch, model=None) -> Outputs:
        """Features and router logits of the students of one group, in the round's precision."""
        with autocast(self.accelerator.device, self.settings.precision):
            return (self.supernet if model is None else model)(group, **batch.inputs)

    def loss(
        self, student: Features, teacher: Features, mask: Tensor, counts: TokenCounts, *, exact: bool = False
    ) -> Tensor:
        """The round's loss; with `exact` of the imitated layer alone, within sequences, without ε and dropout.

        So held-out losses of different settings compare.
        """
        settings = self.settings
        if settings.objective == "embedding":
            own, taught = student.sentence, teacher.sentence
            return embedding(own, taught, distance=settings.embedding_distance, sequences=counts.sequences)
        if settings.objective == "tinybert":
            heads = self.supernet.whole.encoder.config.num_attention_heads
            return tinybert(student, teacher, mask, heads, counts=counts, weights=settings.tinybert_weights)
        heads, shared = settings.relation_heads, {"tokens": counts.tokens, "weights": settings.relation_weights}
        if exact:
            return minilm(student._replace(further=()), teacher, mask, heads, **shared)
        return minilm(
            student,
            teacher,
            mask,
            heads,
            **shared,
            log_epsilon=settings.log_epsilon,
            dropout=settings.relation_dropout,
            sequences=settings.relation_sequences,
        )

    def update(self) -> dict[str, dict[str, Tensor | float]]:
        """One optimizer step with the gradients accumulated; returns what training curves show of it, by student."""
        warmup = math.ceil(self.settings.warmup * self.steps)
        rate = self.settings.learning_rate * SCHEDULES[self.settings.schedule](self.step, self.steps, warmup)
        for own, group in zip(self._groups, self.optimizer.param_groups, strict=True):
            group["lr"] = rate * own.multiplier
            # the published AdamW adds ε before it corrects the second moment's bias, torch's adds it after
            group["eps"] = self.settings.adam_epsilon / math.sqrt(1 - group["betas"][1] ** (self.step + 1))
        if self.captured:
            average_gradients(self._trained, self.accelerator)
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.supernet.parameters(), self.settings.gradient_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        for own in self._groups:
            self._decay(own, rate, norm)
        self.step += 1
        losses = sum_over_processes(self._step_losses.clone(), self.accelerator)
        self.discard()
        self.losses.append(losses)
        logged = {"learning_rate": rate, "gradient_norm": norm}
        return {name: {"train_loss": loss} | logged for name, loss in zip(self.names, losses, strict=True)}

    @torch.no_grad()
    def _decay(self, group: WeightGroup, rate: float, norm: Tensor) -> None:
        """Decay a group's weights, after the step as in the published AdamW; torch's decays before it."""
        kept = 1 - rate * group.multiplier * self.settings.weight_decay
        if self.scaler.is_enabled():  # fp16 skips a step whose gradients overflow: nothing decays then
            kept = torch.where(norm.isfinite(), kept, 1.0)
        torch._foreach_mul_(group.decayed, kept)

    def discard(self) -> None:
        """Forget the gradients accumulated."""
        self.optimizer.zero_grad(set_to_none=not self.captured)
        self._step_losses.zero_()

    def mean_losses(self) -> dict[str, float]:
        """Mean training losses by student over the steps since the last call, over all processes."""
        means = torch.stack(self.losses).mean(0).tolist()
        self.losses.clear()
        return dict(zip(self.names, means, strict=True))

    def encoder(self, name: str) -> MiniMoEModel:
        """The encoder of the student of this name, as it is now."""
        return self.supernet.subnet(name).encoder

    def key(self, part: int) -> tuple[int, ...]:
        """What dropout and router noise of a part of this step are drawn from, with the number of a group of students.

        Learners of a round draw apart, each by its own seed, so that each draws what it would draw alone.
        """
        return self.seed, self.step, part, self.accelerator.process_index


def teacher_features(
    teacher: Callable[[Batch], Features], batch: Batch, learners: list[Learner], *, exact: bool = False
) -> Features:
    """The teacher's features of a batch; where several students learn from them, its relations are computed once.

    `exact`: for the exact loss, as `Learner.loss` says.
    """
    features, settings = teacher(batch), learners[0].settings
    if exact:
        features = features._replace(further=())
    if settings.objective != "minilm" or sum(len(learner.names) for learner in learners) == 1:
        return features
    return features.with_targets(batch.mask, settings.relation_heads, 1 if exact else settings.relation_sequences)


def passes(
    teacher: Callable[[Batch], Features], learners: list[Learner], batch: Batch, counts: TokenCounts, last: bool = True
) -> Iterator[int]:
    """The passes of one part of a step: the teacher's, then as `Learner.sections` those of every learner."""
    features = teacher_features(teacher, batch, learners)
    for learner in learners:
        yield from learner.sections(batch, features, counts, last)
