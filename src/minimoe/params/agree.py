"""Check that sections of params.yaml agree with each other: rounds, their teachers, and the shapes of their students.

Of a teacher from the hub or a folder only its own config tells the shape; stages check that when they have read it.
"""

from collections.abc import Iterator

from minimoe.params.rounds import Experts, Student

POSITIONS = 512  # of a teacher pretrained here


def disagreements(params) -> Iterator[str]:
    """A line for each disagreement of `params` (a `Params` all of whose names are known)."""
    yield from _lengths(params)
    for name, round_ in params.rounds.items():
        yield from _same_students(params, round_, f"rounds.{name}")
    circles = list(_circles(params))
    yield from circles
    for name in () if circles else params.rounds:
        yield from _phases(params, params.rounds[name], f"rounds.{name}")
        yield from _no_candidates(params, params.rounds[name], f"rounds.{name}")


def _phases(params, round_, where: str) -> Iterator[str]:
    """Disagreements of a round's phases, of the second one where the first has none.

    In what follows `where` is the round, and `key` that or its `then`, which has a phase's settings.
    """
    teacher, keys = _shape(params, round_.teacher), [where, f"{where}.then"]
    compare = {"minilm": _uneven_relations, "tinybert": _unlike_heads, "embedding": _one_embedding}
    for settings, key in zip(round_.phases(params.distill), keys, strict=False):
        found = list(_layers(round_, settings, teacher, where, key))
        found += compare[settings.objective](round_, settings, teacher, where, key)
        found += _unlike_start(round_, settings, teacher, where)
        if round_.then and not settings.epochs:
            found.append(f"{key}.epochs: expected at least 1 in a round with then, got 0")
        yield from found
        if found:
            return


def _lengths(params) -> Iterator[str]:
    if params.teacher.source == "pretrain":
        for key, length in (
            ("corpus.records.max_length", params.corpus.records.max_length),
            ("cost.length", params.cost.length),
        ):
            if length > POSITIONS:
                yield f"{key}: expected at most {POSITIONS}, the positions of a teacher pretrained here; got {length}"


def _same_students(params, round_, where: str) -> Iterator[str]:
    """Students of a round that would be equal to the last bit."""
    seen: dict[str, str] = {}
    for name, student in round_.students.items():
        seed = params.seed if student.seed is None else student.seed
        first = seen.setdefault(student.model_copy(update={"seed": seed}).model_dump_json(), name)
        if first != name:
            yield (
                f"{where}.students.{name}: expected another shape or seed than {first}; both have seed {seed}, the "
                "run's where a student has none, so they would be the same student; change or remove one"
            )


def _circles(params) -> Iterator[str]:
    """Rounds that need, through their teachers, a student of their own."""
    for name in params.rounds:
        seen, teacher = [name], params.rounds[name].teacher
        while (before := teacher.split("/")[1]) in params.rounds and before not in seen:
            seen.append(before)
            teacher = params.rounds[before].teacher
        if before == name:
            own = params.rounds[name].teacher
            yield f"rounds.{name}.teacher: expected a model made before this round, got {own!r}"


def _shape(params, teacher: str) -> Student:
    """The shape of the model at the path `teacher`; None in it is what params do not say."""
    _, name, *model = teacher.split("/")
    unknown = Student.model_construct(heads=None)
    if name == "teachers":
        return unknown
    first = params.teacher.pretrain
    sizes = {key: getattr(first, key) for key in ("layers", "hidden", "heads", "neurons")}
    whole = unknown.model_copy(update=sizes if params.teacher.source == "pretrain" else {})
    if name not in params.rounds:
        return whole
    round_ = params.rounds[name]
    students = round_.students | (round_.once_for_all.students if round_.once_for_all else {})
    student = students.get(model[0])
    if student and student.sparsity is None:
        return student
    return whole.model_copy(update={"heads": None})  # sparse: the teacher's width, and in each layer other heads


def _layers(round_, settings, teacher: Student, where: str, key: str) -> Iterator[str]:
    own = round_ if key == where else round_.then
    if settings.objective == "embedding":
        if own.teacher_layer is not None:
            yield f"{key}.teacher_layer: expected none under embedding, which reads all of the teacher; remove it"
        return
    said = key if own.teacher_layer else where if round_.teacher_layer else "distill"
    if teacher.layers and settings.teacher_layer != "last" and settings.teacher_layer > teacher.layers:
        layers = f"1 to {teacher.layers}, the layers of {round_.teacher}"
        yield f"{said}.teacher_layer: expected last or {layers}; got {settings.teacher_layer}"
    if settings.objective == "minilm":
        yield from _further_layers(round_, settings, teacher, key)
        yield from _too_many_sequences(settings, key)
    if teacher.experts.attention > 1:
        yield (
            f"{where}.teacher: expected a model with one attention expert, whose queries, keys and values can be "
            f"read; got {round_.teacher!r} with {teacher.experts.attention}"
        )


