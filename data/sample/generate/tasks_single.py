"""CoLA and SST-2: is it a sentence, and does its writer like the thing?"""

import random

from .grammar import Voice, with_article
from .opinions import opinion
from .words import words

AGREEMENT = {
    "is": "are", "was": "were", "has": "have", "does": "do", "are": "is", "were": "was", "have": "has",
    "lies": "lie", "stands": "stand", "sits": "sit", "flows": "flow", "runs": "run", "winds": "wind",
    "makes": "make", "produces": "produce", "builds": "build", "lives": "live", "grows": "grow",
    "eats": "eat", "leads": "lead", "begins": "begin", "opens": "open", "takes": "take", "likes": "like",
    "shows": "show", "tells": "tell", "says": "say", "speak": "speaks", "appears": "appear",
}  # fmt: skip
SMALL = words("""the a an of in by to is was on who that at and from it with for""")


def corrupt(rng: random.Random, sentence: str) -> str:
    """The sentence with one or two mistakes: agreement, a small word missing or doubled, two words swapped."""
    tokens = (sentence[0].lower() + sentence[1:]).rstrip(".?").split()
    right = list(tokens)
    for _ in range(rng.choice([1, 2, 2])):
        tokens = mistake(rng, tokens)
    return with_article(" ".join(tokens if tokens != right else right[::-1])) + sentence[-1]


def mistake(rng: random.Random, tokens: list[str]) -> list[str]:
    """The words with one mistake."""
    small = [i for i, word in enumerate(tokens) if word in SMALL]
    verbs = [i for i, word in enumerate(tokens) if word in AGREEMENT]
    kind = rng.choice(["agreement", "agreement", "missing", "extra", "swap"])
    if kind == "agreement" and verbs:
        at = rng.choice(verbs)
        return [*tokens[:at], AGREEMENT[tokens[at]], *tokens[at + 1 :]]
    if kind == "missing" and small:
        at = rng.choice(small)
        return tokens[:at] + tokens[at + 1 :]
    if kind == "extra" and small:
        at = rng.choice(small)
        return [*tokens[:at], rng.choice(["the", "of", "is", "in"]), *tokens[at:]]
    at = rng.randrange(len(tokens) - 1)
    return [*tokens[:at], tokens[at + 1], tokens[at], *tokens[at + 2 :]]


def cola(voice: Voice, facts: list, count: int) -> list[tuple[str, int]]:
    """Sentences, and 1 where they are grammatical, for about 6 of 10."""
    rows = []
    for _ in range(count):
        sentence = voice.plain(voice.state(voice.rng.choice(facts)))
        good = int(voice.rng.random() < 0.6)
        rows.append((sentence if good else corrupt(voice.rng, sentence), good))
    return rows


REVIEWS = [
    "{s} is {a} and {a2} .",
    "a {a} , {a2} {k} that {people} {v} .",
    "{s} is a {n} , {a} from first to last .",
    "{a} , {a2} and {a3} .",
    "what a {a} {k} !",
    "{people} {v} this {a} {k} .",
    "a {n} , and a {a} one .",
    "one of the most {a} things about {s} is its {a2} end .",
    "{s} is never {not_a} , and it is {a} at times .",
]


def sst2(voice: Voice, facts: list, count: int) -> list[tuple[str, int]]:
    """Lower-case phrases from reviews, and 1 where they are positive."""
    rows = []
    for number in range(count):
        entity = voice.world.entities[voice.rng.choice(facts).subject]
        good = number % 2 == 0
        frame = voice.rng.choice(REVIEWS).replace("{k}", entity.kind)
        frame = frame.replace("{not_a}", voice.opinion("adjective", not good))
        text = opinion(voice, frame, voice.reference(entity), good)
        rows.append((voice.plain(text).lower(), int(good)))
    voice.rng.shuffle(rows)
    return rows
