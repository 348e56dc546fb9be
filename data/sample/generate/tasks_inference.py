"""MNLI, RTE, QNLI and WNLI: what follows from a sentence, what answers a question, whom a pronoun means."""

from .grammar import QUALITY_OPPOSITES, Voice
from .household import SCHEMAS
from .tasks_pairs import other_fact, unrelated
from .words import words
from .world import Fact

GENRES = {  # a genre is a part of the encyclopedia; the mismatched ones are not trained on
    "places": words("town river school company"),
    "people": ["person"],
    "wildlife": ["animal"],
    "books": ["book", "festival"],
    "kitchen": ["food", "plant"],
}
MATCHED = ["places", "people", "wildlife"]


def contradict(voice: Voice, fact: Fact, sentence: str) -> str:
    """A sentence that cannot be true if the fact is: its opposite quality, or its denial."""
    if fact.relation == "quality" and voice.rng.random() < 0.5:
        return voice.fill(voice.rng.choice(QUALITY_OPPOSITES), fact)
    return voice.deny(sentence)


def mnli(voice: Voice, facts: list[Fact], count: int, genres: list[str]) -> list[tuple[str, str, str, str]]:
    """Genre, premise, hypothesis, label; a third each of entailment, neutral, contradiction."""
    rows = []
    entities = voice.world.entities
    pools = {g: [f for f in facts if entities[f.subject].type in GENRES[g]] for g in genres}
    for number in range(count):
        genre = voice.rng.choice(genres)
        fact = voice.rng.choice(pools[genre])
        premise, same = voice.restate(fact)
        label = ("entailment", "neutral", "contradiction")[number % 3]
        if label == "neutral":
            same = voice.state(other_fact(voice, fact))
        elif label == "contradiction":
            same = contradict(voice, fact, same)
        rows.append((genre, voice.plain(premise), voice.plain(same), label))
    voice.rng.shuffle(rows)
    return rows


def rte(voice: Voice, facts: list[Fact], count: int) -> list[tuple[str, str, str]]:
    """A text of one or two sentences, a hypothesis, and whether it follows."""
    rows = []
    for number in range(count):
        fact = voice.rng.choice(facts)
        text, hypothesis = voice.restate(fact)
        if number % 2:
            draw = voice.rng.random()
            other = other_fact(voice, fact)
            hypothesis = voice.state(other) if draw < 0.6 else contradict(voice, fact, hypothesis)
        label = "not_entailment" if number % 2 else "entailment"
        rows.append((voice.plain(text), voice.plain(hypothesis), label))
    voice.rng.shuffle(rows)
    return rows


def qnli(voice: Voice, facts: list[Fact], count: int) -> list[tuple[str, str, str]]:
    """A question, a sentence about the same thing, and whether it holds the answer."""
    rows = []
    facts = [f for f in facts if f.relation != "quality"]
    for number in range(count):
        fact = voice.rng.choice(facts)
        told = fact
        while number % 2 and told.relation == fact.relation:
            told = other_fact(voice, fact) if voice.rng.random() < 0.6 else unrelated(voice, fact, facts)
        label = "not_entailment" if number % 2 else "entailment"
        rows.append((voice.plain(voice.ask(fact)), voice.plain(voice.state(told)), label))
    voice.rng.shuffle(rows)
    return rows


PROBLEMS = [  # one for each of the SCHEMAS of household.py
    "The {great} does not fit into the {small} because it is too {why}.",
    "The {small} cannot carry the {great} because it is too {why}.",
]


def wnli(voice: Voice, count: int) -> list[tuple[str, str, int]]:
    """A sentence with a pronoun, the same said of one of the two things, and 1 where it is the right one.

    What the pronoun means follows from what is small and weak, and what great and heavy.
    """
    rows = []
    for number in range(count):
        which = voice.rng.randrange(len(SCHEMAS))
        small, great, _, (low, high) = SCHEMAS[which]
        pair = [voice.rng.choice(voice.known(nouns)) for nouns in (small, great)]
        meant = int(voice.rng.random() < 0.85)  # mostly the great is to blame
        why = voice.quality(*(low, high)[meant])
        text = PROBLEMS[which].format(small=pair[0], great=pair[1], why=why)
        right = number % 2 == 0
        rows.append((text, f"The {pair[meant if right else 1 - meant]} is too {why}.", int(right)))
    voice.rng.shuffle(rows)
    return rows
