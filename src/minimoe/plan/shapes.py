"""The shapes of all models of a run, as configs, before there are any models.

A model that is there and up to date says its own shape. Else a student's follows from params and its teacher's, a
teacher's from params, its folder, the hub's cache or a table of known ids. What a sparsity removes is known once the
teacher is sparsified; before, heads and neurons are taken to go evenly from all layers.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import BertConfig

from minimoe.hub.loading import load_config
from minimoe.models import MiniMoEConfig
from minimoe.models.shapes import reordered_config, student_config
from minimoe.models.sparsified import IMPORTANCE, REORDERED
from minimoe.models.sparsity import Importance, cut_config, removed
from minimoe.params import Params
from minimoe.params.rounds import ASSISTANT, SPARSIFIED, Distill, Round
from minimoe.plan.constants import HUB, SMALL_BERT, Hub
from minimoe.system.errors import UserError

POSITIONS = 512


@dataclass
class Shapes:
    """Configs of models by their path, such as models/base/minilm-3L-384H.

    Args:
        params: the run.
        root: the repository.
        done: the stages that are up to date, whose models are read.
    """

    params: Params
    root: Path
    done: set[str]
    _known: dict = field(default_factory=dict)

    def of(self, path: str):
        """The config of the model at `path`; `UserError` where a teacher's cannot be known yet."""
        if path not in self._known:
            saved = self.root / path / "config.json"
            there = _maker(path) in self.done and saved.is_file()
            self._known[path] = load_config(saved.parent) if there else self._guess(path)
        return self._known[path]

    def settings(self, name: str) -> Distill:
        """The settings of a round."""
        return self.params.rounds[name].over(self.params.distill)

    def students(self, name: str) -> dict:
        """Configs of the students of a round that have weights of their own."""
        return {student: self.of(f"models/{name}/{student}") for student in self.params.rounds[name].students}

    def members(self, name: str) -> dict:
        """Configs of a round's once-for-all students, the largest last."""
        family = self.params.rounds[name].once_for_all
        return {member: self.of(f"models/{name}/{member}") for member in family.students} if family else {}

    def candidates(self, name: str) -> dict:
        """Configs of the candidates among which a round chooses its assistant, the teacher's own size last."""
        round_ = self.params.rounds[name]
        if not round_.assistant:
            return {}
        below = min(student.sparsity for student in round_.students.values())
        chosen = [sparsity for sparsity in sorted(self.params.sparsify.sparsities) if 0 < sparsity < below]
        return {str(sparsity): self._sparse(sparsity) for sparsity in [*reversed(chosen), 0]}

    def _guess(self, path: str):
        _, name, *model = path.split("/")
        if path in ("models/teacher", SPARSIFIED):
            return self._first() if path != SPARSIFIED else self.of("models/teacher")
        if name == "teachers":
            further = self.params.teachers[model[0]]
            return self._from_outside(further, f"teachers.{model[0]}", f"teachers@{model[0]}")
        return self._student(name, self.params.rounds[name], model[0])

    def _first(self):
        teacher = self.params.teacher
        if teacher.source != "pretrain":
            return self._from_outside(teacher, "teacher", "teacher")
        own = teacher.pretrain
        return _bert(Hub(own.layers, own.hidden, own.heads, own.neurons, teacher.tokenizer.vocabulary))

    def _from_outside(self, teacher, key: str, stage: str):
        if teacher.source == "local":
            folder = self.root / teacher.path
            if not (folder / "config.json").is_file():
                raise UserError(f"{key}.path: expected a Hugging Face model folder, got {teacher.path!r}")
            return load_config(folder)
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(teacher.hub, "config.json", revision=teacher.revision)
        if isinstance(cached, str):
            return load_config(Path(cached).parent)
        if small := re.fullmatch(SMALL_BERT, teacher.hub):
            layers, hidden, heads = map(int, small.groups())
            return _bert(Hub(layers, hidden, heads, 4 * hidden, 30522))
        if teacher.hub not in HUB:
            raise UserError(f"{key}.hub: the shape of {teacher.hub!r} is not known yet; run first: dvc repro {stage}")
        return _bert(HUB[teacher.hub])

    def _student(self, name: str, round_: Round, model: str):
        if model == ASSISTANT:
            candidates = [config for sparsity, config in self.candidates(name).items() if sparsity != "0"]
            return candidates[len(candidates) // 2]
        students = round_.students | (round_.once_for_all.students if round_.once_for_all else {})
        return student_config(students[model], self.of(round_.teacher), self.settings(name).dropout, self._sparse)

    def _sparse(self, sparsity: int) -> MiniMoEConfig:
        teacher, folder = self.of(SPARSIFIED), self.root / SPARSIFIED
        if "sparsify@teacher" in self.done:
            importance = Importance(**load_file(folder / IMPORTANCE))
            return cut_config(load_config(folder / REORDERED), removed(importance, sparsity), sparsity)
        config = reordered_config(teacher)
        return cut_config(config, evenly_removed(config, sparsity), sparsity)


def evenly_removed(config, sparsity: int) -> dict[str, dict[str, int]]:
    """What `schedule.removed` says where all layers matter alike."""
    layers = config.num_hidden_layers
    even = Importance(
        torch.ones(layers, config.num_attention_heads),
        torch.ones(layers, config.intermediate_size),
        torch.ones(config.hidden_size),
    )
    gone = removed(even, sparsity)
    for kind in ("head", "neuron"):
        each, more = divmod(sum(gone[kind].values()), layers)
        gone[kind] = {str(layer): each + (layer < more) for layer in range(layers)}
    return gone


def _bert(shape: Hub) -> BertConfig:
    return BertConfig(
        num_hidden_layers=shape.layers,
        hidden_size=shape.hidden,
        num_attention_heads=shape.heads,
        intermediate_size=shape.neurons,
        vocab_size=shape.vocabulary,
        max_position_embeddings=POSITIONS,
    )


def _maker(path: str) -> str:
    """The stage that makes the model at `path`."""
    _, name, *model = path.split("/")
    if name == "teachers":
        return f"teachers@{model[0]}"
    return {"teacher": "teacher", "sparsified": "sparsify@teacher"}.get(name, f"distill@{name}")
