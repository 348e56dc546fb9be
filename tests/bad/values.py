"""Every key of params.yaml with a wrong value: cases made by walking the schema, and those of what must agree."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from bad.world import DENSE, GONE, SAMPLE
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from minimoe.params import Params

HUGE = 10**30
# of every type of the schema: values of another type; and of every limit: values beyond it
WRONG = {
    int: ["3", 1.5, True, None, [1]],
    float: ["fast", True, None, float("nan"), float("inf")],
    bool: ["no", 0, None],
    str: [3, None, "", "two\nlines"],
    list: [3, "x", None, []],
    dict: [3, "x", None],
    Literal: ["no such choice", 3, None],
}
BEYOND = {
    Ge: lambda limit: limit.ge - 1,
    Gt: lambda limit: limit.gt,
    Le: lambda limit: limit.le + 1,
    Lt: lambda limit: limit.lt,
}

# keys that may be empty
NOTHING = {(key, "[]") for key in (
    "taught.models", "sparsify.teachers", "export.models", "export.tasks", "distill.further_layers",
)}  # fmt: skip
NOTHING |= {("runtime.scheduler", "''")}

Edit = tuple[str, object, str]  # the key, its wrong value, the place that the line must name


def walk(section: type[BaseModel], values: dict, prefix: str = "") -> Iterator[Edit]:
    """The wrong values of every key that `values` has of a section."""
    yield f"{prefix}nonsense", 1, f"{prefix}nonsense: unknown key"
    for key, field in section.model_fields.items():
        if key not in values:
            continue
        path = f"{prefix}{key}"
        if field.is_required():
            yield path, GONE, f"{path}: missing"
        kind, limits = plain(field)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from ((path, wrong, f"{path}: expected") for wrong in WRONG[dict])
            yield from walk(kind, values[key], f"{path}.")
            continue
        of = get_origin(kind) or kind
        yield from ((path, wrong, path) for wrong in WRONG[of] if (path, repr(wrong)) not in NOTHING)
        yield from ((path, BEYOND[type(limit)](limit), f"{path}: expected") for limit in limits)
        if of is int:
            yield path, HUGE, f"{path}: expected"


def plain(field: FieldInfo) -> tuple[Any, list]:
    """A field's type without what is annotated, and its limits; the first type of several, which None is not."""
    kind, found = field.annotation, list(field.metadata)
    while get_origin(kind) in (Annotated, Union, UnionType):
        first, *more = get_args(kind)
        if get_origin(kind) is Annotated:
            found += [part for item in more for part in getattr(item, "metadata", [item])]
        kind = first
    return kind, [limit for limit in found if type(limit) in BEYOND]


