"""`make gpu`: what one GPU makes of distilling, finetuning and loading; after eight minutes no part begins.

It writes benchmarks/gpu.json: card, driver and versions, and for each part its numbers, or the error that ended it; the
other parts go on then, and the exit code is 1. It needs torch from 2.11 on, transformers from 5.17 on and the small
packages that docs/machines names, no network and no data. `--small` runs the same code on tiny models, on a CPU too.
"""

import argparse
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from unittest import mock

import torch
import transformers
from torch import Tensor
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from transformers import BertConfig, BertModel

from benchmarks.measure import seconds
from benchmarks.step import Step, batch, bert
from benchmarks.text import write_text, write_tokenizer
from minimoe.corpus.build import build_records
from minimoe.distill import relations
from minimoe.distill.batch import Batch, TokenCounts
from minimoe.distill.learner import teacher_features
from minimoe.params.rounds import Experts, Student
from minimoe.pipeline.profiles import load_profile
from minimoe.plan.trial import Clock, finetuning
from minimoe.records.dataset import Records
from minimoe.records.shuffle import shuffled
from minimoe.system.files import write_json
from minimoe.system.git import commit
from minimoe.system.machine import cores, machine
from minimoe.training.speed import product_rate

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("gpu.json")
SECONDS = 480  # after which no further part begins
CLOSE = 1e-4  # relative error of fp32 losses and gradients between devices, which sum in another order
ROUNDED = 2**-8  # of gradients in bf16, which both forms round at their end
CELLS = (1, 2, 4)  # on one card
PATIENCE = 120  # seconds that a cell may take
WARM = 5  # steps before those that are timed
FORMS = {"": {}, ", compiled": {"compiled": True}, ", compiled, as graphs": {"compiled": True, "recorded": True}}
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
SPAWN = get_context("spawn")  # a forked process could not use the GPU


@dataclass(frozen=True)
class Size:
    """How large the models and batches are."""

    teacher: BertConfig
    rounds: dict[str, dict[str, Student]]  # their students, by name
    heads: int  # relation heads
    batch: int  # sequences of a step
    repeats: int  # steps that are timed
    cell: BertConfig  # the model that is finetuned
    files: int  # of text to load


@cache
def full() -> Size:
    """As in the paper: bert-base teaches a student, one with experts, and the ten of the round `base`."""
    ten = load_profile("paper_base", ROOT).rounds["base"].students
    one = {name: {name: ten[name]} for name in ("minilm-6L-384H", "minilm-3L-384H", "minimoe-3L-384H")}
    return Size(bert(12, 768), one | {"ten": ten}, heads=32, batch=128, repeats=20, cell=bert(6, 384), files=16)


@cache
def small() -> Size:
    """The same code in seconds on a CPU."""
    dense, experts = (Student(layers=1, hidden=48, experts=Experts(attention=1, ffn=count)) for count in (1, 4))
    rounds = {"dense": {"a": dense}, "experts": {"a": experts}, "two": {"a": dense, "b": experts}}
    return Size(bert(2, 48), rounds, heads=12, batch=4, repeats=2, cell=bert(1, 48), files=1)


def equality(size: Size, device: str) -> dict:
    """Relative errors of losses and gradients on the device against the CPU, in fp32, with dropout off."""
    found = {}
    for name, students in size.rounds.items():
        expected, got = (_gradients(size, students, where) for where in ("cpu", device))
        found[name] = {part: float((got[part] - expected[part]).norm() / expected[part].norm()) for part in expected}
    worst = max(error for errors in found.values() for error in errors.values())
    if not worst <= CLOSE:
        raise ArithmeticError(f"expected relative errors of at most {CLOSE} between cpu and {device}, got {found}")
    return found


