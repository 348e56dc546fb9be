"""The line that says how far a run is."""

import json

import pytest

from minimoe.pipeline.progress import SECONDS, Progress, clock


def expected(stages: set[str]) -> Progress:
    return Progress(stages, set)


@pytest.fixture
def told(tmp_path, monkeypatch, capsys):
    """Has a stage done, and returns the line about it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.monotonic", lambda: 0.0)

    def told(progress: Progress, stage: str, seconds: float) -> str:
        progress.done(stage, seconds)
        return capsys.readouterr().out.strip()

    return told


def test_the_time_left_is_that_of_the_last_run_or_of_other_stages_of_the_kind(told):
    progress = expected({"records", "cell@a", "cell@b", "cell@c", "report"})
    assert told(progress, "records", 9) == "1 of 5 stages, 0:00"
    assert told(progress, "cell@a", 60) == "2 of 5 stages, 0:00; at least 2:00 left"  # of a report nothing is known
    assert told(progress, "cell@b", 120) == "3 of 5 stages, 0:00; at least 1:30 left"
    assert told(progress, "report", 5) == "4 of 5 stages, 0:00; about 1:30 left"
    assert told(progress, "cell@c", 1) == "5 of 5 stages, 0:00"
    again = expected({"cell@b", "cell@a", "report"})
    assert told(again, "cell@a", 60) == "1 of 3 stages, 0:00; about 2:05 left"


def test_a_stage_that_was_up_to_date_says_nothing_of_its_time(told):
    progress = expected({"records", "cell@a", "cell@b"})
    assert told(progress, "cell@a", 60) == "1 of 3 stages, 0:00; at least 1:00 left"
    assert told(progress, "cell@b", None) == ""
    assert told(progress, "records", 1) == "3 of 3 stages, 0:00"
    assert "cell@b" not in progress.seconds


def test_a_stage_that_nobody_expected_is_not_counted(told):
    assert told(expected({"records"}), "settings", 1) == ""


@pytest.mark.parametrize("found", ["", "[]", '{"cell@a": null}', "\0"])
def test_seconds_that_cannot_be_read_are_not_known(told, found, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / SECONDS).write_text(found)
    assert told(expected({"records", "cell@a"}), "records", 1) == "1 of 2 stages, 0:00"
    assert json.loads((tmp_path / SECONDS).read_text()) == {"records": 1}


def test_times_as_a_clock_shows_them():
    assert [clock(seconds) for seconds in (4.6, 65, 3765)] == ["0:05", "1:05", "1:02:45"]
