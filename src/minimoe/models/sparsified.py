"""Read and write the folder of a sparsified teacher: the teacher, importances, and the reordered encoder.

<the teacher's own files>      unchanged, so that the folder can be used as the teacher
importance.safetensors         head [L, H], neuron [L, N], hidden [D], in the teacher's own order
sparsity_map.json              how much each sparsity removes from every layer, in the published form
reordered/                     the encoder by falling importance: students are leading slices of its weights
"""

import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from minimoe.hub.loading import load_encoder
from minimoe.models import MiniMoEConfig, MiniMoEModel
from minimoe.models.save import save
from minimoe.models.sparsity import Importance, cut_config, removed
from minimoe.system.errors import UserError, readable
from minimoe.system.files import whole_folder, write_json

IMPORTANCE, MAP, REORDERED = "importance.safetensors", "sparsity_map.json", "reordered"
AGAIN = "run dvc repro"


def write_sparsified(
    teacher: str | Path, out: str | Path, importance: Importance, reordered: MiniMoEModel, sparsities: list[int]
) -> None:
    """Write the folder `out` of the folder `teacher`, whole or not at all; `sparsities` (%) are the keys of the map."""
    with whole_folder(out) as temporary:
        shutil.copytree(teacher, temporary, dirs_exist_ok=True)
        save_file(importance._asdict(), temporary / IMPORTANCE)
        write_json(temporary / MAP, {str(sparsity): removed(importance, sparsity) for sparsity in sparsities})
        save(reordered, temporary / REORDERED)


class Sparsified:
    """Load a sparsified teacher `s`; `cut(s.model, s.config(90))` is its student with 90 % of the weights removed.

    Attributes:
        model: the reordered encoder, of the teacher's size.
        sparsities: those of the map, in %, rising.

    Raises `UserError` where `folder` is not one.
    """

    def __init__(self, folder: str | Path):
        folder = Path(folder)
        for name in (IMPORTANCE, MAP, f"{REORDERED}/config.json"):
            if not (folder / name).is_file():
                raise UserError(f"{folder}: expected a sparsified teacher, but {name} is missing; {AGAIN}")
        self.model = load_encoder(MiniMoEModel, folder / REORDERED, AGAIN)
        with readable(f"{folder}: expected a sparsified teacher", AGAIN):
            self.sparsities = sorted(map(int, json.loads((folder / MAP).read_text(encoding="utf-8")).keys()))
            self._importance = Importance(**load_file(folder / IMPORTANCE))

    def config(self, sparsity: int) -> MiniMoEConfig:
        """The config of the model cut to `sparsity`, any from 0 to 99 (%); `UserError` where nothing is left."""
        return cut_config(self.model.config, removed(self._importance, sparsity), sparsity)
