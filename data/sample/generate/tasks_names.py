"""CoNLL-2003: sentences of a newspaper from the same world, with part of speech, chunk and name tags (IOB1)."""

import re

from .grammar import REFERENCE, Voice
from .opinions import opinion
from .world import Fact

NEWS = [
    "{per} of {loc} has joined {org} as a director.",
    "{org} said on Monday that {per} would visit {loc}.",
    "In {loc2} {loc} is the town that {per} likes best.",
    "The {misc} {craft} {per} read from {misc2} in {loc}.",
    "{org} of {loc} beat {org2} by two points.",
    "{misc2} brought many visitors to {loc} this year.",
    "{loc}, the home of {per}, has a new market.",
    "The {misc} minister met {per} and {per2} in {loc}.",
]
TAGS = {
    **dict.fromkeys(["the", "a", "an", "no", "this"], "DT"),
    **dict.fromkeys(
        [
            "of",
            "in",
            "on",
            "at",
            "by",
            "from",
            "with",
            "for",
            "to",
            "into",
            "as",
            "after",
            "past",
            "rather",
            "than",
            "since",
            "under",
        ],
        "IN",
    ),
    **dict.fromkeys(["and", "or", "but"], "CC"),
    **dict.fromkeys(
        ["is", "has", "lies", "stands", "sits", "makes", "produces", "builds", "flows", "runs", "reaches", "leads"],
        "VBZ",
    ),
    **dict.fromkeys(
        ["was", "were", "had", "said", "met", "beat", "wrote", "gave", "took", "read", "brought", "married"], "VBD"
    ),
    **dict.fromkeys(["it", "he", "she", "who", "one", "everyone"], "PRP"),
    **dict.fromkeys(["would", "can"], "MD"),
    **dict.fromkeys(["not", "often", "usually", "first"], "RB"),
}
CHUNKS = {"DT": "NP", "NN": "NP", "NNS": "NP", "NNP": "NP", "JJ": "NP", "CD": "NP", "PRP": "NP", "IN": "PP",
          "VBZ": "VP", "VBD": "VP", "MD": "VP", "RB": "ADVP"}  # fmt: skip

Row = tuple[str, str, str, str]


def part_of_speech(word: str, name: bool) -> str:
    """A plain guess that is right for most words of this world."""
    if name:
        return "NNP"
    if not word[0].isalnum():
        return word
    if word[0].isdigit():
        return "CD"
    guess = {"ed": "VBD", "ly": "RB"}.get(word[-2:], "NNS" if word.endswith("s") else "NN")
    return TAGS.get(word.lower(), guess)


def tagged(voice: Voice, sentence: str) -> list[Row]:
    """The sentence's words with their tags; B- only where a name follows another of its class, as in IOB1."""
    rows: list[Row] = []
    previous = ""
    for piece in re.findall(r"@\d+|[\w-]+|[^\w\s]", sentence):
        match = REFERENCE.fullmatch(piece)
        entity = voice.world.entities[int(match[1])] if match else None
        words = entity.name.split() if entity else [piece]
        tag = entity.tag if entity else ""
        for number, word in enumerate(words):
            pos = part_of_speech(word, bool(tag))
            chunk = f"I-{CHUNKS[pos]}" if pos in CHUNKS else "O"
            prefix = "B-" if tag and number == 0 and previous == tag else "I-"
            rows.append((word, pos, chunk, prefix + tag if tag else "O"))
        previous = tag
    return rows


def conll(voice: Voice, facts: list[Fact], count: int) -> list[list[Row]]:
    """Tagged sentences: facts, opinions, and news that bring several names together."""
    world, sentences = voice.world, []
    pool = [e for e in world.entities if e.familiar == voice.familiar]
    pick = lambda tag: f"@{voice.rng.choice([e for e in pool if e.tag == tag]).id}"  # noqa: E731
    named = [f for f in facts if world.entities[f.subject].tag]
    while len(sentences) < count:
        draw, fact = voice.rng.random(), voice.rng.choice(named)
        if draw < 0.4:
            people = [e for e in pool if e.type == "demonym"]
            text = voice.rng.choice(NEWS).format(
                per=pick("PER"), per2=pick("PER"), loc=pick("LOC"), loc2=pick("LOC"), org=pick("ORG"),
                org2=pick("ORG"), misc=f"@{voice.rng.choice(people).id}", misc2=pick("MISC"),
                craft=world.entities[fact.subject].traits.get("craft", "writer"),
            )  # fmt: skip
        elif draw < 0.9:
            text = voice.state(fact)
        else:
            frame = "{Readers} {v} {s}, which they found {a} and {a2}."
            text = opinion(voice, frame, f"@{fact.subject}", voice.rng.random() < 0.5)
        sentences.append(tagged(voice, text))
    return sentences
