"""The card of a student, for README.md in its folder: what it is, how it was made, what it costs and scores.

Each number is read from the file of the stage that measured it. The words stand in card.md. A card cannot lie in the
student's folder while the pipeline runs: scores come after it, and a folder that changes would be finetuned again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from minimoe.params.rounds import Distill, Round
from minimoe.publish.sources import corpus_words, license_words, teacher_words
from minimoe.report.cells import METRICS
from minimoe.report.collect import Results
from minimoe.report.metrics import Metrics
from minimoe.report.models import Model
from minimoe.report.students import read_model
from minimoe.tasks.table import TASKS
from minimoe.tasks.task import Split, Task

HUB_METRICS = {  # names of the hub's metrics
    "matthews": "matthews_correlation", "spearman": "spearmanr", "pearson": "pearsonr", "chunk_f1": "seqeval",
    "macro_f1": "f1", "micro_f1": "f1", "tag_accuracy": "accuracy",
}  # fmt: skip
HUB_TASKS = {"tagging": "token-classification", "similarity": "sentence-similarity"}  # all others classify texts
FAMILIES = {"glue": "GLUE", "conll2003": "CoNLL-2003", "clue": "CLUE"}


@dataclass(frozen=True)
class Run:
    """What the cards of a run have in common.

    Attributes:
        language: ISO code of the corpus.
        sources: of `read_sources`.
        invented: what of corpus and tasks is made up.
        own: the user's own tasks.
    """

    root: Path
    results: Results
    rounds: Mapping[str, Round]
    distill: Distill
    language: str
    sources: Mapping[str, Mapping[str, str]]
    invented: Sequence[str]
    own: Mapping[str, Task]

    def cards(self) -> dict[str, str]:
        """The text of the card of every student, by round/student."""
        names = [f"{name}/{student}" for name, round_ in self.rounds.items() for student in round_.models]
        return {name: str(card(self, name)) for name in names}

    def tasks(self) -> list[tuple[str, Task, Split]]:
        """The columns of the table, each with its task and the split that is scored."""
        found = {
            task.name + split.suffix: (task, split)
            for task in (*TASKS.values(), *self.own.values())
            for split in task.splits
            if split.suffix is not None
        }
        return [(column.key, *found[column.key]) for column in self.results.columns]


def card(run: Run, name: str) -> ModelCard:
    """The card of the student round/student."""
    round_, _, student = name.partition("/")
    model = read_model(run.root, name, run.rounds, run.distill, run.results.seed)
    measured = Metrics.read(run.root / f"metrics/distill/{round_}.json", f"distill@{round_}").part(student)
    sentence = bool(model.steps) and model.phases[-1].objective == "embedding"
    template = resources.files("minimoe.publish").joinpath("card.md").read_text(encoding="utf-8")
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False)
    own_code, teacher = measured.get("own_code"), run.sources[model.origin]
    text = environment.from_string(template).render(
        card_data=_data(run, name, sentence).to_yaml(),
        name=student,
        kind=_kind(model),
        shape=f" of shape {model.shape}",
        invented=" and ".join(run.invented),
        own_code=own_code,
        trust=", trust_remote_code=True" if own_code else "",
        sentence=sentence,
        place=f"models/{name}",
        teacher=teacher_words(teacher),
        corpus=corpus_words(run.sources["corpus"]),
        model=model,
        assisted=model.assisted,
        language=run.language,
        records=f"{measured.number('records'):,}",
        steps=f"{measured.number('steps'):,}",
        training=model.training if model.steps else {},
        heldout_loss=measured.number("heldout_loss"),
        scores=_score_rows(run, name),
        learning_rates=_learning_rates(run, name),
        license_words=license_words(teacher),
        **_cost(run, name),
    )
    return ModelCard(text)


def _kind(model: Model) -> str:
    return "A sentence encoder" if model.family == "Sentence encoder" else f"An encoder ({model.kind})"


def _data(run: Run, name: str, sentence: bool) -> ModelCardData:
    """The card's metadata, with the model index."""
    model = read_model(run.root, name, run.rounds, run.distill, run.results.seed)
    teacher, corpus = run.sources[model.origin], run.sources["corpus"]
    results = [_result(run, task, split, row) for task, split, row in _measured(run, name)]
    return ModelCardData(
        language=run.language,
        license=teacher.get("license"),
        license_name=teacher.get("license_name"),
        library_name="sentence-transformers" if sentence else "transformers",
        pipeline_tag="sentence-similarity" if sentence else "feature-extraction",
        tags=["minimoe", "knowledge-distillation", *(["sentence-transformers"] if sentence else [])],
        base_model=teacher["hub"] if teacher["source"] == "hub" else None,
        datasets=[corpus["hub"]] if corpus["source"] == "hub" else None,
        metrics=sorted({result.metric_type for result in results}) or None,
        model_name=name.partition("/")[2],
        eval_results=results or None,
    )


def _measured(run: Run, name: str) -> list[tuple]:
    """(task, split, row of scores) of a model, in the order of the columns; none where it is not in the table."""
    if name not in run.results.models:
        return []
    rows = run.results.scores[run.results.scores.model == name].set_index("task")
    return [(task, split, rows.loc[key]) for key, task, split in run.tasks()]


def _result(run: Run, task: Task, split: Split, row) -> EvalResult:
    """An entry of the model index; of data that is no data set of the hub, its kind in place of an id."""
    source = run.sources.get(f"tasks/{task.family}", {})
    hub = source.get("source") == "hub"
    how = "after finetuning" if task.trained else "without finetuning"
    return EvalResult(
        task_type=HUB_TASKS.get(task.kind, "text-classification"),
        dataset_type=source["hub"] if hub else f"local-{task.family}",
        dataset_name=_task_name(run, task),
        dataset_config=(task.configuration or task.name) if hub else None,
        dataset_split=(split.hub if hub else "") or split.name,
        dataset_revision=source.get("commit"),
        metric_type=HUB_METRICS.get(row.metric, row.metric),
        metric_name=f"{METRICS.get(row.metric, row.metric)}, 0 to 100, {how}, mean of {row.runs} runs",
        metric_value=float(row["mean"]),
    )


def _task_name(run: Run, task: Task) -> str:
    name = " ".join(filter(None, (FAMILIES.get(task.family), task.label))) or task.name
    return f"{name} (invented examples)" if task.family in run.invented else name


def _score_rows(run: Run, name: str) -> list[tuple]:
    rows = []
    for task, split, row in _measured(run, name):
        majority = run.results.majority[task.name + split.suffix]
        numbers = [f"{row['mean']:.1f}", f"{row['std']:.1f}" if row.runs > 1 else "", row.runs, f"{majority:.1f}"]
        rows.append((_cell(_task_name(run, task)), split.name, METRICS.get(row.metric, row.metric), *numbers))
    return rows


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _learning_rates(run: Run, name: str) -> str:
    """The rate that was chosen for each task."""
    tasks = {task.name: task for task, *_ in _measured(run, name) if task.trained}
    files = {task: Metrics.read(run.root / f"metrics/finetune/{name}/{task}.json", f"finetune@{name}-{task}")
             for task in tasks}  # fmt: skip
    return ", ".join(f"{_task_name(run, tasks[task])} {file.number('learning_rate')}" for task, file in files.items())


def _cost(run: Run, name: str) -> dict:
    """Rows of (what, number), and the machine that measured them; nothing for a model that is not in the table."""
    if name not in run.results.models:
        return {}
    numbers = run.results.costs.loc[name]
    words = {
        "params_total": ("parameters", "{:,.0f}"),
        "params_active": ("parameters that one token uses", "{:,.0f}"),
        "macs": ("multiply-adds of a sequence of {} tokens", "{:,.0f}"),
        "latency_ms": ("milliseconds for a batch of {} such sequences", "{}"),
    }
    rows = []
    for key, number in numbers.items():
        known = next(start for start in words if key.startswith(start))
        what, form = words[known]
        rows.append((what.format(key.removeprefix(known).lstrip("_b")), form.format(number)))
    machine = Metrics.read(run.root / f"metrics/cost/{name}.json", f"cost@{name}").text("machine")
    return {"cost": rows, "machine": machine}
