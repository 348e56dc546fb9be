"""CoNLL-2003: sentences of a newspaper from the same world, with part of speech, chunk and name tags (IOB1)."""

import re

from .language import REFERENCE, Voice, with_article
from .words import SENTENCES, WORDS
from .world import Fact

TAGS = {word: tag for tag, words in WORDS["tags"].items() for word in words}
GUESSES = {"ed": "VBD", "ly": "RB"}  # by the word's end
CHUNKS = {"DT": "NP", "NN": "NP", "NNS": "NP", "NNP": "NP", "JJ": "NP", "CD": "NP", "PRP": "NP", "IN": "PP",
          "VBZ": "VP", "VBD": "VP", "MD": "VP", "RB": "ADVP"}  # fmt: skip


def sentence(voice: Voice, facts: list[Fact]) -> list[str]:
    """The lines of a tagged sentence: a fact, an opinion, or news that bring several names together."""
    draw, fact = voice.rng.random(), voice.rng.choice([fact for fact in facts if fact.subject.tag])
    if draw < 0.4:
        return _tagged(voice, _news(voice, fact.subject.traits.get("craft", "writer")))
    if draw < 0.9:
        return _tagged(voice, voice.state(fact))
    frame = "{readers} {v} {s}, which they found {a} and {a2}."
    return _tagged(voice, with_article(voice.opinion(frame, f"@{fact.subject.id}", voice.rng.random() < 0.5)))


def _news(voice: Voice, craft: str) -> str:
    def pick(group: str) -> str:
        pool = [e for e in voice.world.entities if e.familiar == voice.familiar and group in (e.tag, e.type)]
        return f"@{voice.rng.choice(pool).id}"

    frame = voice.rng.choice(SENTENCES["news"])
    groups = {"per": "PER", "per2": "PER", "loc": "LOC", "loc2": "LOC", "org": "ORG", "org2": "ORG",
              "misc": "demonym", "misc2": "MISC"}  # fmt: skip
    return frame.format(craft=craft, **{slot: pick(group) for slot, group in groups.items()})


def _tagged(voice: Voice, text: str) -> list[str]:
    """Word, part of speech, chunk, name; B- only where a name follows another of its class, as in IOB1."""
    rows: list[str] = []
    previous = ""
    for piece in re.findall(r"@\d+|[\w-]+|[^\w\s]", text):
        match = REFERENCE.fullmatch(piece)
        entity = voice.world.entities[int(match[1])] if match else None
        tag = entity.tag if entity else ""
        for number, word in enumerate(entity.name.split() if entity else [piece]):
            pos = "NNP" if tag else _part_of_speech(word)
            chunk = f"I-{CHUNKS[pos]}" if pos in CHUNKS else "O"
            prefix = "B-" if number == 0 and previous == tag else "I-"
            rows.append(f"{word} {pos} {chunk} {prefix + tag if tag else 'O'}")
        previous = tag
    return rows


def _part_of_speech(word: str) -> str:
    """A plain guess that is right for most words of this world."""
    if not word[0].isalnum():
        return word
    guess = GUESSES.get(word[-2:], "NNS" if word.endswith("s") else "NN")
    return "CD" if word[0].isdigit() else TAGS.get(word.lower(), guess)
