"""The table, its warnings, the JSON; and DVC's word on what is done."""

import json
import math
from dataclasses import replace
from pathlib import Path

import networkx
import pytest

from minimoe.plan.row import Row, number
from minimoe.plan.run import up_to_date
from minimoe.plan.table import DAY, Machine, as_json, duration, text, warnings
from tests.plan.conftest import RATES, profile, run_of

PLENTY = Machine(disk=math.inf, memory=math.inf)


def test_table_and_total(sample):
    rows = [Row("a", 1e6, 2e9, "things", 3600, "counted", "measured"), Row("b", writes=1e9, work="more", done=True)]
    shown = text(sample, rows, PLENTY).splitlines()
    assert " ".join(shown[2].split()) == "a 1 MB 2 GB things 60 min counted measured"
    assert " ".join(shown[3].split()) == "b 0 B 1 GB more done"
    assert "Total: 60 min, 4 GB of disk" in shown[5]
    assert not any(line.startswith("warning") for line in shown)


@pytest.mark.parametrize(
    ("row", "machine", "message"),
    [
        (Row("a", seconds=3 * DAY), PLENTY, "more than a day: a 3 days"),
        (Row("a", writes=2e9), Machine(3e9, math.inf), "4 GB of disk will be written, 3 GB are free"),
        (Row("a", memory=2e9), Machine(math.inf, 1e9), "a may need 2 GB of memory, there are 1 GB"),
    ],
)
def test_warnings(sample, row, machine, message):
    (warning,) = warnings(sample, [row], machine)
    assert warning.startswith(message)
    assert warnings(sample, [replace(row, done=True)], machine) == []


def test_short_stages_that_take_a_day_together(sample):
    rows = [Row(str(n), seconds=DAY / 2) for n in range(3)]
    assert warnings(sample, rows, PLENTY) == ["more than a day: all together"]


def test_a_gpu_that_is_not_here(sample):
    runtime = sample.params.runtime.model_copy(update={"device": "cuda"})
    run = replace(sample, params=sample.params.model_copy(update={"runtime": runtime}))
    assert "finds no GPU here" in warnings(run, [], PLENTY)[0]
    assert warnings(replace(run, device="cuda"), [], PLENTY) == []


def test_a_machine_that_is_busy(sample):
    busy = replace(PLENTY, load=2.0)
    assert "plan again when it is idle" in warnings(sample, [], busy)[0]
    given = replace(sample, rates=replace(sample.rates, basis="given"))
    assert warnings(given, [], busy) == warnings(sample, [], PLENTY) == []


def test_a_precision_that_is_slower_here_than_fp32():
    run = run_of(profile("small"), rates=replace(RATES, products={"fp32": 2e12, "bf16": 1e12}))
    (line,) = [line for line in warnings(run, [], PLENTY) if "precision" in line]
    assert "bf16 run at 0.5 times the speed of fp32" in line
    assert not any("precision" in line for line in warnings(replace(run, rates=RATES), [], PLENTY))


def test_json_has_all_numbers(sample):
    rows = [Row("a", 1, 2, "things", 3, "counted", "measured", 4), Row("b", writes=9, done=True)]
    made = json.loads(json.dumps(as_json(sample, rows, PLENTY), allow_nan=False))
    assert made["rows"][0] == {"stage": "a", "reads": 1, "writes": 2, "work": "things", "seconds": 3, "size": "counted",
                               "speed": "measured", "memory": 4, "done": False}  # fmt: skip
    assert made["total"] == {"seconds": 3, "disk": 4}
    assert made["corpus"]["dump"]["basis"] == "counted"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(5, "5 s"), (120, "2 min"), (9000, "2.5 hours"), (DAY, "24 hours"), (5000 * DAY, "5,000 days")],
)
def test_durations(seconds, shown):
    assert duration(seconds) == shown


@pytest.mark.parametrize(("value", "shown"), [(950, "950"), (5124, "5,124"), (73216, "73.2 k"), (1.678e12, "1.68 T")])
def test_numbers(value, shown):
    assert number(value) == shown


def test_behind_a_stage_that_runs_anew_nothing_is_done():
    stages = {name: Path(name) for name in ("download", "records", "distill", "tasks")}  # like a stage, it has a name
    graph = networkx.DiGraph()
    graph.add_nodes_from(stages.values())
    graph.add_edge(stages["records"], stages["download"])
    graph.add_edge(stages["distill"], stages["records"])
    assert up_to_date(graph, {"download"}) == {"tasks"}
    assert up_to_date(graph, {"distill"}) == {"download", "records", "tasks"}
