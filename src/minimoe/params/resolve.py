"""Resolve params.yaml into one small settings file a stage, round and task, with only the keys that it reads.

DVC compares a stage's own file, in place of whole sections of params.yaml: a key reruns what reads it.

A round says all of its settings itself, in the words of params.yaml: `distill`'s values and its own in place of them.
"""

import json
from pathlib import Path

from minimoe.params.base import Section
from minimoe.params.rounds import Distill, Round, Student
from minimoe.params.schema import SCORING, Params
from minimoe.params.settings import FOLDER
from minimoe.system.files import whole_folder
from minimoe.tasks.task import OWN, to_settings, whole

# keys of a round that are read …
OBJECTIVES = {  # … under this objective
    "minilm": frozenset({"teacher_layer", "extra_projection", "relation_heads", "relation_weights"}),
    "tinybert": frozenset({"teacher_layer", "tinybert_weights"}),
    "embedding": frozenset({"embedding_distance"}),
}
TRAINING = frozenset(
    {"learning_rate", "warmup", "schedule", "weight_decay", "gradient_norm", "adam_epsilon", "evaluate_every"}
)  # … while it trains
MINILM_TRAINING = frozenset(
    {"relation_dropout", "log_epsilon", "relation_sequences", "further_layers"}
)  # … both; what is measured is exact
WITH_EXPERTS = frozenset({"expert_learning_rate"})  # … while a student with experts trains
WITH_ROUTERS = frozenset({"load_balance", "balance_padding", "router_z_loss"})  # … one whose routers learn
ASSISTANT = frozenset({"assistant_tradeoff"})  # … where an assistant is chosen
NAMED = {"wikipedia": ["wiki", "date"], "hub": ["hub"]}  # what names a source on a student's card; no path of one's own


def write(params: Params, root: str | Path = ".") -> None:
    """Write every piece of work's settings, the same bytes for the same settings."""
    with whole_folder(Path(root, FOLDER)) as folder:
        for name, values in resolve(params).items():
            path = folder / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text(values), encoding="utf-8")


def text(values: dict) -> str:
    """The content of a file of settings."""
    return json.dumps(values, indent=2, sort_keys=True, allow_nan=False) + "\n"


def resolve(params: Params) -> dict[str, dict]:
    """The settings of every piece of work, by the name of its file."""
    corpus, seed = params.corpus, {"seed": params.seed}
    return {
        "download": _download(corpus.download),
        "extract": _extract(corpus.extract),
        "format": {"language": corpus.language, **corpus.format.model_dump()},
        "tokenizer": _source(params.teacher, "tokenizer"),
        "records": seed | corpus.records.model_dump(),
        "teacher": _source(params.teacher, "pretrain") | (seed if params.teacher.source == "pretrain" else {}),
        "tasks": _tasks(params),
        "taught": params.taught.model_dump(exclude={"models"}),
        "cost": params.cost.model_dump(),
        "report": _report(params),
        **{f"teachers/{name}": _source(further) for name, further in params.teachers.items()},
        **{f"sparsify/{name}": seed | _sparsify(params.sparsify) for name in params.sparsify.teachers},
        **{f"rounds/{name}": seed | _round(params, round_) for name, round_ in params.rounds.items()},
        **{f"finetune/{task}": _finetune(params, task) for task in params.table.tasks},
        **{f"inputs/{name}": {"path": path} if path else {} for name, path in _inputs(params).items()},
        **{f"inputs/tasks/own/{name}": _own_input(params, name) for name in params.own_tasks},
    }


def _only(section: Section, read: dict[str, list[str]]) -> dict:
    """The source of a section, and the keys that are read with this source."""
    return section.model_dump(include={"source", *read.get(section.source, [])})


def _download(section: Section) -> dict:
    return _only(section, {"local": ["path"], "wikipedia": ["wiki", "date"], "hub": ["hub", "revision", "files"]})


def _source(section: Section, made_here: str = "") -> dict:
    return _only(section, {"local": ["path"], "hub": ["hub", "revision"], "pretrain": [made_here]})


def _extract(section: Section) -> dict:
    field = {"field"}
    read = {"wikipedia": {"templates"}, "text": {"document_end"}, "jsonl": field, "parquet": field}
    return section.model_dump(include={"form"} | read.get(section.form, set()))


def _sparsify(section: Section) -> dict:
    return section.model_dump(exclude={"teachers"})


