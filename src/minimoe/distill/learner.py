"""A learner: one set of weights in training, with its own optimizer, schedule and draws.

The weights are one student's, or those of a family. Nothing of a learner is shared with the others of a round, so each
ends bit for bit as it would alone.
"""

import math
from contextlib import nullcontext

import torch
from torch import Tensor

from minimoe.distill.load_balance import Balance
from minimoe.distill.losses import Taps, Totals, minilm, tinybert
from minimoe.distill.student import Routed, TappedStudent
from minimoe.distill.supernet import Family
from minimoe.models.routing import Router
from minimoe.models.student import MiniMoEModel
from minimoe.params.rounds import Distill
from minimoe.training.draws import drawing
from minimoe.training.processes import together, total

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
NO_DECAY = ("bias", "LayerNorm.weight")


class Learner:
    """Trains one student or one family; a step is any number of `accumulate`, then one `update`.

    Args:
        student: the student or the family, on its device.
        settings: the round's settings.
        steps: optimizer steps in the whole round.
        seed: of dropout and router noise.
        accelerator: knows the device and the other processes, which train the student together.
        name: of the student; a family's members have names of their own.
    """

    def __init__(
        self, student: TappedStudent | Family, settings: Distill, steps: int, seed: int, accelerator, name: str = ""
    ):
        self.student = student
        self.settings, self.steps, self.step, self.seed = settings, steps, 0, seed
        self.accelerator = accelerator
        self.balance = Balance(settings, accelerator)
        self.names = list(student.configs) if isinstance(student, Family) else [name]
        self.together = student.together if isinstance(student, Family) else [(name,)]  # names that run as one
        if steps:
            self._freeze_unreached()
        self.model = together(student, accelerator)
        trained = {name: weight for name, weight in student.named_parameters() if weight.requires_grad}
        self._decayed = [weight for name, weight in trained.items() if not name.endswith(NO_DECAY)]
        self.optimizer = torch.optim.AdamW(trained.values(), weight_decay=0.0, fused=True)
        self.scaler = torch.amp.GradScaler(accelerator.device.type, enabled=settings.precision == "fp16")
        self._step_losses = torch.zeros(len(self.names), device=accelerator.device)
        self.losses: list[Tensor] = []  # of every step since the last mean, over all processes

    def _freeze_unreached(self) -> None:
        """Have weights that the loss does not reach stay as they start, as published: those behind the tap, a pooler.

        Processes would wait for their gradients, and decay would shrink them. A pass over two tokens tells which.
        """
        ids = torch.zeros(1, 2, dtype=torch.int64, device=self.accelerator.device)
        batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": ids}
        mask = batch["attention_mask"].bool()
        self.student.eval()
        for names in self.together:
            losses = []
            for taps, routed in self.run(names, batch, self.student).values():
                itself = Taps(*(tap.detach() if isinstance(tap, Tensor) else tap for tap in taps))
                losses.append(self.loss(taps, itself, mask, Totals.of([mask]), exact=True) + self.balance(routed, mask))
            sum(losses).backward()
        for weight in self.student.parameters():
            weight.requires_grad_(weight.grad is not None)
            weight.grad = None

    def route(self, batches: list[dict[str, Tensor]]) -> None:
        """Before a step in several parts: count what the whole step sends to each expert, with its draws."""
        if not any(isinstance(m, Router) for m in self.student.modules()) or not self.settings.load_balance:
            return
        self.student.train()
        (name,) = self.names
        counts = []
        for part, batch in enumerate(batches):
            with torch.no_grad(), self._draws(part):
                routed = self.run((name,), batch)[name][1]
            counts.append((routed, batch["attention_mask"].bool()))
        self.balance.count(counts)

    def accumulate(
        self, batch: dict[str, Tensor], teacher: Taps, totals: Totals, *, part: int = 0, last: bool = True
    ) -> None:
        """Add the gradient of one part of a step's batch; of a family, the mean of its members' losses.

        Args:
            batch: ids, mask, segments [B, T].
            teacher: the teacher's taps for it, [B, T, D] each.
            totals: of the whole step, over all parts and processes: what the loss is averaged over.
            part: its number among the step's parts on this process; last: whether it is the last of them.
        """
        mask = batch["attention_mask"].bool()
        self.model.train()
        for group, names in enumerate(self.together):
            shares = last and names == self.together[-1]  # processes share their gradients once a step
            alone = nullcontext() if shares or self.model is self.student else self.model.no_sync()
            with self._draws(part, group), alone:
                losses = {
                    name: self.loss(taps, teacher, mask, totals) + self.balance(routed, mask)
                    for name, (taps, routed) in self.run(names, batch, self.model).items()
                }
                # processes average their gradients; the loss is a share of the whole step's
                scale = self.accelerator.num_processes / len(self.names)
                self.scaler.scale(sum(losses.values()) * scale).backward()
            for name, loss in losses.items():
                self._step_losses[self.names.index(name)] += loss.detach()

    def run(self, names: tuple[str, ...], batch: dict[str, Tensor], model=None) -> dict[str, tuple[Taps, Routed]]:
        """Taps and router logits of these students, which run as one, in the round's precision."""
        model = self.student if model is None else model
        with autocast(self.accelerator.device, self.settings.precision):
            return model(names, **batch) if isinstance(self.student, Family) else {names[0]: model(**batch)}

    def encoder(self, name: str) -> MiniMoEModel:
        """The encoder of the student of this name, as it is now."""
        return (self.student.member(name) if isinstance(self.student, Family) else self.student).encoder

    def update(self) -> dict[str, dict[str, Tensor | float]]:
        """One optimizer step with the gradients gathered; returns what training curves show of it, by name."""
        warmup = math.ceil(self.settings.warmup * self.steps)
        rate = self.settings.learning_rate * linear_schedule(self.step, self.steps, warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
            # the published AdamW adds ε before it corrects the second moment's bias, torch's adds it after
            group["eps"] = self.settings.adam_epsilon / math.sqrt(1 - group["betas"][1] ** (self.step + 1))
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.student.parameters(), self.settings.gradient_norm)
        scale_before = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        stepped = self.scaler.get_scale() >= scale_before  # fp16 leaves out a step whose gradients overflow
        if stepped:
            # and it decays the weights after the step, torch's before
            with torch.no_grad():
                torch._foreach_mul_(self._decayed, 1 - rate * self.settings.weight_decay)
        self.step += 1
        losses = total(self._step_losses.clone(), self.accelerator)
        self.discard()
        self.losses.append(losses)
        logged = {"learning_rate": rate} | ({"gradient_norm": norm} if stepped else {})
        return {name: {"train_loss": loss} | logged for name, loss in zip(self.names, losses, strict=True)}

    def discard(self) -> None:
        """Forget the gradients gathered."""
        self.optimizer.zero_grad(set_to_none=True)
        self._step_losses.zero_()

    def mean_losses(self) -> dict[str, float]:
        """Mean training losses by name over the steps since the last call, over all processes."""
        means = torch.stack(self.losses).mean(0).tolist()
        self.losses.clear()
        return dict(zip(self.names, means, strict=True))

    def loss(self, taps: Taps, teacher: Taps, mask: Tensor, totals: Totals, *, exact: bool = False) -> Tensor:
        """The round's objective; `exact` leaves out ε and dropout, so that values of different settings compare."""
        settings = self.settings
        if settings.objective == "tinybert":
            heads = self.student.encoder.config.num_attention_heads
            return tinybert(taps, teacher, mask, heads, totals=totals, weights=settings.tinybert_weights)
        return minilm(
            taps,
            teacher,
            mask,
            settings.relation_heads,
            tokens=totals.tokens,
            log_epsilon=0.0 if exact else settings.log_epsilon,
            dropout=0.0 if exact else settings.relation_dropout,
            weights=settings.relation_weights,
        )

    def _draws(self, part: int, group: int = 0):
        """Draw dropout and router noise of the step's part on this process, of the group of names that run as one.

        The learners of a round have one seed, and each draws what it would draw alone.
        """
        accelerator = self.accelerator
        return drawing(accelerator.device, self.seed, self.step, part, accelerator.process_index, group)


def share(teacher: Taps, batch: dict[str, Tensor], learners: list[Learner]) -> Taps:
    """The teacher's taps of a batch, whose relations are computed once where more than one student learns from them."""
    settings = learners[0].settings
    if settings.objective != "minilm" or sum(len(learner.names) for learner in learners) < 2:
        return teacher
    return teacher.shared(batch["attention_mask"].bool(), settings.relation_heads)


def autocast(device: torch.device, precision: str):
    """The arithmetic of an encoder's forward pass at this precision."""
    kind = PRECISIONS[precision]
    return torch.autocast(device.type, kind) if kind else nullcontext()


def linear_schedule(step: int, steps: int, warmup: int) -> float:
    """Share of the peak learning rate at `step` from 0: linear warm-up, then linear decay to 0."""
    if step < warmup:
        return step / warmup
    return max(0.0, (steps - step) / max(1, steps - warmup))
