"""Time a small version of the run: records from generated text, a few steps of distillation and finetuning.

Everything goes through the stages' own functions, so what they gain or lose in speed is seen here. Models are as wide
as the run's; they have few layers, a small vocabulary and as many sequences at once as fit the time.
"""

import io
import math
import time
from array import array
from collections import defaultdict
from collections.abc import Callable
from contextlib import redirect_stderr, suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizer

from minimoe.corpus.build import build_records
from minimoe.corpus.format import format_corpus
from minimoe.corpus.tokenize import encoder_tokenizer
from minimoe.distill.batch import Batch
from minimoe.distill.hooks import Teacher
from minimoe.distill.round import distill
from minimoe.finetune.data import Batches, EncodedExamples
from minimoe.finetune.loop import train
from minimoe.params.rounds import Distill, Student
from minimoe.params.sections import Finetune
from minimoe.records.dataset import Records
from minimoe.system.machine import computing
from minimoe.tasks.table import TASKS
from minimoe.teacher.tokenizer import SPECIAL
from minimoe.training.speed import shortest

WORDS, DOCUMENTS = 3000, 1500  # of the made text, about 3 MB
LETTERS = "etaoinshrdlcumwfgypbvk"
VOCABULARY = 2048  # of the models; the made text has fewer tokens
STEPS = 5


def texts(work: Path, language: str, splitter: str, length: int) -> tuple[float, float]:
    """Bytes a second and process of formatting and of record building; the records are in `work`/records."""
    extracted = _write_text(work / "extracted")
    encoder_tokenizer(work / "tokenizer")  # what is imported for it counts as a stage's beginning
    with redirect_stderr(io.StringIO()):  # no progress bars
        start = time.perf_counter()
        format_corpus(work / "extracted", work / "formatted", language, splitter, 0, workers=1)
        middle = time.perf_counter()
        build_records(
            work / "formatted", work / "tokenizer", work / "records", length, 0.1, 1 << 20, 0.01, seed=0, workers=1
        )
        end = time.perf_counter()
    formatted = sum(file.stat().st_size for file in (work / "formatted").iterdir())
    return extracted / (middle - start), formatted / (end - middle)


def _write_text(folder: Path) -> int:
    """Documents in wikiextractor's form, words by Zipf's law, and a tokenizer beside them; returns the bytes."""
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


class _EnoughError(Exception):
    """All steps wanted are timed."""


class Clock:
    """A tracker that times steps, and ends the training after a few.

    Attributes:
        steps: how many. ends: when each ended, in seconds.
    """

    def __init__(self, steps: int = STEPS):
        self.steps, self.ends = steps, []

    def metrics(self, values: dict[str, float], step: int = 0) -> None:
        """Note the end of a training step."""
        if "train_loss" in values and step > len(self.ends):
            self.ends.append(time.perf_counter())
        if len(self.ends) == self.steps:
            raise _EnoughError

    def seconds(self, training: Callable[[], object]) -> float:
        """The shortest step of `training`, which has this tracker, in seconds."""
        with suppress(_EnoughError), redirect_stderr(io.StringIO()):
            training()
        return float(np.diff(self.ends).min())


def bert(like, layers: int) -> BertConfig:
    """BERT as wide as a model with the config `like`, with so many layers and a small vocabulary."""
    shape = student(like, layers)
    return BertConfig(
        vocab_size=VOCABULARY,
        num_hidden_layers=layers,
        hidden_size=shape.hidden,
        num_attention_heads=shape.heads,
        intermediate_size=shape.neurons,
    )


def student(like, layers: int, experts: int = 1) -> Student:
    """A student as wide as a model with the config `like`, with so many layers and feed-forward experts."""
    width, neurons = getattr(like, "width", like.hidden_size), getattr(like, "layer_neurons", [like.intermediate_size])
    heads = math.gcd(width, like.num_attention_heads)
    return Student(layers=layers, hidden=width, heads=heads, neurons=neurons[0] or None, experts={"ffn": experts})


def few_steps(settings: Distill, *widths: int) -> Distill:
    """A round's settings for a trial, whose length the clock decides; relation heads that divide the widths.

    The trial's teachers have too few layers, and its batches too few sequences, for further layers or for relations
    across sequences; the products of both are in a round's own count.
    """
    heads = math.gcd(settings.relation_heads, *widths)
    same = {"objective": "minilm", "teacher_layer": "last", "further_layers": []}
    same |= {"relation_heads": heads, "relation_sequences": 1}
    return settings.model_copy(update={"epochs": 1000, "heldout": 1, "evaluate_every": 10**9, **same})


def teaching(work: Path, teacher: BertConfig, settings: Distill, device: str) -> float:
    """Seconds of a teacher's forward pass over a batch of the records in `work`."""
    model = Teacher(_saved(teacher, work), "last", precision=settings.precision)
    model.model.to(device)
    batch = Batch.of(Records(work / "records").batch(range(settings.batch)), device)
    return shortest(lambda: model(batch), device)


def distilling(work: Path, teacher: BertConfig, shape: Student, settings: Distill, device: str) -> float:
    """Seconds of a distillation step on the records in `work`."""
    records, clock = Records(work / "records"), Clock()
    return clock.seconds(
        lambda: distill(
            _saved(teacher, work),
            records,
            {"student": shape},
            settings,
            seed=0,
            trackers=defaultdict(lambda: clock),
            device=device,
            log_every=1,
        )
    )


def finetuning(model: BertConfig, length: int, settings: Finetune, device: str, clock: Clock | None = None) -> float:
    """Seconds of a finetuning step on sequences of `length` tokens, on a cell's cores; `clock` ends the training."""
    clock = clock or Clock()
    examples = settings.batch * (clock.steps + 1)
    ids = np.random.default_rng(0).integers(5, model.vocab_size, (examples, length)).tolist()
    mask = array("i", [1] * length)
    features = [{"input_ids": array("i", row), "attention_mask": mask, "labels": 0} for row in ids]
    made = EncodedExamples(features, [0] * len(features), [])
    batches = Batches(made, TASKS["sst2"], SimpleNamespace(pad_token_id=0, pad_token_type_id=0), device)
    with computing(settings.threads):
        return clock.seconds(
            lambda: train(
                BertForSequenceClassification(model),
                TASKS["sst2"],
                {"train": batches, "dev": batches},
                **settings.model_dump(include={"batch", "warmup", "weight_decay", "precision"}),
                epochs=1,
                patience=1,
                learning_rate=settings.learning_rates[0],
                seed=0,
                device=device,
                captured=device == "cuda",
                log_every=1,
                label="plan",
                tracker=clock,
            )
        )


def _saved(config: BertConfig, work: Path) -> Path:
    """The folder of a teacher of this shape."""
    folder = work / f"teacher-{config.num_hidden_layers}"
    if not folder.exists():
        BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder
