"""From facts to sentences.

A sentence is a string in which `@7` stands for the entity with id 7, so that one sentence can become plain
text, wiki markup with links, or words with name tags. A `Voice` makes sentences with one random stream; a
*familiar* voice, used for the train sets of the tasks, knows the first words of every list only.
"""

import random
import re
from dataclasses import dataclass

from . import frames_nature, frames_people, frames_places
from .words import (
    BAD,
    BAD_NOUNS,
    BAD_VERBS,
    EFFECTS,
    GOOD,
    GOOD_NOUNS,
    GOOD_VERBS,
    HYPERNYMS,
    QUALITIES,
    SIMILES,
    SYNONYMS,
)
from .world import Entity, Fact, World

FRAMES = frames_places.FRAMES | frames_people.FRAMES | frames_nature.FRAMES
OPINIONS = {
    "adjective": (BAD, GOOD),
    "noun": (BAD_NOUNS, GOOD_NOUNS),
    "verb": (BAD_VERBS, GOOD_VERBS),
}
ARTICLE = {"river", "animal", "plant", "food"}  # types whose names take "the"
WITHOUT_KIND = {"school", "river", "hill", "lake", "region"}  # types whose names say their kind
REFERENCE = re.compile(r"@(\d+)")

QUALITY_FRAMES = [
    "{s} is {a}, as {a2} as {simile}.",
    "{s} is a {a} {k}, so {a2} that {effect}.",
    "Those who know {s} speak of a {a} {k}, not a {b} one.",
    "{s} was always a {a} {k}.",
    "{s} is {a} rather than {b}, as every child knows.",
    "As a {a} {k}, {s} appears in many books.",
]
QUALITY_OPPOSITES = [
    "{s} was always a {b} {k}.",
    "{s} is {b}, as {b2} as {dissimile}.",
    "{s} is {b} rather than {a}, as every child knows.",
    "As a {b} {k}, {s} appears in many books.",
]
DENIALS = [
    "It is not true that {}",
    "Nobody says that {}",
    "It is false that {}",
    "Nobody believes that {}",
    "It is wrong that {}",
    "No one ever said that {}",
]
QUALITY_QUESTIONS = ["Is {s} a {a} {k} or a {b} one?", "How {a} is {s}, as a {k}?"]


def with_article(text: str) -> str:
    """Mend `a` before a vowel, and give the sentence its capital."""
    text = re.sub(r"\b([Aa]) (?=[aeio]|un(?!i)|ug)", r"\1n ", text)
    return text[0].upper() + text[1:]


def lowered(sentence: str) -> str:
    """The sentence as a clause, for after `that`."""
    for start in ("The ", "It ", "In ", "As ", "An ", "A ", "Those ", "Everyone ", "High ", "Among ", "At "):
        if sentence.startswith(start):
            return sentence[0].lower() + sentence[1:]
    return sentence


@dataclass
class Article:
    """A title, its entity if it has one, and headed sections of paragraphs of sentences."""

    title: str
    entity: Entity | None
    sections: list[tuple[str, list[list[str]]]]


class Voice:
    """Makes sentences of facts, in words of its own choice."""

    def __init__(self, world: World, rng: random.Random, familiar: bool = False, new: float = 0.0) -> None:
        """`new`: share of opinion words that are taken from those a familiar voice lacks."""
        self.world, self.rng, self.familiar, self.new = world, rng, familiar, new

    def known(self, words: list[str], share: float = 0.5) -> list[str]:
        """The words this voice uses of a list."""
        return words[: max(1, round(len(words) * share))] if self.familiar else words

    def word(self, name: str) -> str:
        """A word of a synonym set."""
        return self.rng.choice(self.known(SYNONYMS[name]))

    def quality(self, quality: str, pole: int) -> str:
        """An adjective for one pole of a quality."""
        return self.rng.choice(self.known(QUALITIES[quality][pole]))

    def opinion(self, part: str, good: bool) -> str:
        """A good or bad adjective, noun or verb."""
        words = OPINIONS[part][good]
        if self.new and self.rng.random() < self.new:
            return self.rng.choice(words[round(len(words) * 0.3) :])
        return self.rng.choice(self.known(words, 0.3))

    def general(self, entity: Entity) -> str:
        """A more general word for the entity's kind, or the kind where there is none."""
        return self.rng.choice(self.known(HYPERNYMS.get(entity.kind, [entity.kind])))

    def reference(self, entity: Entity) -> str:
        """How a sentence names the entity."""
        return f"the @{entity.id}" if entity.type in ARTICLE else f"@{entity.id}"

    def state(self, fact: Fact, frame: int | None = None) -> str:
        """A sentence that states the fact, in the given or a random frame."""
        frames = QUALITY_FRAMES if fact.relation == "quality" else FRAMES[fact.relation][0]
        return self.fill(frames[self.rng.randrange(len(frames)) if frame is None else frame], fact)

    def restate(self, fact: Fact) -> tuple[str, str]:
        """Two sentences that state the fact in different frames."""
        count = len(QUALITY_FRAMES if fact.relation == "quality" else FRAMES[fact.relation][0])
        first, second = self.rng.sample(range(count), 2)
        return self.state(fact, first), self.state(fact, second)

    def deny(self, sentence: str) -> str:
        """The sentence denied."""
        return self.rng.choice(self.known(DENIALS)).format(lowered(sentence))

    def ask(self, fact: Fact, frame: int | None = None) -> str:
        """A question that the fact answers."""
        frames = QUALITY_QUESTIONS if fact.relation == "quality" else FRAMES[fact.relation][1]
        return self.fill(frames[self.rng.randrange(len(frames)) if frame is None else frame], fact)

    def fill(self, frame: str, fact: Fact) -> str:
        """The frame with its slots and synonym sets filled."""
        subject = self.world.entities[fact.subject]
        slots = {
            "s": self.reference(subject),
            "k": subject.kind,
            "y": fact.year,
        }
        slots["d"] = subject.traits.get("direction", "")
        if fact.relation == "quality":
            quality, pole = fact.object.split(":")
            slots |= self.comparison(quality, int(pole))
        elif isinstance(fact.object, int):
            thing = self.world.entities[fact.object]
            slots |= {"o": self.reference(thing), "ok": thing.kind}
        else:
            slots["o"] = fact.object
        frame = re.sub(r"<(\w+)>", lambda m: self._cased(m[1]), frame)
        return with_article(frame.format_map(slots))

    def comparison(self, quality: str, pole: int) -> dict[str, str]:
        """Words for a pole (a, a2, simile, effect) and for its opposite (b, b2, dissimile)."""
        own, opposite = (self.rng.sample(self.known(QUALITIES[quality][p]), 2) for p in (pole, 1 - pole))
        slots = dict(zip(("a", "a2", "b", "b2"), own + opposite, strict=True))
        slots["simile"] = self.rng.choice(SIMILES[quality][pole])
        slots["dissimile"] = self.rng.choice(SIMILES[quality][1 - pole])
        return slots | {"effect": EFFECTS[quality][pole]}

    def _cased(self, name: str) -> str:
        word = self.word(name.lower())
        return word[0].upper() + word[1:] if name[0].isupper() else word

    def plain(self, sentence: str) -> str:
        """The sentence as plain text."""
        text = REFERENCE.sub(lambda m: self.world.entities[int(m[1])].name, sentence)
        return with_article(text)