EVERY_KEY = list(walk(Params, SAMPLE))
ROUND = {"teacher": "models/teacher", "students": {"s": DENSE | {"layers": 2, "hidden": 72, "heads": 12}}}
TICKETS = {
    "kind": "classification", "path": "x", "train": "train.csv", "dev": "dev.csv", "text": "subject", "label": "team",
}  # fmt: skip
FURTHER = {"source": "hub", "path": "x", "hub": "a/b", "revision": "main"}
EVIL = (
    "../docs",
    "..",
    "/tmp/x",
    "a b",
    "a;touch x",
    "$(touch x)",
    "`x`",
    "a|b",
    "a&b",
    "a>b",
    "a\nb",
    "-x",
    "",
    "é",
    "x" * 160,
    "*",
)
TEXTS = (
    "corpus.download.wiki", "corpus.download.date", "corpus.download.hub", "corpus.download.revision",
    "corpus.language", "teacher.hub", "teacher.revision",
    "task_data.glue.hub",
)  # fmt: skip
TO_TEACH = {"taught.models": ["base/minilm-2L-72H"]}
NAMES = [
    *(({"rounds": {name: ROUND}}, "rounds.") for name in EVIL),
    *(({"rounds.base.students": {name: ROUND["students"]["s"]}}, "rounds.base.students.") for name in EVIL),
    *(({"teachers": {name: FURTHER}}, "teachers.") for name in EVIL),
    *(({"own_tasks": {name: TICKETS}}, "own_tasks.") for name in EVIL),
    *(({"own_tasks": {"a": TICKETS | {"dev": name}}}, "own_tasks.a.dev") for name in ("../a.csv", "/a.csv", "a\n.csv")),
    *(({"table.models": [f"base/{name}"]}, "table.models") for name in EVIL),
    *(({"taught.models": [f"base/{name}"]}, "taught.models") for name in EVIL),
    *(({"taught.teacher": f"base/{name}", **TO_TEACH}, "taught.teacher") for name in EVIL),
    *(({"table.tasks": [name]}, "table.tasks.0") for name in EVIL),
    *(({"export.models": [f"base/{name}"]}, "export.models") for name in EVIL),
    *(({"export.tasks": [name]}, "export.tasks.0") for name in EVIL),
    *(({"sparsify.teachers": [name]}, "sparsify.teachers.0") for name in EVIL),
    *(({"rounds.base.teacher": f"models/{name}"}, "rounds.base.teacher") for name in EVIL),
    *(({key: name}, key) for name in EVIL for key in TEXTS),
]  # fmt: skip
SPARSE = {"teacher": "models/sparsified/teacher", "students": {"s": {"sparsity": 40}}}
STUDENT, TAUGHT = "rounds.base.students.minilm-2L-72H", "rounds.assisted.students.minilm-ta-2L-72H"
LIKE = {"layers": 2, "hidden": 96}  # as wide as the teacher
DISAGREE = [
    ({"rounds": {"teacher": ROUND}}, "rounds.teacher: expected another name"),
    ({"rounds": {"taught": ROUND}}, "rounds.taught: expected another name"),
    ({"taught.teacher": "base/nobody", **TO_TEACH}, "taught.teacher: expected one of"),
    ({"export.models": ["base/assistant-3L-72H"]}, "export.models: expected some of table.models"),  # is no row
    ({"export.tasks": ["tnews"]}, "export.tasks: expected some of table.tasks"),
    ({"export.tasks": ["stsb_cosine"]}, "export.tasks: expected tasks that models are finetuned on"),
    (
        {"own_tasks": {"encoder": TICKETS}, "table.tasks": ["rte", "encoder"], "export.tasks": ["encoder"]},
        "export.tasks: expected none of this name",
    ),
    ({"taught.models": ["base/assistant-3L-72H"]}, "taught.models: expected students of table.models"),  # is no row
    (
        {"taught.teacher": "base/minilm-2L-72H", **TO_TEACH},
        "taught.models: expected students of table.models, and not taught.teacher",
    ),
    ({"rounds": {"sparsified": ROUND}}, "rounds.sparsified: expected another name"),
    ({"rounds": {}}, "rounds: expected"),
    ({"rounds.base.students": {}}, "rounds.base.students: expected at least one entry"),
    ({"rounds.base.students.minilm-2L-72H.heads": 7}, "rounds.base.students.minilm-2L-72H.hidden: expected a multiple"),
    ({"rounds.base.students.minilm-2L-72H.sparsity": 50}, "heads: not beside sparsity"),
    ({"rounds.sparse.students.sparse-80.start": "teacher"}, "students.sparse-80.start: not beside sparsity"),
    ({"rounds.once-for-all.once_for_all.start": "teacher"}, "once_for_all.start: unknown key"),
    ({f"{STUDENT}.experts": {"ffn": 4, "active": 4}},
     f"{STUDENT}.experts.active: expected fewer than the 4 experts of ffn, got 4"),
    ({f"{STUDENT}.experts": {"ffn": 4, "active": 0}}, f"{STUDENT}.experts.active: expected at least 1"),
    ({f"{STUDENT}.experts": {"active": 2}}, f"{STUDENT}.experts.active: expected 1 where ffn is 1, got 2"),
    ({f"{STUDENT}.experts": {"attention": 4, "shared": 8}},
     f"{STUDENT}.experts.shared: expected 0 where ffn is 1, got 8"),
    ({f"{STUDENT}.experts": {"ffn": 4, "shared": -1}}, f"{STUDENT}.experts.shared: expected at least 0"),
    ({f"{STUDENT}.experts": {"ffn": 4, "shared": 288}},
     f"{STUDENT}.experts.shared: expected fewer than neurons 288, got 288"),
    ({f"{STUDENT}.experts": {"ffn": 8, "active": 5}},
     f"{STUDENT}.experts.active: expected a divisor of 288, the neurons that are not shared; got 5"),
    ({f"{STUDENT}.experts": {"ffn": 8, "active": 2, "shared": 95}},
     f"{STUDENT}.experts.active: expected a divisor of 193"),
    ({f"{STUDENT}.experts": {"router": "hash"}},
     f"{STUDENT}.experts.router: expected learned where attention and ffn are 1, got hash"),
    ({f"{STUDENT}.experts": {"ffn": 4, "active": 2, "router": "hash"}},
     f"{STUDENT}.experts.active: expected 1 with router hash, which names one expert; got 2"),
    ({f"{STUDENT}.experts": {"ffn": 4, "router": "random"}}, f"{STUDENT}.experts.router: expected"),
    ({f"{STUDENT}.experts": {"ffn": 8, "actives": 2}}, "experts.actives: unknown key; did you mean 'active'?"),
    ({STUDENT: LIKE | {"start": "teacher", "experts": {"ffn": 8, "active": 2}}},
     f"{STUDENT}.start: expected random with experts.active 2"),
    ({f"{STUDENT}.seed": -1}, f"{STUDENT}.seed: expected at least 0"),
    ({"rounds.once-for-all.once_for_all.seed": 1}, "once_for_all.seed: unknown key"),
    ({"rounds.base.students.twin": SAMPLE["rounds"]["base"]["students"]["minilm-2L-72H"] | {"seed": 776}},
     "rounds.base.students.twin: expected another shape or seed than minilm-2L-72H; both have seed 776"),
    ({"rounds.sparse.students.twin": SAMPLE["rounds"]["sparse"]["students"]["sparse-80"]},
     "rounds.sparse.students.twin: expected another shape or seed than sparse-80"),
    ({f"{STUDENT}.start": "theirs"}, f"{STUDENT}.start: expected 'random' or 'teacher' or a list"),
    ({f"{STUDENT}.start": []}, f"{STUDENT}.start: expected"),
    ({f"{STUDENT}.start": [0, 1]}, f"{STUDENT}.start.0: expected at least 1"),
    ({f"{STUDENT}.start": [1, 2, 3]}, f"{STUDENT}.start: expected 2 layers of the teacher, one for each; got [1, 2"),
    ({f"{STUDENT}.start": "teacher"}, f"{STUDENT}.hidden: expected the teacher's 96, to start from it; got 72"),
    ({STUDENT: LIKE | {"start": "teacher", "heads": 12}}, f"{STUDENT}.heads: expected the teacher's 6"),
    ({STUDENT: LIKE | {"start": "teacher", "neurons": 96}}, f"{STUDENT}.neurons: expected the teacher's 384"),
    ({STUDENT: LIKE | {"start": [2, 4]}}, f"{STUDENT}.start: expected layers 1 to 3 of the teacher; got 4"),
    ({STUDENT: LIKE | {"start": "teacher", "layers": 3}, "rounds.base.teacher_layer": 2},
     f"{STUDENT}.start: expected layers 1 to 2 of the teacher; got 3"),
    ({"rounds.assisted.teacher": "models/base/minimoe-2L-72H", f"{TAUGHT}.start": "teacher"},
     f"{TAUGHT}.start: expected random with a teacher that has experts; got teacher"),
    ({"rounds.base.relation_heads": 7}, "minilm-2L-72H.hidden: expected a multiple of relation_heads 7"),
    ({"teacher.pretrain.masked": 0}, "teacher.pretrain.masked: expected more than 0"),
    ({"teacher.pretrain.masked": 1.0}, "teacher.pretrain.masked: expected less than 1"),
    ({"teacher.pretrain.heads": 5}, "teacher.pretrain.hidden: expected a multiple of heads 5"),
    ({"teacher.pretrain.hidden": 108, "distill.relation_heads": 24}, "rounds.base.teacher: expected a width"),
    ({"distill.teacher_layer": 4}, "distill.teacher_layer: expected last or 1 to 3"),
    ({"rounds.base.further_layers": [3]}, "rounds.base.further_layers: expected layers below 3, the one that is"),
    ({"rounds.base.further_layers": [2], "rounds.base.teacher_layer": 2}, "rounds.base.further_layers: expected"),
    ({"rounds.base.further_layers": [1, 1]}, "further_layers: expected each entry once, got 1 again"),
    ({"rounds.base.further_layers": [1], "rounds.base.students.minilm-2L-72H.layers": 1},
     "rounds.base.further_layers: expected [] beside students of one layer"),
    ({"rounds.once-for-all.further_layers": [1]}, "rounds.once-for-all.further_layers: expected [] beside"),
    ({"rounds.minidisc.further_layers": [1]}, "rounds.minidisc.further_layers: expected [] beside once_for_all or"),
    ({"rounds.base.then": {"further_layers": [3]}}, "rounds.base.then.further_layers: expected layers below 3"),
    ({"distill.relation_sequences": 0}, "distill.relation_sequences: expected at least 1"),
    ({"rounds.base.relation_sequences": 33}, "rounds.base.relation_sequences: expected at most 32, the sequences of"),
    ({"rounds.assisted.teacher_layer": 4}, "rounds.assisted.teacher_layer: expected last or 1 to 3"),
    ({"rounds.assisted.teacher": "models/base/minimoe-2x4-2L-72H"}, "assisted.teacher: expected a model with one"),
    ({"rounds.assisted.teacher": "models/assisted/minilm-ta-2L-72H"}, "assisted.teacher: expected a model made"),
    ({"rounds.base.teacher": "models/assisted/minilm-ta-2L-72H"}, "rounds.base.teacher: expected a model made before"),
    ({"rounds.base.teacher": "models/teachers/none"}, "rounds.base.teacher: expected one of"),
    ({"sparsify.teachers": []}, "add teacher to sparsify.teachers"),
    ({"rounds.base.assistant": "auto"}, "rounds.base.assistant: expected students with a sparsity"),
    ({"rounds.base.students": SPARSE["students"]}, "students.s.sparsity: expected teacher models/sparsified"),
    ({"rounds.minidisc.students.sparse-ta-80.sparsity": 40}, "sparsify.sparsities: expected some between 0 and 40"),
    ({"sparsify.sparsities": [0, 90]}, "sparsify.sparsities: expected some between 0 and 80"),
    ({"rounds.minidisc.students": {"assistant": {"sparsity": 80}}}, "students.assistant: the round makes a model"),
    ({"rounds.minidisc.objective": "tinybert"}, "minidisc.objective: expected minilm in a round with an"),
    ({"rounds.minidisc.objective": "embedding"}, "minidisc.objective: expected minilm in a round with an"),
    ({"rounds.once-for-all.objective": "embedding"}, "rounds.once-for-all.objective: expected minilm"),
    ({"rounds.sentence.teacher_layer": 2}, "rounds.sentence.teacher_layer: expected none under embedding"),
    ({"rounds.base.then": 1}, "rounds.base.then: expected keys and values"),
    ({"rounds.base.then": {"epoch": 1}}, "rounds.base.then.epoch: unknown key; did you mean 'epochs'?"),
    ({"rounds.base.then": {"teacher": "models/teacher"}}, "rounds.base.then.teacher: unknown key"),
    ({"rounds.base.then": {"epochs": 0}}, "rounds.base.then.epochs: expected at least 1"),
    ({"rounds.control.then": {"epochs": 1}}, "rounds.control.epochs: expected at least 1 in a round with then"),
    ({"rounds.base.then": {"heldout": 9}}, "rounds.base.then.heldout: not here"),
    ({"rounds.minidisc.then": {}}, "rounds.minidisc.then: not beside assistant"),
    ({"rounds.base.then": {"relation_heads": 7}},
     "rounds.base.then.relation_heads: expected a divisor of 72 and 96, widths of teacher or students; got 7"),
    ({"rounds.once-for-all.then": {"relation_heads": 7}},
     "rounds.once-for-all.then.relation_heads: expected a divisor of 72 and 96"),
    ({"rounds.base.then": {"relation_heads": 9}},
     "rounds.base.then.relation_heads: expected a divisor of 96, widths"),
    ({"rounds.sentence.relation_heads": 7, "rounds.sentence.then": {"objective": "minilm"}},
     "rounds.sentence.then.relation_heads: expected a divisor of 72 and 96"),
    ({"rounds.base.then": {"teacher_layer": 4}}, "rounds.base.then.teacher_layer: expected last or 1 to 3"),
    ({"rounds.base.then": {"objective": "embedding", "teacher_layer": 2}},
     "rounds.base.then.teacher_layer: expected none under embedding"),
    ({"rounds.once-for-all.then": {"objective": "embedding"}},
     "rounds.once-for-all.then.objective: expected minilm in a round with once_for_all"),
    ({"rounds.base.then": {"objective": "tinybert"}}, "experts.attention: expected 1 under tinybert"),
    ({"distill.schedule": "constant"}, "distill.schedule: expected 'linear' or 'cosine', got 'constant'"),
    ({"distill.expert_learning_rate": 0}, "distill.expert_learning_rate: expected more than 0.0, got 0"),
    ({"distill.router_z_loss": -1}, "distill.router_z_loss: expected at least 0.0, got -1"),
    ({"distill.embedding_distance": "l1"}, "distill.embedding_distance: expected"),
    ({"rounds.once-for-all.objective": "tinybert"}, "rounds.once-for-all.objective: expected minilm"),
    ({"rounds.once-for-all.once_for_all.hidden": [70]}, "rounds.once-for-all.once_for_all.hidden: expected the widest"),
    ({"rounds.once-for-all.relation_heads": 48},
     "rounds.once-for-all.once_for_all.hidden: expected a multiple of relation_heads 48"),
    ({"rounds.tinybert.students.tinybert-2L-72H.heads": 12}, "tinybert-2L-72H.heads: expected the"),
    ({"rounds.tinybert.students.tinybert-2L-72H.experts": {"attention": 2}}, "experts.attention: expected 1"),
    ({"corpus.records.max_length": 513}, "corpus.records.max_length: expected at most 512"),
    ({"cost.length": 513}, "cost.length: expected at most 512"),
    ({"distill.relation_weights": [0, 0, 0]}, "distill.relation_weights: expected at least one weight above 0"),
    ({"distill.relation_weights": [1, 1]}, "distill.relation_weights: expected a list of at least 3"),
    ({"tasks": {"stsb_cosine": {"epochs": 2}}}, "tasks.stsb_cosine.epochs: expected one of max_length, precision"),
    ({"finetune.seeds": [1, 1]}, "finetune.seeds: expected each entry once"),
    ({"table.models": ["teacher", "teacher"]}, "table.models: expected each entry once"),
    ({"table.models": ["base/nobody"]}, "table.models: expected one of"),
    ({"tasks.sst": {}}, "tasks.sst: expected"),
    ({"tasks.sst2": {"epoch": 3}}, "tasks.sst2.epoch: unknown key; did you mean 'epochs'?"),
    ({"teachers": {"large": FURTHER}}, "teachers.large: expected a round"),
    ({"table.tasks": ["tickets"]}, "or a name in own_tasks, got 'tickets'"),
    ({"tasks": {"tickets": {}}}, "tasks.tickets: expected 'sst2'"),
    *(({"own_tasks": {name: TICKETS}}, f"own_tasks.{name}: expected another name") for name in ("sst2", "mnli-mm")),
    (
        {"own_tasks": {"a": TICKETS | {"test": "test.csv"}, "a-test": TICKETS}},
        "own_tasks.a-test: expected another name; a-test is another task's",
    ),
    *(({"own_tasks": {"a": TICKETS | edit}}, f"own_tasks.a.{message}") for edit, message in [
        ({"kind": "ranking"}, "kind: expected 'classification'"),
        ({"path": "s3://x"}, "path: expected a path on this machine"),
        ({"train": "train.xlsx"}, "train: expected a file below own_tasks' path that ends in .csv, .tsv, .jsonl or"),
        ({"train": None}, "train: missing; a task of kind classification needs a file to train on"),
        ({"text": None}, "text: missing"),
        ({"label": "subject"}, "label: expected text, pair and label in columns of their own"),
        ({"kind": "regression"}, "bounds: missing; a task of kind regression needs the lowest and the highest label"),
        ({"kind": "regression", "bounds": [5, 0]}, "bounds: expected the lowest label and a higher one, got [5.0,"),
        ({"kind": "regression", "bounds": [0, 5], "labels": ["a"]}, "labels: not read for a task of kind regression"),
        ({"kind": "similarity", "train": None, "bounds": [0, 5]}, "pair: missing; a task of kind similarity"),
        ({"kind": "similarity", "bounds": [0, 5], "pair": "b"}, "train: not read for a task of kind similarity"),
        ({"kind": "tagging", "pair": "b"}, "pair: not read for a task of kind tagging"),
        ({"separator": ";"}, "separator: not read for a task of kind classification"),
        ({"kind": "multilabel", "separator": "ab"}, "separator: expected one character, got 'ab'"),
        ({"metrics": ["spearman"]}, "metrics: expected some of accuracy, macro_f1, f1, matthews"),
        ({"metrics": ["accuracy", "accuracy"]}, "metrics: expected each entry once"),
        ({"labels": ["a", "a"]}, "labels: expected each entry once"),
        ({"dev": "dev.conll"}, "kind: expected tagging with a .conll file"),
        ({"colour": 1}, "colour: unknown key"),
    ]),
    ({"runtime.launcher": "torchrun '"}, "runtime.launcher: expected a command line"),
    ({"runtime.tracking.uri": "ftp://a/b"}, "runtime.tracking.uri: expected a path, or the http(s)"),
    ({"runtime.tracking.uri": "file:///a"}, "runtime.tracking.uri: expected a path, or the http(s)"),
    ({"corpus.download.source": "ftp://a/b"}, "corpus.download.source: expected local, wikipedia"),
    ({"task_data.glue.hub": "nyu-mll/glue@../x"}, "task_data.glue.hub: expected an id"),
]  # fmt: skip