def _further_layers(round_, settings, teacher: Student, key: str) -> Iterator[str]:
    below = teacher.layers if settings.teacher_layer == "last" else settings.teacher_layer
    for number in settings.beside:
        if below and number >= below:
            yield f"{key}.further_layers: expected layers below {below}, the one that is imitated; got {number}"
    if settings.beside and (round_.once_for_all or round_.assistant):
        yield f"{key}.further_layers: expected [] beside once_for_all or assistant, whose students share weights"
    if settings.beside and any(student.layers == 1 for student in round_.students.values()):
        yield f"{key}.further_layers: expected [] beside students of one layer, which imitates the last one"


def _too_many_sequences(settings, key: str) -> Iterator[str]:
    if settings.epochs and settings.relation_sequences > settings.batch:
        yield (
            f"{key}.relation_sequences: expected at most {settings.batch}, the sequences of a batch; "
            f"got {settings.relation_sequences}"
        )


def _uneven_relations(round_, settings, teacher: Student, where: str, key: str) -> Iterator[str]:
    heads = settings.relation_heads
    widths = {f"students.{name}.hidden": student.hidden or 0 for name, student in round_.students.items()}
    if round_.once_for_all:
        widths["once_for_all.hidden"] = max(round_.once_for_all.hidden)
    if key != where:
        uneven = sorted({width for width in (teacher.hidden or 0, *widths.values()) if width % heads})
        if uneven:
            all_ = " and ".join(map(str, uneven))
            yield f"{key}.relation_heads: expected a divisor of {all_}, widths of teacher or students; got {heads}"
        return
    if teacher.hidden and teacher.hidden % heads:
        yield (
            f"{where}.teacher: expected a width that is a multiple of relation_heads {heads}, "
            f"got {round_.teacher!r}, {teacher.hidden} wide"
        )
    for name, width in widths.items():
        if width % heads:
            yield f"{where}.{name}: expected a multiple of relation_heads {heads}, got {width}"


def _unlike_heads(round_, settings, teacher: Student, where: str, key: str) -> Iterator[str]:
    """TinyBERT compares attention scores head by head."""
    if round_.once_for_all:
        yield f"{key}.objective: expected minilm in a round with once_for_all, whose heads differ"
    if round_.assistant:
        yield f"{key}.objective: expected minilm in a round with an assistant, which is chosen by its relations"
    for name, student in round_.students.items():
        if student.experts.attention > 1:
            yield (
                f"{where}.students.{name}.experts.attention: expected 1 under tinybert, which compares attention "
                f"scores; got {student.experts.attention}"
            )
        if teacher.heads and student.sparsity is None and student.heads != teacher.heads:
            yield (
                f"{where}.students.{name}.heads: expected the teacher's {teacher.heads} under tinybert, which compares "
                f"attention scores head by head; got {student.heads}"
            )


def _one_embedding(round_, settings, teacher: Student, where: str, key: str) -> Iterator[str]:
    if round_.once_for_all:
        yield f"{key}.objective: expected minilm in a round with once_for_all, whose widths differ"
    if round_.assistant:
        yield f"{key}.objective: expected minilm in a round with an assistant, which is chosen by its relations"


def _unlike_start(round_, settings, teacher: Student, where: str) -> Iterator[str]:
    """A student that starts from layers of its teacher has its sizes."""
    for name, student in round_.students.items():
        if student.start == "random":
            continue
        if teacher.experts != Experts():
            yield f"{where}.students.{name}.start: expected random with a teacher that has experts; got {student.start}"
        for key in ("hidden", "heads", "neurons"):
            wanted, own = getattr(teacher, key), getattr(student, key)
            if wanted and own != wanted:
                yield f"{where}.students.{name}.{key}: expected the teacher's {wanted}, to start from it; got {own}"
        most = max(student.start) if isinstance(student.start, list) else student.layers
        imitated = student.start == "teacher" and settings.objective != "embedding" and settings.teacher_layer
        known = imitated if isinstance(imitated, int) and imitated else teacher.layers
        if known and most > known:
            yield f"{where}.students.{name}.start: expected layers 1 to {known} of the teacher; got {most}"


def _no_candidates(params, round_, where: str) -> Iterator[str]:
    if round_.assistant:
        lowest = min(student.sparsity for student in round_.students.values())
        if not any(0 < sparsity < lowest for sparsity in params.sparsify.sparsities):
            yield (
                f"sparsify.sparsities: expected some between 0 and {lowest} for the assistant of {where}, "
                f"got {params.sparsify.sparsities}"
            )
