"""Further teachers: who they may teach, and where they may stand in the table."""

import copy
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from minimoe.params import Params

SAMPLE = yaml.safe_load((Path(__file__).parents[2] / "profiles/sample.yaml").read_text())
LARGE = {"source": "hub", "path": "data/sample", "hub": "google-bert/bert-large-uncased", "revision": "main"}
ROUND = {"teacher": "models/teachers/large", "students": {"small": {"layers": 1, "hidden": 48}}}

NOTHING = {"models": [], "tasks": []}


def params(**changes) -> Params:
    return Params.model_validate(copy.deepcopy(SAMPLE) | changes)


def test_it_teaches_a_round_and_has_a_row():
    table = SAMPLE["table"] | {"models": ["teacher", "teachers/large", "larger/small"]}
    loaded = params(teachers={"large": LARGE}, rounds=SAMPLE["rounds"] | {"larger": ROUND}, table=table, export=NOTHING)
    assert loaded.teachers["large"].hub == "google-bert/bert-large-uncased"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teachers": {"large": LARGE}}, "teachers.large: expected a round with teacher models/teachers/large"),
        ({"rounds": SAMPLE["rounds"] | {"larger": ROUND}}, "rounds.larger.teacher: expected one of"),
        ({"table": SAMPLE["table"] | {"models": ["teachers/large"]}}, "got 'teachers/large'"),
        ({"rounds": SAMPLE["rounds"] | {"teachers": SAMPLE["rounds"]["base"]}}, "rounds.teachers: expected another"),
    ],
)
def test_what_does_not_fit_is_said(changes, message):
    with pytest.raises(ValidationError, match=message):
        params(**changes)