def _tasks(params: Params) -> dict:
    """The tasks of the table, and where the files of their families come from."""
    used = {params.task(task).family for task in params.table.tasks}
    sources = {name: _source(source) for name, source in params.task_data if name in used}
    return {"tasks": params.table.tasks, "sources": sources, "own": _own(params)}


def _own(params: Params) -> dict[str, dict]:
    """Those tasks of the table that are the user's own."""
    tasks = {name: params.task(name) for name in params.table.tasks}
    return {name: whole(task) for name, task in tasks.items() if task.family == OWN}


def _own_input(params: Params, name: str) -> dict:
    task = params.own_tasks[name]
    return {"path": task.path, "files": task.files} if name in params.table.tasks else {}


def _finetune(params: Params, task: str) -> dict:
    """A task's values, and what finetuning reads of its row."""
    row = params.task(task)
    read = None if row.trained else SCORING
    return params.finetuning(task).model_dump(include=read) | {"task": to_settings(row)}


def _inputs(params: Params) -> dict[str, str]:
    """The files that the user brings along, by what they are for; empty where they are not read."""
    sources = _sources(params)
    unused = {f"tasks/{name}": "" for name, _ in params.task_data if f"tasks/{name}" not in sources}
    return unused | {name: source.path if source.source == "local" else "" for name, source in sources.items()}


def _sources(params: Params) -> dict[str, Section]:
    """The sections that say where something comes from which is read, by what it is."""
    used = {params.task(task).family for task in params.table.tasks}
    sources = {"corpus": params.corpus.download, "teacher": params.teacher}
    sources |= {f"teachers/{name}": further for name, further in params.teachers.items()}
    return sources | {f"tasks/{name}": source for name, source in params.task_data if name in used}


def _round(params: Params, round_: Round) -> dict:
    """A round with all of the settings that it reads, and no other; those of a second phase under `then`."""
    phases = [_phase(settings, round_) for settings in round_.phases(params.distill)]
    return _together(phases) | _made(round_)


def _together(phases: list[dict]) -> dict:
    """The settings of a round's phases in the words of params: the first says what is held out."""
    first, *second = phases
    return first | ({"then": {key: second[0][key] for key in second[0] if key != "heldout"}} if second else {})


def _phase(whole: Distill, round_: Round) -> dict:
    """The settings that are read in a phase."""
    minilm, trains = whole.objective == "minilm", whole.epochs > 0
    others = frozenset().union(*OBJECTIVES.values()) - OBJECTIVES[whole.objective]
    routers = {s.experts.router for s in round_.students.values() if max(s.experts.attention, s.experts.ffn) > 1}
    read = {
        others: False,
        MINILM_TRAINING: minilm and trains,
        TRAINING: trains,
        WITH_EXPERTS: trains and routers,
        WITH_ROUTERS: trains and "learned" in routers,
        ASSISTANT: round_.assistant is not None,
    }
    unread = frozenset().union(*(keys for keys, is_read in read.items() if not is_read))
    return whole.model_dump(exclude=unread)


def _made(round_: Round) -> dict:
    """What a round makes, from which teacher."""
    kept = round_.model_dump(include={"teacher", "once_for_all", "assistant"}, exclude_none=True)
    return kept | {"students": {name: _student(student) for name, student in round_.students.items()}}


def _student(student: Student) -> dict:
    only = None if student.sparsity is None else {"sparsity", "seed"}
    return student.model_dump(include=only, exclude_none=True)


def _report(params: Params) -> dict:
    """What the report reads: rounds by all settings that tell two students apart, wherever they count."""
    idle = {"evaluate_every", "assistant_tradeoff"}
    rounds = {}
    for name, round_ in params.rounds.items():
        phases = [settings.model_dump(exclude=idle) for settings in round_.phases(params.distill)]
        rounds[name] = _together(phases) | _made(round_)
    return {
        "models": params.rows,
        "seed": params.seed,
        "task_teacher": params.taught.teacher if params.taught.models else "",
        "tasks": params.table.tasks,
        "length": params.cost.length,
        "batches": params.cost.batches,
        "exported": params.export.model_dump(),
        "rounds": rounds,
        "own": _own(params),
        "language": params.corpus.language,
        "sources": {name: _only(source, NAMED) for name, source in _sources(params).items()},
        "inputs": {
            name.removeprefix("tasks/"): path
            for name, path in _inputs(params).items()
            if path and "teacher" not in name
        },
    }
