"""Memory-map files on first use."""

from pathlib import Path

import numpy as np


class Maps:
    """The files `paths` as arrays, each mapped where it is first used; other processes map them themselves.

    `numpy.memmap` keeps its file open, and a large corpus has more shards than a process may open files; torch's maps
    do not.
    """

    def __init__(self, paths: list[Path], dtype: str) -> None:
        self.paths, self.dtype = paths, dtype
        self._maps: dict[int, np.ndarray] = {}

    def __getitem__(self, number: int) -> np.ndarray:
        """The contents of `paths[number]`."""
        if number not in self._maps:
            import torch

            path = self.paths[number]
            data = torch.from_file(str(path), size=path.stat().st_size, dtype=torch.uint8)
            self._maps[number] = data.numpy().view(self.dtype)
        return self._maps[number]

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_maps": {}}
