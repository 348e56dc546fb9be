"""What the tasks ask: for each a function that makes one example, given a voice, the facts it may speak of, and the
number of the example, which decides its label where classes are to be as large as each other."""

from .articles import SCHEMAS
from .language import Voice, with_article
from .words import SENTENCES, WORDS
from .world import Fact

GENRES = {  # of MNLI: a genre is a part of the encyclopedia
    "places": ["town", "river", "school", "company"], "people": ["person"], "wildlife": ["animal"],
    "books": ["book", "festival"], "kitchen": ["food", "plant"],
}  # fmt: skip
MATCHED, MISMATCHED = ["places", "people", "wildlife"], ["books", "kitchen"]  # the latter are not trained on
AGREEMENT = dict(pair.split() for pair in WORDS["agreement"])
PROBLEMS = [  # one for each of the SCHEMAS
    "The {great} does not fit into the {small} because it is too {why}.",
    "The {small} cannot carry the {great} because it is too {why}.",
]


def cola(voice: Voice, facts: list[Fact], number: int) -> tuple[str, int]:
    """A sentence, and 1 where it is grammatical, for about 6 of 10."""
    sentence = voice.plain(voice.state(voice.rng.choice(facts)))
    good = int(voice.rng.random() < 0.6)
    return sentence if good else _corrupt(voice, sentence), good


def _corrupt(voice: Voice, sentence: str) -> str:
    """The sentence with one or two mistakes."""
    right = tokens = (sentence[0].lower() + sentence[1:]).rstrip(".?").split()
    for _ in range(voice.rng.choice([1, 2, 2])):
        tokens = _mistake(voice, tokens)
    return with_article(" ".join(tokens if tokens != right else right[::-1])) + sentence[-1]


def _mistake(voice: Voice, tokens: list[str]) -> list[str]:
    """The words with one mistake: agreement, a small word missing or too many, two words swapped."""
    rng = voice.rng
    small = [i for i, word in enumerate(tokens) if word in WORDS["small"]]
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


def sst2(voice: Voice, facts: list[Fact], number: int) -> tuple[str, int]:
    """A lower-case phrase of a review, and 1 where it is positive."""
    entity, good = voice.rng.choice(facts).subject, number % 2 == 0
    frame = voice.rng.choice(SENTENCES["reviews"]).replace("{k}", entity.kind)
    frame = frame.replace("{not_a}", voice.opinion_word("adjective", not good))
    return voice.plain(voice.opinion(frame, voice.reference(entity), good)).lower(), int(good)


def mrpc(voice: Voice, facts: list[Fact], number: int) -> tuple[str, str, int]:
    """Two sentences, and 1 where they state the same fact, for 6 of 10."""
    fact = voice.rng.choice(facts)
    same = voice.rng.random() < 0.55
    first, second = voice.restate(fact)
    if not same:
        others = [_unrelated(voice, fact, facts), _other_subject(voice, fact, facts), _other_fact(voice, fact)]
        second = voice.state(others[voice.rng.choice([0, 0, 0, 1, 2, 2])])
    return voice.plain(first), voice.plain(second), int(same)


def stsb(voice: Voice, facts: list[Fact], number: int) -> tuple[str, str, float]:
    """Two sentences and how near their meanings are, from 0 (unrelated) to 5 (the same)."""
    fact, level = voice.rng.choice(facts), number % 5
    first, second = voice.restate(fact)
    if level == 3:
        second = second.rstrip(".") + ", as " + voice.word("people") + " say."
    elif level == 2:
        second = voice.state(_other_fact(voice, fact))
    elif level == 1:
        second = voice.state(_other_subject(voice, fact, facts))
    elif level == 0:
        second = voice.state(_unrelated(voice, fact, facts))
    score = (0.0, 1.4, 2.4, 4.2, 5.0)[level] + voice.rng.choice([0.0, 0.2, 0.4]) * (level < 4)
    return voice.plain(first), voice.plain(second), round(score, 1)


