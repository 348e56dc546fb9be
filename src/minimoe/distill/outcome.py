"""What became of a student: its weights, its curve, and what its round's metrics file says of it."""

from dataclasses import dataclass, field

from minimoe.distill.heldout import Heldout
from minimoe.distill.learner import Learner
from minimoe.models.student import MiniMoEModel


@dataclass
class Outcome:
    """What became of one student."""

    name: str
    learner: Learner
    steps: int
    records: int
    heldout: Heldout
    about: dict = field(default_factory=dict)  # what else its metrics say
    curve: list[dict] = field(default_factory=list)  # rows of step, train_loss, heldout_loss

    @property
    def encoder(self) -> MiniMoEModel:
        """The student as it is saved."""
        return self.learner.encoder(self.name)

    def add(self, step: int, heldout: Heldout, train_loss: float | None, tracker) -> None:
        """One more point of the curve; `train_loss` is the mean since the point before."""
        self.heldout = heldout
        self.curve.append({"step": step, "train_loss": train_loss, "heldout_loss": heldout.loss})
        tracker.metrics(heldout.metrics(), step)

    def metrics(self) -> dict:
        """What the round's metrics file says of it."""
        values = {
            "heldout_loss": self.curve[-1]["heldout_loss"],
            "heldout_loss_initial": self.curve[0]["heldout_loss"],
            "train_loss": self.curve[-1]["train_loss"],
            "steps": self.steps,
            "records": self.records,
        }
        if self.heldout.load:
            values |= {"expert_load": self.heldout.load, "router_entropy": self.heldout.entropy}
        return values | self.about
