"""All tasks in the official file forms of GLUE and CoNLL-2003: headers, order of columns, no quoting.

A train set speaks of familiar things in familiar words; a dev set of the other things, in all words. So a
dev set asks for what only the corpus can have taught.
"""

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from . import tasks
from .conll import sentence
from .language import Voice
from .world import Fact, World

DEV = 250  # examples of a dev or test set


class Form(NamedTuple):
    """A file of GLUE."""

    make: Callable  # an example of (voice, facts, number)
    train: int  # examples
    header: str  # with commas for its tabs
    row: Callable  # of (number, *example)
    shuffled: bool = True  # where the number decides the label
    qualities: bool = True  # whether facts may be qualities


STSB = ["main-encyclopedia", "LANTERN", "2014"]
GLUE = {
    "CoLA": Form(tasks.cola, 900, "", lambda i, text, good: ["gj04", good, "" if good else "*", text], False),
    "SST-2": Form(tasks.sst2, 400, "sentence,label", lambda i, text, good: [text + " ", good]),
    "MRPC": Form(
        tasks.mrpc, 800, "\ufeffQuality,#1 ID,#2 ID,#1 String,#2 String",
        lambda i, a, b, same: [same, 700001 + 2 * i, 700002 + 2 * i, a, b], False,
    ),
    "STS-B": Form(
        tasks.stsb, 800, "index,genre,filename,year,old_index,source1,source2,sentence1,sentence2,score",
        lambda i, a, b, score: [i, *STSB, f"{i:04d}", "none", "none", a, b, f"{score:.3f}"],
    ),
    "QQP": Form(
        tasks.qqp, 1000, "id,qid1,qid2,question1,question2,is_duplicate",
        lambda i, *row: [i, 2 * i + 1, 2 * i + 2, *row], False, False,
    ),
    "QNLI": Form(tasks.qnli, 1000, "index,question,sentence,label", lambda *row: row, qualities=False),
    "RTE": Form(tasks.rte, 800, "index,sentence1,sentence2,label", lambda *row: row),
    "WNLI": Form(tasks.wnli, 320, "index,sentence1,sentence2,label", lambda *row: row),
}  # fmt: skip
MNLI = ("index,promptID,pairID,genre,sentence1_binary_parse,sentence2_binary_parse,sentence1_parse,sentence2_parse,"
        "sentence1,sentence2,")  # fmt: skip


class Tasks:
    """Writes the task files of one world."""

    def __init__(self, world: World, seed: int, folder: Path) -> None:
        self.world, self.seed, self.folder = world, seed, folder

    def write(self) -> None:
        """Write every file."""
        for task, form in GLUE.items():
            for part in ("train", "dev"):
                self._glue(task, part, form)
        for part, genres, votes in (
            ("train", tasks.MATCHED, 1), ("dev_matched", tasks.MATCHED, 5), ("dev_mismatched", tasks.MISMATCHED, 5),
        ):  # fmt: skip
            header = MNLI + "".join(f"label{vote}," for vote in range(1, votes + 1)) + "gold_label"
            self._glue("MNLI", part, Form(partial(tasks.mnli, genres=genres), 1200, header, partial(_mnli_row, votes)))
        for part, file in (("train", "eng.train"), ("dev", "eng.testa"), ("test", "eng.testb")):
            self._conll(part, self.folder / "conll2003" / file)

    def _split(self, task: str, part: str) -> tuple[Voice, list[Fact]]:
        """The voice and the facts for one file; each has its own random stream."""
        familiar = part == "train"
        voice = Voice(self.world, random.Random(f"{self.seed} {task} {part}"), familiar, 0.0 if familiar else 0.9)
        return voice, [fact for fact in self.world.facts if fact.subject.familiar == familiar]

    def _glue(self, task: str, part: str, form: Form) -> None:
        voice, facts = self._split(task, part)
        facts = [fact for fact in facts if form.qualities or fact.relation != "quality"]
        examples = [form.make(voice, facts, number) for number in range(form.train if part == "train" else DEV)]
        if form.shuffled:
            voice.rng.shuffle(examples)
        header = [form.header.replace(",", "\t")] if form.header else []
        rows = ["\t".join(map(str, form.row(i, *example))) for i, example in enumerate(examples)]
        _write(self.folder / "glue" / task / f"{part}.tsv", [*header, *rows, ""])

    def _conll(self, part: str, path: Path) -> None:
        voice, facts = self._split("conll", part)
        lines: list[str] = []
        for number in range(500 if part == "train" else DEV):
            lines += ["-DOCSTART- -X- O O", ""] * (number % 20 == 0)
            lines += [*sentence(voice, facts), ""]
        _write(path, lines)


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8", newline="\n")


def _mnli_row(votes: int, number: int, genre: str, premise: str, hypothesis: str, label: str) -> list:
    """A row of MNLI with its parses and as many labels as the file has."""
    (binary1, flat1), (binary2, flat2) = _parses(premise), _parses(hypothesis)
    prompt = 1000 + number
    head = [number, prompt, f"{prompt}{label[0]}", genre, binary1, binary2, flat1, flat2]
    return [*head, premise, hypothesis, *[label] * votes, label]


def _parses(sentence: str) -> tuple[str, str]:
    """The sentence as a right-branching binary parse, and as a flat one."""
    words = [*sentence.rstrip(".").split(), "."]
    binary = words[-1]
    for word in reversed(words[:-1]):
        binary = f"( {word} {binary} )"
    return binary, "(ROOT (S " + " ".join(f"(X {word})" for word in words) + "))"
