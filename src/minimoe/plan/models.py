"""The models of a run that is not yet run: their configs, and their operations.

A model that is there and up to date says its own shape. Otherwise a student's follows from params and its teacher's, a
teacher's from params, its folder, the hub's cache or a table of known ids. What a sparsity removes is known once the
teacher is sparsified; until then heads and neurons are taken to go evenly from all layers.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors.torch import load_file
from transformers import BertConfig

from minimoe.distill.start import StudentFactory
from minimoe.hub.loading import load_config
from minimoe.models import MiniMoEConfig, MiniMoEModel
from minimoe.models.shapes import reordered_config, student_config
from minimoe.models.sparsified import IMPORTANCE, REORDERED
from minimoe.models.sparsity import Importance, cut_config, removed
from minimoe.params import Params
from minimoe.params.rounds import ASSISTANT, SPARSIFIED, Distill
from minimoe.plan.constants import HUB, SMALL_BERT, Hub
from minimoe.plan.operations import Pass, count_pass, count_weights, students, teacher_hooks
from minimoe.report import flops
from minimoe.system.errors import UserError

POSITIONS = 512
COUNTED = 32  # tokens of a sequence whose operations are counted; those of others follow


@dataclass
class Models:
    """The models of a run by their path, such as models/base/minilm-3L-384H.

    Args:
        params: the run.
        root: the repository.
        done: the stages that are up to date, whose models are read.
    """

    params: Params
    root: Path
    done: set[str]
    _known: dict = field(default_factory=dict)

    def config(self, path: str):
        """The config of a model; `UserError` where a teacher's cannot be known yet."""
        return self._once(("config", path), lambda: self._saved(path) or self._expected(path))

    def weights(self, path: str) -> int:
        """Numbers in the weights of the model's encoder."""
        return self._size(path)[0]

    def forward(self, path: str, length: int) -> int:
        """FLOPs of a forward pass of the model's encoder over one sequence of any length."""
        _, counted = self._size(path)
        return counted.linear * length // COUNTED + counted.attention * length**2 // COUNTED**2

    def _size(self, path: str) -> tuple[int, flops.Forward]:
        """Weights, and FLOPs of a forward pass over `COUNTED` tokens; many models have the same shape."""
        config = self.config(path)
        return self._once(("size", config.to_json_string()), lambda: size(config))

    def phases(self, name: str) -> list[Distill]:
        """The settings of each phase of a round."""
        return self.params.rounds[name].phases(self.params.distill)

    def passes(self, name: str, phase: int = 0) -> list[Pass]:
        """The passes of a round's phase: one, or two where an assistant is chosen first; `UserError` as there."""
        try:
            return self._once(("passes", name, phase), lambda: [count_pass(*one) for one in self._trained(name, phase)])
        except UserError as error:
            raise UserError(f"rounds.{name}: {error}") from None

    def _once(self, key: tuple, make: Callable):
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]

    def _trained(self, name: str, phase: int) -> Iterator[tuple]:
        """Of each pass of a round's phase what `count_pass` takes: teacher, supernets, settings, length."""
        round_, settings = self.params.rounds[name], self.phases(name)[phase]
        config, length = self.config(round_.teacher), self.params.corpus.records.max_length
        teacher, factory = teacher_hooks(config, settings), StudentFactory(config, settings, seed=0)
        factory.head = getattr(teacher, "head", None)
        if sparsities := [student.sparsity for student in round_.students.values() if student.sparsity]:
            with torch.device("meta"):
                model = MiniMoEModel(reordered_config(config), add_pooling_layer=False)
            known = sorted(self.params.sparsify.sparsities)
            factory.sparsified = SimpleNamespace(model=model, config=self._sparse, sparsities=known)
        if any(student.start != "random" for student in round_.students.values()):
            factory.encoder = flops.encoder(config)
        if round_.assistant:
            with torch.device("meta"):
                candidates = factory.sparsities(min(sparsities)).bfloat16().eval()
                factory.assistant = candidates.subnet(str(self._assistant(name)))
            yield teacher, [candidates], settings, length
            teacher = lambda **batch: factory.assistant(**batch)[0]  # noqa: E731
        supernets = students(factory, round_.students)
        if round_.once_for_all:
            with torch.device("meta"):
                supernets.append(factory.once_for_all(round_.once_for_all).bfloat16().eval())
        yield teacher, supernets, settings, length

    def _saved(self, path: str):
        there = _maker(path) in self.done and (self.root / path / "config.json").is_file()
        return load_config(self.root / path) if there else None

    def _expected(self, path: str):
        _, name, *model = path.split("/")
        if path == SPARSIFIED:
            return self.config("models/teacher")
        if name == "teachers":
            return self._from_outside(self.params.teachers[model[0]], f"teachers.{model[0]}", f"teachers@{model[0]}")
        if name == "teacher":
            teacher, own = self.params.teacher, self.params.teacher.pretrain
            if teacher.source != "pretrain":
                return self._from_outside(teacher, "teacher", "teacher")
            return _bert(Hub(own.layers, own.hidden, own.heads, own.neurons, teacher.tokenizer.vocabulary))
        round_, (student,) = self.params.rounds[name], model
        if student == ASSISTANT:
            return self._sparse(self._assistant(name))
        students = round_.students | (round_.once_for_all.students if round_.once_for_all else {})
        return student_config(students[student], self.config(round_.teacher), 0.0, self._sparse)

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

    def _assistant(self, name: str) -> int:
        """The sparsity of the candidate in the middle: which one is chosen, nobody knows yet."""
        below = min(student.sparsity for student in self.params.rounds[name].students.values())
        candidates = [sparsity for sparsity in sorted(self.params.sparsify.sparsities) if 0 < sparsity < below]
        return candidates[(len(candidates) - 1) // 2] if candidates else 0

    def _sparse(self, sparsity: int) -> MiniMoEConfig:
        folder = self.root / SPARSIFIED
        with torch.device("cpu"):  # importances have values, also where a model without them is being made
            if "sparsify@teacher" in self.done:
                config, importance = load_config(folder / REORDERED), Importance(**load_file(folder / IMPORTANCE))
            else:
                config = reordered_config(self.config(SPARSIFIED))
                importance = even_importance(config)
            return cut_config(config, removed(importance, sparsity), sparsity)


def size(config) -> tuple[int, flops.Forward]:
    """Weights of an encoder of this shape, and FLOPs of its forward pass over `COUNTED` tokens."""
    encoder = flops.encoder(config)
    return count_weights(encoder), flops.forward(encoder, COUNTED)


def even_importance(config) -> Importance:
    """Importances by which every layer loses as many heads and neurons as the others."""
    heads, neurons = (
        torch.arange(count).expand(config.num_hidden_layers, -1)
        for count in (config.num_attention_heads, config.intermediate_size)
    )
    return Importance(heads, neurons, torch.ones(config.hidden_size))


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
