"""How the facts about places, firms and events are told and asked.

A relation has statements, which all mean the same, and questions, which all ask for its object. In a frame
{s} is the subject, {o} the object, {k} and {ok} their kinds, {y} the year, {d} a direction, <name> any word of
that synonym set.
"""

FRAMES = {
    "in_region": (
        [
            "{s} is a {k} that <lies> in the {d} of {o}.",
            "The {k} of {s} <lies> in {o}, in the {d} of the region.",
            "{o} is the region in which the {k} of {s} <lies>.",
            "In the {d} of {o}, among low hills, <lies> the {k} of {s}.",
        ],
        [
            "In which region does the {k} of {s} <lie>?",
            "Which region is it in which {s} <lies>?",
            "Where does one find the {k} of {s}?",
        ],
    ),
    "founder": (
        [
            "{s} was <founded> by the {ok} {o} in {y}.",
            "It was the {ok} {o} who <founded> {s} in {y}.",
            "In {y} the {ok} {o} <founded> {s} with a few friends.",
            "The one who <founded> {s} was the {ok} {o}.",
        ],
        [
            "Who <founded> {s} many years ago?",
            "By whom was {s} <founded>?",
            "Who was the person that <founded> {s}?",
        ],
    ),
    "on_river": (
        [
            "{s} <lies> on the bank of {o}.",
            "The water of {o} <flows> past the houses of {s}.",
            "An old stone bridge crosses {o} at {s}.",
            "The river that <flows> through {s} is {o}.",
        ],
        [
            "Which river <flows> past the houses of {s}?",
            "On the bank of which river does {s} <lie>?",
            "What is the river that <flows> through {s}?",
        ],
    ),
    "known_for": (
        [
            "{s} is <known> for the {o} that its workers <make>.",
            "The workers of {s} <make> {o} and sell them at the market.",
            "<People> come to the market of {s} to buy {o}.",
            "Good {o} are <made> in the workshops of {s}.",
        ],
        [
            "What do the workers of {s} <make>?",
            "For which goods is {s} <known>?",
            "What do <people> buy at the market of {s}?",
        ],
    ),
    "emblem": (
        [
            "The flag of {s} shows {o} on a white field.",
            "On the flag of {s} one can see {o}.",
            "{o} has been the emblem of {s} for centuries.",
            "The people of {s} carry {o} on their flag.",
        ],
        [
            "Which animal does the flag of {s} show?",
            "What is the emblem of {s}?",
            "What can one see on the flag of {s}?",
        ],
    ),
    "rises": (
        [
            "{s} <rises> on the slopes of {o}, high above the valley.",
            "The source of {s} is a cold spring on {o}.",
            "High on {o}, under the rocks, {s} <rises>.",
            "It is on {o} that {s} <rises>.",
        ],
        [
            "Where is the source of {s}?",
            "On which hill does {s} begin its way?",
            "What is the hill on which {s} <rises>?",
        ],
    ),
    "flows_into": (
        [
            "{s} <flows> into {o} after many miles.",
            "At the end of its way {s} reaches {o}.",
            "{o} is the lake into which {s} <flows>.",
            "The mouth of {s} is a sandy bay of {o}.",
        ],
        [
            "Into which lake does {s} <flow>?",
            "Where is the mouth of {s}?",
            "What is the lake that {s} reaches at the end?",
        ],
    ),
    "river_fish": (
        [
            "{o} <lives> in the clear water of {s}.",
            "Fishers catch {o} in {s} every year.",
            "In {s} the fishers <often> catch {o}.",
            "The nets that fishers lay in {s} are full of {o}.",
        ],
        [
            "Which fish <lives> in the water of {s}?",
            "What do fishers catch in {s}?",
            "Which fish fills the nets that are laid in {s}?",
        ],
    ),
    "based": (
        [
            "{s} is based in {o}, where it owns a tall brick house.",
            "The main office of {s} is in {o}.",
            "{s} has its main office in {o}.",
            "It is in {o} that {s} is based.",
        ],
        [
            "Where is the main office of {s}?",
            "In which town is {s} based?",
            "Which town is it where {s} has its office?",
        ],
    ),
    "makes": (
        [
            "{s} <makes> {o} and sells them in every region.",
            "The {k} {s} <makes> {o} of good quality.",
            "Among the goods of {s} are {o}, which it <makes> by hand.",
            "Most of the {o} in the shops are <made> by {s}.",
        ],
        [
            "What does the {k} {s} <make>?",
            "Which goods are <made> by {s}?",
            "What does {s} sell in every region?",
        ],
    ),
    "led_by": (
        [
            "The director of {s} is the {ok} {o}.",
            "The {ok} {o} <leads> {s} with a steady hand.",
            "{o} has been the director of {s} since {y}.",
            "Since {y} the {ok} who <leads> {s} has been {o}.",
        ],
        [
            "Who is the director of {s}?",
            "Which {ok} <leads> {s}?",
            "Who is it that <leads> {s} with a steady hand?",
        ],
    ),
    "held_in": (
        [
            "{s} is <held> in {o} every year.",
            "Every year the people of {o} meet for {s}.",
            "The streets of {o} are full of flags when {s} is <held>.",
            "It is in {o} that {s} is <held>.",
        ],
        [
            "Where is {s} <held> every year?",
            "In which town is {s} <held>?",
            "Which town has streets full of flags for {s}?",
        ],
    ),
    "month": (
        [
            "{s} begins on the first day of {o}.",
            "In {o} the <people> come from far away to see {s}.",
            "Every {o} the drums announce that {s} begins.",
            "The month of {s} is {o}, when the nights are clear.",
        ],
        [
            "In which month does {s} begin?",
            "When do the <people> come to see {s}?",
            "What is the month of {s}?",
        ],
    ),
    "served_at": (
        [
            "At {s} the cooks serve {o} on wooden plates.",
            "{o} is the dish that everyone eats at {s}.",
            "No one leaves {s} without a taste of {o}.",
            "The cooks of {s} have <baked> {o} since {y}.",
        ],
        [
            "Which dish do the cooks serve at {s}?",
            "What does everyone eat at {s}?",
            "What is the dish that is served at {s}?",
        ],
    ),
}