def qqp(voice: Voice, facts: list[Fact], number: int) -> tuple[str, str, int]:
    """Two questions, and 1 where they ask the same, for 4 of 10."""
    fact = other = voice.rng.choice(facts)
    same = voice.rng.random() < 0.4
    first, second = voice.rng.sample(range(3), 2)
    while not same and other.relation in (fact.relation, "quality"):
        other = _other_fact(voice, fact) if voice.rng.random() < 0.5 else _unrelated(voice, fact, facts)
    return voice.plain(voice.ask(fact, first)), voice.plain(voice.ask(other, second)), int(same)


def qnli(voice: Voice, facts: list[Fact], number: int) -> tuple[str, str, str]:
    """A question, a sentence about the same thing, and whether it holds the answer."""
    fact = told = voice.rng.choice(facts)
    while number % 2 and told.relation == fact.relation:
        told = _other_fact(voice, fact) if voice.rng.random() < 0.6 else _unrelated(voice, fact, facts)
    return voice.plain(voice.ask(fact)), voice.plain(voice.state(told)), _entailment(number)


def rte(voice: Voice, facts: list[Fact], number: int) -> tuple[str, str, str]:
    """A text, a hypothesis, and whether it follows."""
    fact = voice.rng.choice(facts)
    text, hypothesis = voice.restate(fact)
    if number % 2:
        draw, other = voice.rng.random(), _other_fact(voice, fact)
        hypothesis = voice.state(other) if draw < 0.6 else _contradict(voice, fact, hypothesis)
    return voice.plain(text), voice.plain(hypothesis), _entailment(number)


def mnli(voice: Voice, facts: list[Fact], number: int, genres: list[str]) -> tuple[str, str, str, str]:
    """Genre, premise, hypothesis, label; a third each of entailment, neutral, contradiction."""
    genre = voice.rng.choice(genres)
    fact = voice.rng.choice([fact for fact in facts if fact.subject.type in GENRES[genre]])
    premise, hypothesis = voice.restate(fact)
    label = ("entailment", "neutral", "contradiction")[number % 3]
    if label == "neutral":
        hypothesis = voice.state(_other_fact(voice, fact))
    elif label == "contradiction":
        hypothesis = _contradict(voice, fact, hypothesis)
    return genre, voice.plain(premise), voice.plain(hypothesis), label


def wnli(voice: Voice, facts: list[Fact], number: int) -> tuple[str, str, int]:
    """A sentence with a pronoun, the same said of one of the two things, and 1 where it is the right one.

    What the pronoun means follows from what is small and weak, and what great and heavy.
    """
    which = voice.rng.randrange(len(SCHEMAS))
    small, great, _, poles = SCHEMAS[which]
    pair = [voice.rng.choice(voice.known(nouns)) for nouns in (small, great)]
    meant = int(voice.rng.random() < 0.85)  # mostly the great is to blame
    why, right = voice.quality(*poles[meant]), number % 2 == 0
    text = PROBLEMS[which].format(small=pair[0], great=pair[1], why=why)
    return text, f"The {pair[meant if right else 1 - meant]} is too {why}.", int(right)


def _entailment(number: int) -> str:
    return "not_entailment" if number % 2 else "entailment"


def _contradict(voice: Voice, fact: Fact, sentence: str) -> str:
    """A sentence that cannot be true if the fact is: its opposite quality, or its denial."""
    opposite = fact.relation == "quality" and voice.rng.random() < 0.5
    return voice.oppose(fact) if opposite else voice.deny(sentence)


def _other_fact(voice: Voice, fact: Fact) -> Fact:
    """Another fact about the same subject: other in its relation, or its quality."""
    quality = fact.relation == "quality"
    others = voice.world.about(fact.subject)
    return voice.rng.choice(
        [f for f in others if f.relation != fact.relation or (quality and f.object[0] != fact.object[0])]
    )


def _other_subject(voice: Voice, fact: Fact, facts: list[Fact]) -> Fact:
    """The same relation (or quality and pole) of another subject."""
    same = [f for f in facts if f.relation == fact.relation and f.subject is not fact.subject]
    return voice.rng.choice([f for f in same if f.relation != "quality" or f.object == fact.object])


def _unrelated(voice: Voice, fact: Fact, facts: list[Fact]) -> Fact:
    """A fact about a thing of another type."""
    while True:
        other = voice.rng.choice(facts)
        if other.subject.type != fact.subject.type and other.relation != fact.relation:
            return other
