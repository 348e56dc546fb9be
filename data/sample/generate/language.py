"""From facts to sentences.

A sentence is a string in which `@7` stands for the entity with id 7, so that one sentence can become plain
text, wiki markup with links, or words with name tags.
"""

import random
import re
from dataclasses import dataclass

from .words import SENTENCES, WORDS
from .world import Entity, Fact, World

GENERAL = {kind: words.split(", ") for words, kinds in WORDS["general"].items() for kind in kinds}
ARTICLE = {"river", "animal", "plant", "food"}  # types whose names take "the"
REFERENCE = re.compile(r"@(\d+)")
LOWERED = ("The ", "It ", "In ", "As ", "An ", "A ", "Those ", "Everyone ", "High ", "Among ", "At ")


@dataclass
class Article:
    """A title, its entity if it has one, and headed sections of paragraphs of sentences."""

    title: str
    entity: Entity | None
    sections: list[tuple[str, list[list[str]]]]


def with_article(text: str) -> str:
    """`a` becomes `an` before a vowel, and the sentence gets its capital."""
    text = re.sub(r"\b([Aa]) (?=[aeio]|un(?!i)|ug)", r"\1n ", text)
    return text[0].upper() + text[1:]


class Voice:
    """Makes sentences with one random stream. A familiar voice knows the first words of every list only."""

    def __init__(self, world: World, rng: random.Random, familiar: bool = False, new: float = 0.0) -> None:
        """`new`: share of opinion words that are taken from those a familiar voice lacks."""
        self.world, self.rng, self.familiar, self.new = world, rng, familiar, new

    def known(self, words: list[str], share: float = 0.5) -> list[str]:
        """The words this voice uses of a list."""
        return words[: max(1, round(len(words) * share))] if self.familiar else words

    def word(self, name: str) -> str:
        """A word of a synonym set, with a capital where the name has one."""
        word = self.rng.choice(self.known(WORDS["synonyms"][name.lower()]))
        return word[0].upper() + word[1:] if name[0].isupper() else word

    def quality(self, quality: str, pole: int) -> str:
        """An adjective for one pole of a quality."""
        return self.rng.choice(self.known(WORDS["qualities"][quality][pole]))

    def general(self, entity: Entity) -> str:
        """A more general word for the entity's kind, or the kind where there is none."""
        return self.rng.choice(self.known(GENERAL.get(entity.kind, [entity.kind])))

    def reference(self, entity: Entity) -> str:
        """How a sentence names the entity."""
        return f"the @{entity.id}" if entity.type in ARTICLE else f"@{entity.id}"

    def state(self, fact: Fact) -> str:
        """A sentence that states the fact."""
        return self.fill(self.rng.choice(_frames(fact)), fact)

    def restate(self, fact: Fact) -> tuple[str, str]:
        """Two sentences that state the fact in different frames."""
        first, second = self.rng.sample(_frames(fact), 2)
        return self.fill(first, fact), self.fill(second, fact)

    def ask(self, fact: Fact, frame: int | None = None) -> str:
        """A question that the fact answers, in the given or a random frame."""
        frames = _frames(fact, "?")
        return self.fill(self.rng.choice(frames) if frame is None else frames[frame], fact)

    def oppose(self, fact: Fact) -> str:
        """A sentence that states the opposite of a quality."""
        return self.fill(self.rng.choice(SENTENCES["opposite"]), fact)

    def deny(self, sentence: str) -> str:
        """The sentence denied."""
        clause = sentence[0].lower() + sentence[1:] if sentence.startswith(LOWERED) else sentence
        return self.rng.choice(self.known(WORDS["denials"])).format(clause)

    def fill(self, frame: str, fact: Fact) -> str:
        """The frame with its slots and synonym sets filled."""
        subject, thing = fact.subject, fact.object
        slots = {"s": self.reference(subject), "k": subject.kind, "y": fact.year}
        slots["d"] = subject.traits.get("direction", "")
        if fact.relation == "quality":
            slots |= self._comparison(*thing)
        elif isinstance(thing, Entity):
            slots |= {"o": self.reference(thing), "ok": thing.kind}
        else:
            slots["o"] = thing
        frame = re.sub(r"<(\w+)>", lambda match: self.word(match[1]), frame)
        return with_article(frame.format_map(slots))

    def _comparison(self, quality: str, pole: int) -> dict[str, str]:
        """Words for a pole (a, a2, simile, effect) and for its opposite (b, b2, dissimile)."""
        poles, similes = WORDS["qualities"][quality], WORDS["similes"][quality]
        words = [word for p in (pole, 1 - pole) for word in self.rng.sample(self.known(poles[p]), 2)]
        slots = dict(zip(("a", "a2", "b", "b2"), words, strict=True))
        slots |= {"simile": self.rng.choice(similes[pole]), "dissimile": self.rng.choice(similes[1 - pole])}
        return slots | {"effect": WORDS["effects"][quality][pole][0]}

    def opinion_word(self, part: str, good: bool) -> str:
        """A good or bad adjective, noun or verb."""
        words = WORDS["opinions"][part][good]
        if self.new and self.rng.random() < self.new:
            return self.rng.choice(words[round(len(words) * 0.3) :])
        return self.rng.choice(self.known(words, 0.3))

    def opinion(self, frame: str, subject: str, good: bool) -> str:
        """A frame filled with opinion words of one polarity."""
        adjectives: list[str] = []
        while len(adjectives) < 3:
            word = self.opinion_word("adjective", good)
            adjectives += [word] * (word not in adjectives)
        slots = dict(zip(("a", "a2", "a3"), adjectives, strict=True)) | {"s": subject, "readers": self.word("readers")}
        slots |= {part[0]: self.opinion_word(part, good) for part in ("noun", "verb")}
        return frame.format(**slots, people=self.word("people"))

    def plain(self, sentence: str) -> str:
        """The sentence as plain text."""
        return with_article(REFERENCE.sub(lambda match: self.world.entities[int(match[1])].name, sentence))


def _frames(fact: Fact, end: str = ".") -> list[str]:
    """The statements of a fact, or its questions."""
    return [frame for frame in SENTENCES["facts"][fact.relation] if frame.endswith(end)]
