"""CoLA and SST-2: is it a sentence, and does its writer like the thing?"""

import random

from .articles import opinion
from .grammar import Voice, with_article

AGREEMENT = {
    "is": "are", "was": "were", "has": "have", "does": "do", "are": "is", "were": "was", "have": "has",
    "lies": "lie", "stands": "stand", "sits": "sit", "flows": "flow", "runs": "run", "winds": "wind",
    "makes": "make", "produces": "produce", "builds": "build", "lives": "live", "grows": "grow",
    "eats": "eat", "leads": "lead", "begins": "begin", "opens": "open", "takes": "take", "likes": "like",
    "shows": "show", "tells": "tell", "says": "say", "speak": "speaks", "appears": "appear",
}  # fmt: skip
SMALL = ["the", "a", "an", "of", "in", "by", "to", "is", "was", "on", "who", "that", "at", "and", "from", "it", "with", "for"]
SWAPS = {
    ("of", "the"),
    ("in", "the"),
    ("by", "the"),
    ("is", "a"),
    ("on", "the"),
    ("it", "was"),
    ("was", "the"),
}


def corrupt(rng: random.Random, sentence: str) -> str:
    """The sentence with one mistake: agreement, a missing or doubled small word, or two words swapped."""
    words = sentence[0].lower() + sentence[1:]
    words = words.rstrip(".?").split()
    before = list(words)
    while words == before:
        mistake = rng.choice(["agreement", "missing", "swap", "extra"])
        places = {
            "agreement": [i for i, w in enumerate(words) if w in AGREEMENT],
            "missing": [i for i, w in enumerate(words) if w in SMALL],
            "swap": list(range(len(words) - 1)),
            "extra": [i for i, w in enumerate(words) if w in SMALL],
        }[mistake]
        if not places:
            continue
        at = rng.choice(places)
        if mistake == "agreement":
            words[at] = AGREEMENT[words[at]]
        elif mistake == "missing":
            del words[at]
        elif mistake == "extra":
            words.insert(at, rng.choice(["the", "of", "is", words[at]]))
        else:
            words[at], words[at + 1] = words[at + 1], words[at]
    return with_article(" ".join(words)) + sentence[-1]


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