def _gradients(size: Size, students: dict[str, Student], device: str) -> dict[str, Tensor]:
    """Losses and gradients of one step on a device, each as one vector on the CPU."""
    made, records = _step(size, students, "fp32", device, dropout=0.0), batch(4)
    sequences, counts = Batch.of(records, device), TokenCounts.of(records["attention_mask"].sum(1))
    features = teacher_features(made.teacher, sequences, made.learners)
    losses, gradients = [], []
    for learner in made.learners:
        learner.accumulate(sequences, features, counts)
        weights = [weight for weight in learner.supernet.parameters() if weight.grad is not None]
        gradients += [weight.grad.flatten().clone() for weight in weights]  # the update clips them
        losses += [logged["train_loss"] for logged in learner.update().values()]
    return {"losses": torch.stack(losses).double().cpu(), "gradients": torch.cat(gradients).double().cpu()}


def loss(size: Size, device: str) -> dict[str, float]:
    """The fused relation loss of one projection against the plain form, in bf16: relative errors, and times of both."""
    width, records = size.teacher.hidden_size, batch(size.batch)
    mask = Batch.of(records, device).mask
    taught, own = (torch.randn(*mask.shape, d, device=device, dtype=torch.bfloat16) for d in (width, width // 2))
    found, made = {}, {}
    for form, devices in {"plain": (), "fused": relations.FUSED}.items():
        with mock.patch.object(relations, "FUSED", devices):
            made[form] = _divergence(own, taught, mask, size.heads)
            taken = [seconds(lambda: _divergence(own, taught, mask, size.heads)) for _ in range(size.repeats)]
        found[f"{form}, milliseconds"] = 1000 * median(taken)
    for part, expected, got in zip(("loss", "gradient"), made["plain"], made["fused"], strict=True):
        found[f"error of the {part}"] = float((got - expected).norm() / expected.norm())
    if not found["error of the loss"] <= CLOSE or not found["error of the gradient"] <= ROUNDED:
        raise ArithmeticError(f"expected the fused loss to equal the plain one, got {found}")
    return found


def _divergence(own: Tensor, taught: Tensor, mask: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """The divergence of a student's projection from a teacher's, both [B, T, D], and its gradient."""
    own = own.detach().requires_grad_()
    found = relations.divergence(own, relations.Target(taught, mask, heads))
    return found.detach(), torch.autograd.grad(found, own)[0].float()


def steps(size: Size, device: str) -> dict:
    """Of each round in bf16: sequences a second, the share of a large product's speed, kernels and waits in a step.

    On a GPU each runs as it is written, compiled, and compiled and recorded as CUDA graphs.
    """
    limit = product_rate("bf16", device)
    found = {"large product, TFLOP/s": limit / 1e12}
    forms = FORMS if device == "cuda" else {"": {}}
    for (round_, students), (form, how) in product(size.rounds.items(), forms.items()):
        name = f"{round_}{form}"
        made, records = _step(size, students, "bf16", device, **how), batch(size.batch)
        warm = seconds(lambda made=made, records=records: [made(records) for _ in range(WARM)])
        taken = median(seconds(partial(made, records)) for _ in range(size.repeats))
        did = made.flops(records)
        found[name] = {
            "sequences/s": size.batch / taken,
            "TFLOP/s": did / taken / 1e12,
            "share of the product": did / taken / limit,
            "GFLOP a sequence": did / size.batch / 1e9,
            "first steps, seconds": warm,
            **(_profiled(partial(made, records)) if device == "cuda" else {}),
        }
        print(name, found[name], flush=True)
    return found


def _profiled(step: Callable[[], None]) -> dict:
    """Kernels, copies to the host and waits of one step, how busy the GPU is, and the kernels that take longest."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        taken = seconds(step)
    events = list(seen.events())
    kernels = [event for event in events if event.device_type == DeviceType.CUDA]
    times: Counter[str] = Counter()
    for kernel in kernels:
        times[kernel.name[:60]] += int(kernel.time_range.elapsed_us())
    return {
        "kernels": sum(not kernel.name.startswith(("Memcpy", "Memset")) for kernel in kernels),
        "copies to the host": sum("DtoH" in kernel.name for kernel in kernels),
        "waits": sum(event.name in WAITS for event in events) - 1,  # but for the one at the end
        "busy": times.total() / 1e6 / taken,
        "memory, GB": torch.cuda.max_memory_allocated() / 1e9,
        "longest, microseconds": dict(times.most_common(8)),
    }


def _step(size: Size, students: dict[str, Student], precision: str, device: str, **changes) -> Step:
    with TemporaryDirectory() as folder:
        torch.manual_seed(0)
        BertModel(size.teacher).save_pretrained(folder)
        return Step(folder, list(students.values()), size.heads, precision, device, **changes)


def cells(size: Size, device: str) -> dict[str, float]:
    """Examples a second of one, two and four finetuning cells side by side on the card, in bf16."""
    found = {}
    for count in CELLS:
        together, results = SPAWN.Barrier(count), SPAWN.Queue()
        processes = [SPAWN.Process(target=_cell, args=(size, device, together, results)) for _ in range(count)]
        for process in processes:
            process.start()
        spans = [results.get(timeout=PATIENCE) for _ in processes]
        for process in processes:
            process.join()
        began, ended, examples = zip(*spans, strict=True)
        found[f"{count} cells, examples/s"] = sum(examples) / (max(ended) - min(began))
    return found


class _Together(Clock):
    """A clock whose time begins when the cells of all processes have taken a few steps."""

    def __init__(self, steps: int, together):
        super().__init__(steps)
        self.together, self.began = together, 0.0

    def metrics(self, values: dict[str, float], step: int = 0) -> None:
        """Note the end of a training step, after the first ones."""
        super().metrics(values, step)
        if len(self.ends) == WARM and not self.began:
            self.together.wait(PATIENCE)
            self.began = time.perf_counter()


def _cell(size: Size, device: str, together, results) -> None:
    settings = load_profile("paper_base", ROOT).finetune
    clock = _Together(WARM + 10 * size.repeats, together)
    finetuning(size.cell, 64, settings, device, clock)
    results.put((clock.began, clock.ends[-1], settings.batch * (clock.steps - WARM)))


def loading(size: Size, device: str) -> dict[str, float]:
    """Records a second that one process draws in random order, pads into batches and moves to the device."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_text(folder / "text", files=size.files)
        tokenizer = write_tokenizer(folder / "tokenizer")
        build_records(
            folder / "text", tokenizer, folder / "records", 128, 0.1, 1 << 20, 0.002, seed=776, workers=cores()
        )
        records = Records(folder / "records")
        count = len(records) // size.batch * size.batch
        order = shuffled(range(len(records)), 776, 0, 0, count).reshape(-1, size.batch)
        taken = seconds(lambda: [Batch.of(records.batch(numbers), device) for numbers in order])
    return {"records/s": count / taken}


PARTS = {"equality": equality, "loss": loss, "steps": steps, "cells": cells, "loading": loading}


def about(device: str) -> dict[str, str]:
    """When, of which commit, where and with what it was measured."""
    card = {"torch": torch.__version__, "transformers": transformers.__version__, "machine": machine(device)}
    if device == "cuda":
        asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        card["card"] = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return {"date": date.today().isoformat(), "commit": commit("benchmarks/gpu.json")} | card


def main() -> None:
    """Run all parts, or those named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--small", action="store_true", help="tiny models, on the CPU where there is no GPU")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where to write")
    options = parser.parse_args()
    device, start = "cuda" if torch.cuda.is_available() else "cpu", time.perf_counter()
    if device == "cpu" and not options.small:
        sys.exit("make gpu: PyTorch finds no GPU here; run it where there is one, or with --small on the CPU")
    found, failed = about(device), []
    for name in options.parts or PARTS:
        if time.perf_counter() - start > SECONDS:
            found[name] = {"error": f"not begun: {SECONDS} seconds were over"}
        else:
            found[name] = _run(PARTS[name], small() if options.small else full(), device)
        failed += [name] if "error" in found[name] else []
        write_json(options.out, found)  # after each part, so that an end by force leaves those before
        print(name, found[name], flush=True)
    if failed:
        sys.exit(f"{options.out}: {', '.join(failed)} ended with an error")


def _run(part: Callable[[Size, str], dict], size: Size, device: str) -> dict:
    start = time.perf_counter()
    try:
        found = part(size, device)
    except Exception as error:
        traceback.print_exc()
        found = {"error": f"{type(error).__name__}: {error}"}
    return found | {"seconds": round(time.perf_counter() - start, 1)}


if __name__ == "__main__":
    main()
