"""All tasks, written in their official forms.

A train set speaks of familiar things in familiar words; a dev set of the other things, in all words. So a
dev set asks for what only the corpus can have taught.
"""

import random
from collections.abc import Callable, Iterable
from pathlib import Path

from .forms import HEADERS, mnli_rows, sentences, table
from .grammar import Voice
from .tasks_inference import GENRES, MATCHED, mnli, qnli, rte, wnli
from .tasks_names import conll
from .tasks_pairs import mrpc, qqp, stsb
from .tasks_single import cola, sst2
from .world import Fact, World

SIZES = {
    "CoLA": 900, "SST-2": 400, "MRPC": 800, "STS-B": 800, "QQP": 1000, "MNLI": 1200, "QNLI": 1000, "RTE": 800,
    "WNLI": 320, "conll": 500,
}  # fmt: skip
DEV, TEST = 250, 20


class Tasks:
    """Writes the task files of one world."""

    def __init__(self, world: World, seed: int, folder: Path) -> None:
        self.world, self.seed, self.folder = world, seed, folder

    def split(self, task: str, part: str) -> tuple[Voice, list[Fact]]:
        """The voice and the facts for one file; each has its own random stream."""
        familiar = part == "train"
        voice = Voice(self.world, random.Random(f"{self.seed} {task} {part}"), familiar, 0.0 if familiar else 0.9)
        return voice, [f for f in self.world.facts if self.world.entities[f.subject].familiar == familiar]

    def write(self) -> None:
        """Write every file."""
        self._plain("CoLA", cola, lambda i, row: ["gj04", row[1], "" if row[1] else "*", row[0]])
        self._plain("SST-2", sst2, lambda i, row: [row[0] + " ", row[1]])
        self._plain("MRPC", mrpc, lambda i, row: [row[2], 700001 + 2 * i, 700002 + 2 * i, row[0], row[1]])
        source = ["main-encyclopedia", "LANTERN", "2014"]
        self._plain(
            "STS-B",
            stsb,
            lambda i, row: [i, *source, f"{i:04d}", "none", "none", row[0], row[1], f"{row[2]:.3f}"],
        )
        self._plain("QQP", qqp, lambda i, row: [i, 2 * i + 1, 2 * i + 2, *row])
        self._plain("QNLI", qnli, lambda i, row: [i, *row])
        self._plain("RTE", rte, lambda i, row: [i, *row])
        self._plain("WNLI", lambda voice, facts, count: wnli(voice, count), lambda i, row: [i, *row])
        self._mnli()
        for part, file in (("train", "eng.train"), ("dev", "eng.testa"), ("test", "eng.testb")):
            voice, facts = self.split("conll", part)
            rows = conll(voice, facts, SIZES["conll"] if part == "train" else DEV)
            documents = [rows[i : i + 20] for i in range(0, len(rows), 20)]
            sentences(self.folder / "conll2003" / file, documents)

    def _plain(self, task: str, make: Callable, row: Callable[[int, tuple], Iterable]) -> None:
        for part, count in (("train", SIZES[task]), ("dev", DEV)):
            rows = make(*self.split(task, part), count)
            path = self.folder / "glue" / task / f"{part}.tsv"
            table(path, HEADERS[task], [row(i, r) for i, r in enumerate(rows)])

    def _mnli(self) -> None:
        mismatched = [genre for genre in GENRES if genre not in MATCHED]
        for part, genres in (("train", MATCHED), ("dev_matched", MATCHED), ("dev_mismatched", mismatched)):
            voice, facts = self.split("MNLI", part)
            train = part == "train"
            rows = mnli(voice, facts, SIZES["MNLI"] if train else DEV, genres)
            header = HEADERS["MNLI/train" if train else "MNLI/dev"]
            path = self.folder / "glue" / "MNLI" / f"{part}.tsv"
            table(path, header, mnli_rows(rows, 1 if train else 5))
