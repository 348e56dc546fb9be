"""The run in small: made text becomes records, and a few steps of distilling and finetuning are timed.

Everything goes through the stages' own functions, so what they gain or lose in speed is seen here. Widths, length,
precision and relation heads are the run's; there are few layers, a small vocabulary and as many sequences at once as
fit the time. What a layer costs is the difference between a model with more of them and one with fewer; what is left
(relations, optimizer) is the learner's own.
"""

import io
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import redirect_stderr, suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from transformers import BertForSequenceClassification, BertTokenizer

from minimoe.corpus.build import build_records
from minimoe.corpus.format import format_corpus
from minimoe.corpus.records import Records
from minimoe.distill.learner import PRECISIONS
from minimoe.distill.round import distil
from minimoe.finetune.data import Batches, Examples
from minimoe.finetune.loop import train
from minimoe.models import MiniMoEConfig, MiniMoEModel
from minimoe.models.save import save
from minimoe.params.rounds import Distill, Student
from minimoe.params.sections import Finetune
from minimoe.plan import flops
from minimoe.tasks.table import TASKS
from minimoe.teacher.tokenizer import SPECIAL

WORDS, DOCUMENTS = 6000, 500  # of the made text, about 1 MB
VOCABULARY = 4096  # of the models; the made text has fewer tokens
STEPS = 4  # of which the first is not counted
LETTERS = "etaoinshrdlcumwfgypbvk"


class _EnoughError(Exception):
    """All steps wanted are timed."""


class Clock:
    """A tracker that times steps, and ends the training after a few."""

    def __init__(self):
        self.ends: list[float] = []

    def metrics(self, values: dict[str, float], step: int = 0) -> None:
        """Note the end of a training step."""
        if "train_loss" in values and step > len(self.ends):
            self.ends.append(time.perf_counter())
        if len(self.ends) > STEPS:
            raise _EnoughError

    def seconds(self, training: Callable[[], object]) -> float:
        """Median seconds of a step of `training`, which has this tracker."""
        with suppress(_EnoughError), redirect_stderr(io.StringIO()):  # no bars
            training()
        return statistics.median(np.diff(self.ends[1:]))


def write_text(folder: Path) -> int:
    """Made documents in wikiextractor's form, words by Zipf's law; returns the bytes written."""
    draw = np.random.default_rng(0)
    words = ["".join(draw.choice(list(LETTERS), size)) for size in draw.integers(2, 11, WORDS)]
    frequency = 1 / np.arange(1, WORDS + 1)
    documents = []
    for number in range(DOCUMENTS):
        drawn = draw.choice(words, (15, 20), p=frequency / frequency.sum())
        body = " ".join(" ".join(sentence).capitalize() + "." for sentence in drawn)
        documents.append(f'<doc id="{number}" url="" title="{number}">\n{number}\n\n{body}\n</doc>\n')
    folder.mkdir()
    (folder / "wiki_00").write_text("".join(documents), encoding="utf-8")
    # every other word is a token, the others are put together from pieces
    pieces = [*words[::2], *LETTERS, *(f"##{a}{b}" for a in LETTERS for b in LETTERS), *(f"##{a}" for a in LETTERS)]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys([*SPECIAL, *pieces]))}
    BertTokenizer(vocab=vocabulary).save_pretrained(folder.parent / "tokenizer")
    return (folder / "wiki_00").stat().st_size


def corpus(work: Path, language: str, splitter: str, length: int) -> tuple[float, float]:
    """Bytes a second and process of formatting and of record building; the records are in `work`/records."""
    extracted = write_text(work / "extracted")
    with redirect_stderr(io.StringIO()):  # no bars
        start = time.perf_counter()
        format_corpus(work / "extracted", work / "formatted", language, splitter, 0, workers=1)
        middle = time.perf_counter()
        build_records(work / "formatted", work / "tokenizer", work / "records", length, 0.1, 1 << 20, seed=0, workers=1)
        end = time.perf_counter()
    formatted = sum(file.stat().st_size for file in (work / "formatted").iterdir())
    return extracted / (middle - start), formatted / (end - middle)


def product(precision: str, device: str, seconds: float = 0.2) -> float:
    """FLOP/s of a large matrix product."""
    size = 8192 if device == "cuda" else 1024
    x = torch.randn(size, size, device=device).to(PRECISIONS[precision] or torch.float32)
    times: list[float] = []
    while not times or sum(times) < seconds:
        start = time.perf_counter()
        x @ x
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 2 * size**3 / statistics.median(times)


def distilling(work: Path, teacher: MiniMoEConfig, student: MiniMoEConfig, settings: Distill, device: str) -> float:
    """Seconds of a distillation step on the records in `work`."""
    records, clock, folder = Records(work / "records"), Clock(), work / f"teacher-{teacher.num_hidden_layers}"
    save(MiniMoEModel(teacher), folder)
    shape = Student(
        layers=student.num_hidden_layers,
        hidden=student.hidden_size,
        heads=student.num_attention_heads,
        neurons=student.intermediate_size,
        experts={"ffn": student.ffn_experts[0]},
    )
    return clock.seconds(
        lambda: distil(
            folder,
            records,
            {"student": shape},
            settings,
            seed=0,
            trackers=defaultdict(lambda: clock),
            device=device,
            log_every=1,
        )
    )


def finetuning(model: MiniMoEConfig, length: int, settings: Finetune, device: str, threads: int) -> float:
    """Seconds of a finetuning step on sequences of `length` tokens, on `threads` cores."""
    ids = np.random.default_rng(0).integers(5, model.vocab_size, (settings.batch * (STEPS + 2), length)).tolist()
    features = [{"input_ids": row, "attention_mask": [1] * length, "labels": 0} for row in ids]
    made = Examples(features, [0] * len(features), [])
    batches = Batches(TASKS["sst2"], SimpleNamespace(pad_token_id=0, pad_token_type_id=0))
    before, clock = torch.get_num_threads(), Clock()
    torch.set_num_threads(threads)
    chosen = settings.model_dump(include={"batch", "warmup", "weight_decay"})
    try:
        return clock.seconds(
            lambda: train(
                BertForSequenceClassification(model.plain()),
                TASKS["sst2"],
                {"train": made, "dev": made},
                batches,
                **chosen,
                epochs=1,
                patience=1,
                learning_rate=settings.learning_rates[0],
                seed=0,
                device=device,
                log_every=1,
                label="plan",
                tracker=clock,
            )
        )
    finally:
        torch.set_num_threads(before)


def shrunk(config, layers: int, experts: int = 1) -> MiniMoEConfig:
    """A model as wide as one with this config, with so many layers and experts and a small vocabulary."""
    layer = flops.layers(config)[0]
    heads = math.gcd(layer.width, config.num_attention_heads)
    return MiniMoEConfig(
        vocab_size=VOCABULARY,
        num_hidden_layers=layers,
        hidden_size=layer.width,
        num_attention_heads=heads,
        intermediate_size=max(1, layer.neurons),
        ffn_experts=[experts] * layers,
    )


def few_steps(settings: Distill, *widths: int) -> Distill:
    """A round's settings for a trial, whose length the clock decides; relation heads that divide the widths."""
    heads = math.gcd(settings.relation_heads, *widths)
    same = {"objective": "minilm", "teacher_layer": "last", "relation_heads": heads}
    return settings.model_copy(update={"epochs": 1000, "heldout": 1, "evaluate_every": 10**9, **same})
