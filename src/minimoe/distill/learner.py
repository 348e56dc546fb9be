"""A learner: one student in training, with its own optimizer, schedule and random state.

Nothing of it is shared with the other students of a round, so each of them ends bit for bit as it would alone.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from minimoe.distill.objectives import Taps, mean_load_balance, minilm
from minimoe.distill.student import TappedStudent
from minimoe.params.rounds import Distill

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
NO_DECAY = ("bias", "LayerNorm.weight")


class Learner:
    """Trains one student; a step is any number of `accumulate`, then one `update`.

    Args:
        student: the student, on its device.
        settings: the round's settings.
        steps: optimizer steps in the whole round.
        seed: of dropout and router noise.
        accelerator: wraps the student for several processes.
    """

    def __init__(self, student: TappedStudent, settings: Distill, steps: int, seed: int, accelerator):
        self.student = student
        self.settings, self.steps, self.step = settings, steps, 0
        self.accelerator = accelerator
        self.model = accelerator.prepare_model(student)
        trained = {name: weight for name, weight in student.named_parameters() if weight.requires_grad}
        self._decayed = [weight for name, weight in trained.items() if not name.endswith(NO_DECAY)]
        self.optimizer = torch.optim.AdamW(trained.values(), weight_decay=0.0, fused=True)
        self.scaler = torch.amp.GradScaler(accelerator.device.type, enabled=settings.precision == "fp16")
        self._random = _seeded_state(seed, accelerator.device)
        self._step_loss = torch.zeros((), device=accelerator.device)
        self._losses: list[Tensor] = []

    def accumulate(self, batch: dict[str, Tensor], teacher: Taps, tokens: int, *, last: bool = True) -> None:
        """Add the gradient of one part of a step's batch.

        Args:
            batch: ids, mask, segments [B, T].
            teacher: the teacher's taps for it, [B, T, D] each.
            tokens: real tokens in the whole step, over all parts and processes: what the loss is averaged over.
            last: whether this is the step's last part on this process.
        """
        mask = batch["attention_mask"].bool()
        self.model.train()
        with self._own_randomness(), nullcontext() if last else self.accelerator.no_sync(self.model):
            with autocast(self.accelerator.device, self.settings.precision):
                taps, routed = self.model(**batch)
            loss = self._objective(taps, teacher, mask, tokens) + self._balance(routed, mask, tokens)
            # processes average their gradients; the loss is a share of the whole step's
            self.scaler.scale(loss * self.accelerator.num_processes).backward()
        self._step_loss += loss.detach()

    def update(self) -> dict[str, Tensor | float]:
        """One optimizer step with the gradients gathered; returns what a training curve shows of it."""
        scale = linear_schedule(self.step, self.steps, math.ceil(self.settings.warmup * self.steps))
        rate = self.settings.learning_rate * scale
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
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        loss = self.accelerator.reduce(self._step_loss.clone(), "sum")
        self._step_loss.zero_()
        self._losses.append(loss)
        logged = {"train_loss": loss, "learning_rate": rate}
        return logged | ({"gradient_norm": norm} if stepped else {})

    def mean_loss(self) -> float:
        """Mean training loss over the steps since the last call, over all processes."""
        mean = torch.stack(self._losses).mean().item()
        self._losses.clear()
        return mean

    def _objective(self, taps: Taps, teacher: Taps, mask: Tensor, tokens: int) -> Tensor:
        settings = self.settings
        return minilm(
            taps,
            teacher,
            mask,
            settings.relation_heads,
            tokens=tokens,
            log_epsilon=settings.log_epsilon,
            dropout=settings.relation_dropout,
        )

    def _balance(self, routed: dict[str, list[Tensor]], mask: Tensor, tokens: int) -> Tensor | float:
        counted = None if self.settings.balance_padding else mask.flatten()
        share = mask.sum() / tokens
        return self.settings.load_balance * share * mean_load_balance(routed["attention"], routed["ffn"], counted)

    @contextmanager
    def _own_randomness(self) -> Iterator[None]:
        """Draw from this student's random state, and leave everybody else's as it was."""
        outside = _random_state(self.accelerator.device)
        _set_random_state(self._random, self.accelerator.device)
        try:
            yield
        finally:
            self._random = _random_state(self.accelerator.device)
            _set_random_state(outside, self.accelerator.device)


def autocast(device: torch.device, precision: str):
    """The arithmetic of an encoder's forward pass at this precision."""
    kind = PRECISIONS[precision]
    return torch.autocast(device.type, kind) if kind else nullcontext()


def linear_schedule(step: int, steps: int, warmup: int) -> float:
    """Share of the peak learning rate at `step` from 0: linear warm-up, then linear decay to 0."""
    if step < warmup:
        return step / warmup
    return max(0.0, (steps - step) / max(1, steps - warmup))


def _seeded_state(seed: int, device: torch.device) -> list[Tensor]:
    outside = _random_state(device)
    torch.manual_seed(seed)
    state = _random_state(device)
    _set_random_state(outside, device)
    return state


def _random_state(device: torch.device) -> list[Tensor]:
    state = [torch.get_rng_state()]
    return [*state, torch.cuda.get_rng_state(device)] if device.type == "cuda" else state


def _set_random_state(state: list[Tensor], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[1], device)
