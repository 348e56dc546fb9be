"""What the stages that train share: checkpoints from which a killed stage resumes, and runs of the tracker."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from minimoe import tracking
from minimoe.resume.checkpoints import Checkpoints
from minimoe.resume.work import work_folder
from minimoe.system.machine import is_main
from minimoe.tracking import NoTracker


class Training:
    """Checkpoints and trackers of a stage's training.

    Args:
        stage: as in dvc.yaml.
        inputs: what it reads, and as what, as of `tracking.run`.
        checkpoints: of the whole stage.
        settings: `runtime.tracking` of the params.
        runs: ends the trackers' runs.
    """

    def __init__(self, stage: str, inputs: dict[str, str], checkpoints: Checkpoints, settings, runs: ExitStack):
        self.stage, self.inputs, self.checkpoints = stage, inputs, checkpoints
        self._settings, self._runs = settings, runs

    def tracker(self, name: str, tags: dict, params: dict, key: str = "run", parent: NoTracker | None = None):
        """A tracker whose run ends with the training; after a kill the run of the same `key` is continued."""
        tags = {"stage": self.stage, **tags}
        run = tracking.run(self._settings, name, tags, params, self.checkpoints.run_id(key), self.inputs, parent)
        return self._runs.enter_context(run)


@contextmanager
def training(
    stage: str, name: str, inputs: dict[str, str], facts: object, runtime, besides: dict[str, str]
) -> Iterator[Training]:
    """A block that trains and writes the stage's outputs; checkpoints are removed where it ends well.

    Args:
        stage, name, inputs, facts: what can change the result, as of `work_folder`; of inputs also what each is, as of
            `tracking.run`.
        runtime: that section of the params.
        besides: further inputs, of whose content `facts` tells.
    """
    checkpoints = Checkpoints(work_folder(stage, name, [*inputs], facts), runtime.checkpoint_minutes)
    with ExitStack() as runs:
        yield Training(stage, inputs | besides, checkpoints, runtime.tracking, runs)
    if is_main():
        checkpoints.remove()
