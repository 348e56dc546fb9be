"""How the facts about people and books are told and asked (see frames_places.py)."""

FRAMES = {
    "born": (
        [
            "{s} was born in {o} in {y}.",
            "{o} is the <home> of the {k} {s}.",
            "The {k} {s} was born in a small house in {o}.",
            "It was in {o} that {s} was born and went to school.",
        ],
        [
            "Where was the {k} {s} born?",
            "In which town was {s} born?",
            "What is the <home> of the {k} {s}?",
        ],
    ),
    "worked_for": (
        [
            "{s} <worked> for {o} as a young {k}.",
            "For many years {s} <worked> at {o}.",
            "The {k} {s} took a post at {o} in {y}.",
            "{o} gave the {k} {s} a post in {y}.",
        ],
        [
            "For which company did {s} work?",
            "Who gave the {k} {s} a post?",
            "Which company was it that {s} <worked> for?",
        ],
    ),
    "taught_by": (
        [
            "{s} was <taught> by the {ok} {o}.",
            "It was {o} who <taught> {s} to be a {k}.",
            "The {ok} {o} <taught> {s} for seven years.",
            "{s} was a pupil of the {ok} {o}.",
        ],
        [
            "Who <taught> {s} for seven years?",
            "By whom was {s} <taught>?",
            "Whose pupil was the {k} {s}?",
        ],
    ),
    "discovered": (
        [
            "{s} <found> {o} during a long walk in {y}.",
            "{o} was first <found> by the {k} {s}.",
            "It was the {k} {s} who first <found> {o}.",
            "The first drawing of {o} was made by {s}.",
        ],
        [
            "Which animal was first <found> by {s}?",
            "What did the {k} {s} see on a long walk?",
            "What was the animal that {s} <found>?",
        ],
    ),
    "married": (
        [
            "{s} <married> the {ok} {o} in {y}.",
            "In {y} {s} and {o} were <married>.",
            "The wedding of {s} and the {ok} {o} was in {y}.",
            "It was in {y} that {s} <married> {o}.",
        ],
        [
            "Whom did the {k} {s} marry?",
            "Which {ok} was <married> to {s}?",
            "Who was it that {s} <married>?",
        ],
    ),
    "author": (
        [
            "{s} was <written> by the {ok} {o} in {y}.",
            "The {ok} {o} <wrote> {s} in a single winter.",
            "It was {o} who <wrote> the {k} {s}.",
            "{o} is the author of the {k} {s}.",
        ],
        [
            "Who <wrote> the {k} {s}?",
            "By whom was {s} <written>?",
            "Who is the author of {s}?",
        ],
    ),
    "publisher": (
        [
            "{s} was <printed> by {o} in {y}.",
            "In {y} {o} <printed> the {k} {s}.",
            "The first edition of {s} was <printed> by {o}.",
            "It was {o} that <printed> the first copies of {s}.",
        ],
        [
            "Which company <printed> the {k} {s}?",
            "By whom was {s} <printed>?",
            "Who <printed> the first copies of {s}?",
        ],
    ),
    "set_in": (
        [
            "The <story> of {s} takes place in {o}.",
            "{s} tells a <story> that takes place in {o}.",
            "The streets of {o} are the scene of {s}.",
            "{o} is the town in which the <story> of {s} takes place.",
        ],
        [
            "Where does the <story> of {s} take place?",
            "Which town is the scene of {s}?",
            "In which town does {s} take place?",
        ],
    ),
}
