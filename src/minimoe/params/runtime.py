"""The section `runtime` of params.yaml: how the work is done."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from minimoe.params.base import Command, Count, Few, Positive, Section, Text


class Tracking(Section):
    """Where runs are tracked."""

    enabled: bool
    uri: Annotated[str, Field(pattern=r"^(https?://[^\x00-\x20]+|[^:\x00-\x20][^:\x00-\x1f]*)$")]
    experiment: Text
    system_metrics: bool


class Runtime(Section):
    """How the work is done. Nothing here invalidates a result, or changes one but by rounding and draws of dropout."""

    workers: Count
    backend: Literal["loky", "dask", "ray"]
    scheduler: Annotated[str, Field(pattern=r"^[^\x00-\x20\x7f]*$")]
    device: Literal["auto", "cpu", "cuda"]
    compile: Literal["auto", "never", "always"]
    deterministic: bool
    micro_batch: Count
    round_threads: Annotated[int, Field(ge=0, le=1024)]
    cells_per_gpu: Few
    shard_records: Positive
    log_every: Positive
    checkpoint_minutes: Annotated[float, Field(ge=0)]
    launcher: Command
    cell_launcher: Command
    tracking: Tracking

    @model_validator(mode="after")
    def _cluster_has_an_address(self):
        if self.backend == "loky" or self.scheduler:
            return self
        raise ValueError(f"scheduler: expected the address of the {self.backend} cluster, got nothing")