def bomb(level: str) -> bytes:
    """Twelve levels, each nine aliases of the one before."""
    return "".join(
        f"k{n}: &a{n} {level.format(', '.join([f'*a{n - 1}'] * 9))}\n" if n else "k0: &a0 {x: 1}\n" for n in range(12)
    ).encode()


FILES = {  # whole files that are none
    "no YAML": (b"a: [1", "not valid YAML"),
    "not UTF-8": (b"\xff\xfe\x00", "not valid YAML"),
    "a key twice": (b"seed: 1\nseed: 2\n", "duplicate key"),
    "a list": (b"- 1\n", "expected sections such as"),
    "empty": (b"", "expected sections such as"),
    "a number": (b"3", "expected sections such as"),
    "a Python object": (b"seed: !!python/object/apply:os.mkdir [ran]\n", "not valid YAML"),
    "aliases of aliases": (b"a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "unknown key"),
    "brackets without end": (b"a: " + b"[" * 9999, "not valid YAML"),
    "a tab": (b"seed:\t- 1\n\t- 2", "not valid YAML"),
    "a null byte": (b"seed: \x00", "not valid YAML"),
    "a date": (b"2020-01-01: 2020-01-01\n", "expected|unknown"),
    "keys that are lists": (b"? [1, 2]\n: 3\n", "expected|unknown|not valid"),
    "a date that is none": (b"seed: 1\ncorpus: {date: 2026-13-01}\n", "line 2: expected a date, got '2026-13-01'"),
    "a tag of a number": (b"seed: !!int abc\n", "line 1: expected a whole number, got 'abc'"),
    "a tag of a fraction": (b"seed: !!float abc\n", "line 1: expected a number, got 'abc'"),
    "a tag of yes or no": (b"\n\nseed: !!bool maybe\n", "line 3: expected true or false, got 'maybe'"),
    "a tag of a set": (b"seed: !!set [1]\n", "not valid YAML"),
    "a tag of its own": (b"seed: !own 1\n", "not valid YAML"),
    "tags that YAML knows": (b"seed: !!set {a, b}\ncorpus: !!omap [a: 1]\ntable: !!binary aGk=\n", "seed: expected"),
    "a number of 5000 digits": (b"seed: " + b"9" * 5000, "line 1: expected at most 1,000 characters, got '999"),
    "a number of 5000 digits, in base 16": (b"seed: 0x" + b"f" * 5000, "line 1: expected at most 1,000 characters"),
    "a number of 990 digits": (b"seed: " + b"9" * 990, "seed: expected less than"),
    "a key of 5000 letters": (b"? " + b"k" * 5000 + b"\n: 1\n", "line 1: expected at most 1,000 characters"),
    "aliases that are a billion": (bomb("[{}]"), "expected at most 100,000 values"),
    "aliases that are a billion, merged": (bomb("{{<<: [{}]}}"), "expected at most 100,000 values"),
    "an alias of itself": (b"seed: &a [*a]\n", "expected at most 100,000 values"),
    "two megabytes": (b"seed: 1\n# " + b"x" * (2 << 20), "expected at most 1,048,576 bytes"),
}  # fmt: skip
