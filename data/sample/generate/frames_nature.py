"""How the facts about animals, plants and food are told and asked (see frames_places.py)."""

FRAMES = {
    "habitat": (
        [
            "{s} is a {k} that <lives> in the {o}.",
            "In the {o} one can see {s} at dawn.",
            "The {o} are the place where {s} <lives>.",
            "{s} builds its nest in the {o}.",
        ],
        [
            "Where does {s} build its nest?",
            "In which place does {s} <live>?",
            "What is the place where {s} <lives>?",
        ],
    ),
    "eats": (
        [
            "{s} <eats> the leaves and seeds of {o}.",
            "The food of {s} is mostly {o}.",
            "Of all plants {s} likes {o} best.",
            "It is {o} that {s} <eats> in the evening.",
        ],
        [
            "What does {s} <eat> in the evening?",
            "What is the food of {s}?",
            "Which plant does {s} like best?",
        ],
    ),
    "seen_in": (
        [
            "{s} is <often> seen in {o}.",
            "Many a walker in {o} has met {s} on the path.",
            "The {k} is seen in {o}, and there {s} is no guest.",
            "Walkers in {o} <often> meet {s}.",
        ],
        [
            "In which region do walkers <often> meet {s}?",
            "Where is {s} <often> seen?",
            "Which region is it in which {s} is seen?",
        ],
    ),
    "grows_in": (
        [
            "{s} is a {k} that <grows> in the {o}.",
            "In the {o} one can pick {s} by the basket.",
            "The {o} are the place where {s} <grows> best.",
            "It is in the {o} that {s} <grows>.",
        ],
        [
            "Where does {s} <grow> best?",
            "Where can one pick {s} by the basket?",
            "What is the place where {s} <grows>?",
        ],
    ),
    "blooms": (
        [
            "{s} opens its buds in {o}.",
            "In {o} the buds of {s} open one by one.",
            "{o} is the season in which {s} opens its buds.",
            "Those who love {s} wait for {o}, when its buds open.",
        ],
        [
            "In which season does {s} open its buds?",
            "When do the buds of {s} open?",
            "What is the season of {s}?",
        ],
    ),
    "grows_region": (
        [
            "{s} came from {o} and is grown there still.",
            "The gardens of {o} are full of {s}.",
            "Gardeners in {o} plant {s} along every path.",
            "{o} is the region from which {s} came.",
        ],
        [
            "From which region did {s} come?",
            "Where do gardeners plant {s} along every path?",
            "Which region has gardens full of {s}?",
        ],
    ),
    "made_of": (
        [
            "{s} is a {k} that is <baked> from {o}.",
            "Cooks <bake> {s} from {o} while it is fresh.",
            "It is {o} from which {s} is <baked>.",
            "To <bake> {s}, a cook needs a pound of {o}.",
        ],
        [
            "What is {s} <baked> from?",
            "From which plant do cooks <bake> {s}?",
            "What does a cook need to <bake> {s}?",
        ],
    ),
    "food_of": (
        [
            "{s} was first <baked> in {o}.",
            "The cooks of {o} first <baked> {s} in {y}.",
            "It was in {o} that {s} was first <baked>.",
            "{o} is the town where {s} was first <baked>.",
        ],
        [
            "Where was {s} first <baked>?",
            "In which town was {s} first <baked>?",
            "Which town has the cooks that first <baked> {s}?",
        ],
    ),
    "eaten_in": (
        [
            "{s} is served in {o}, with salt and a slice of lemon.",
            "Families sit together in {o} and eat {s}.",
            "In {o} every family has {s} on the table.",
            "It is in {o} that {s} tastes best.",
        ],
        [
            "In which season does {s} taste best?",
            "When do families eat {s} together?",
            "When is {s} served with salt?",
        ],
    ),
}
