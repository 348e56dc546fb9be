"""The rows of a plan: one for every stage, growing with what there is to do."""

import shutil
from dataclasses import replace

import pytest

from minimoe.pipeline.profiles import names, whole
from minimoe.plan.constants import GPUS, STAGE
from minimoe.plan.models import Models
from minimoe.plan.run import launched
from minimoe.plan.sizes import Amount
from minimoe.plan.stages import rows
from minimoe.plan.timing import ESTIMATED, GIVEN, Rates, _estimated, reference
from tests.plan.conftest import RATES, ROOT, profile, rows_of


@pytest.mark.slow
@pytest.mark.parametrize("name", names(ROOT))
def test_every_stage_of_the_graph_has_a_row(name, tmp_path):
    from dvc.repo import Repo

    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    (tmp_path / "params.yaml").write_text(whole(name, ROOT), encoding="utf-8")
    with Repo.init(tmp_path, no_scm=True) as repo:
        # but for a look at params.yaml and at the user's files
        graph = {stage.name for stage in repo.index.stages if not stage.name.startswith(("settings", "inputs"))}
    params = profile(name)
    cells = {
        f"finetune@{model}-{task}": f"finetune@*-{task}" for model in params.table.models for task in params.table.tasks
    }
    cells |= {f"cost@{model}": "cost" for model in params.table.models}
    for model in params.export.models:
        cells |= {f"export@{model}": "export@*"}
        cells |= {f"export-head@{model}-{task}": f"export-head@*-{task}" for task in params.export.tasks}
    made = rows_of(params)
    assert set(made) == {cells.get(stage, stage) for stage in graph}
    assert all(row.seconds > 0 and row.work and row.size and row.speed for row in made.values())


def work(row) -> float:
    """Seconds without those of every stage."""
    return row.seconds - RATES.start - 1.5 - row.writes / 200e6


def test_rounds_take_longer_with_epochs_and_students():
    once, twice = (rows_of(profile(distill__epochs=epochs, distill__evaluate_every=10**9)) for epochs in (3, 6))
    heldout = rows_of(profile(distill__epochs=0))
    for name in ("base", "tinybert", "once-for-all"):
        alone = work(heldout[f"distill@{name}"])
        first, second = (work(made[f"distill@{name}"]) - alone for made in (once, twice))
        assert second == pytest.approx(2 * first)
    assert work(once["distill@control"]) == pytest.approx(work(twice["distill@control"]))
    assert work(once["distill@base"]) > 2 * work(once["distill@assisted"])


def test_rounds_take_longer_with_records(sample):
    def seconds(records: int) -> float:
        counted = replace(sample.corpus, training=Amount(records, "counted"))
        return work({row.stage: row for row in rows(replace(sample, corpus=counted))}["distill@assisted"])

    assert seconds(32_000) - seconds(0) == pytest.approx((seconds(64_000) - seconds(0)) / 2, rel=1e-3)


def test_importance_by_the_states_takes_no_head():
    published, states = (
        work(rows_of(profile(sparsify__criterion=criterion))["sparsify@teacher"])
        for criterion in ("masked_lm", "states")
    )
    params = profile()
    teacher, length = params.teacher.pretrain, params.corpus.records.max_length
    body = teacher.layers * 12 * teacher.hidden**2 * length  # multiply-adds
    head = 0.15 * length * teacher.hidden * (teacher.hidden + params.teacher.tokenizer.vocabulary)
    assert states / published == pytest.approx(body / (body + head), rel=0.05)


def test_devices_share_the_training_but_not_the_measuring():
    settings = {"distill__evaluate_every": 10**9, "distill__heldout": 1}
    one, four = (rows_of(profile(**settings), devices=devices) for devices in (1, 4))
    assert work(four["distill@base"]) == pytest.approx(work(one["distill@base"]) / 4, rel=0.01)
    assert four["finetune@*-mnli"] == one["finetune@*-mnli"]


@pytest.mark.slow
def test_rounds_take_longer_where_they_leave_cores_idle(monkeypatch):
    monkeypatch.setattr("minimoe.plan.row.cores", lambda: 16)
    monkeypatch.setattr("minimoe.system.machine.cores", lambda: 16)
    base = "distill@base"
    whole, shared = (rows_of(profile(runtime__round_threads=threads))[base] for threads in (0, 4))
    assert work(shared) == pytest.approx(work(whole))  # four of the eight at once fill the machine
    assert shared.memory == 4 * whole.memory
    others = {f"distill@{name}" for name in profile().rounds} - {base}
    alone = rows_of(profile(runtime__round_threads=4), done=others)[base]
    assert work(alone) == pytest.approx(4 * work(whole)) and alone.memory == whole.memory
    assert work(rows_of(profile(runtime__round_threads=99))[base]) == pytest.approx(work(whole))


def test_lower_precision_is_as_much_faster_as_matrix_products():
    rates = replace(RATES, learner=0.0)
    full, half = (rows_of(profile(distill__precision=precision), rates=rates) for precision in ("fp32", "bf16"))
    assert work(half["distill@base"]) == pytest.approx(work(full["distill@base"]) / 2)


def test_an_assistant_costs_a_pass_of_its_own():
    made = rows_of(profile(distill__epochs=2))
    assert work(made["distill@minidisc"]) > 2 * work(made["distill@sparse"])


@pytest.mark.slow
def test_a_second_phase_costs_passes_of_its_own():
    never = {"distill__evaluate_every": 10**9, "distill__heldout": 1, "distill__epochs": 2}
    alone, embedding = (
        rows_of(profile(**never, rounds__assisted__objective=name))["distill@assisted"]
        for name in ("minilm", "embedding")
    )
    both = rows_of(profile(**never, rounds__assisted__then={"objective": "embedding"}))["distill@assisted"]
    assert work(both) == pytest.approx(work(alone) + work(embedding))
    longer = rows_of(profile(**never, rounds__assisted__then={"epochs": 6}))["distill@assisted"]
    assert work(longer) == pytest.approx(4 * work(alone), rel=1e-4)
    assert longer.work.startswith("2 + 6 x ")
    wide = rows_of(profile(**never, rounds__assisted__then={"batch": 512}))["distill@assisted"]
    assert wide.memory > 4 * alone.memory


def test_a_grid_costs_its_runs():
    one = rows_of(profile(tasks={}, finetune__seeds=[1]))["finetune@*-mnli"]
    grid = {"finetune__learning_rates": [1e-3, 2e-3, 3e-3], "finetune__seeds": [1, 2]}
    six = rows_of(profile(tasks={}, **grid))["finetune@*-mnli"]
    assert "6 x 4 x 1,200" in six.work and six.size == "counted"
    assert 4 * one.seconds < six.seconds + 5 * RATES.start * 11
    few = rows_of(profile(tasks={}, finetune__max_train=100, finetune__seeds=[1]))["finetune@*-mnli"]
    assert few.seconds < one.seconds and "100 examples" in few.work


def test_exports_share_the_cores(monkeypatch):
    monkeypatch.setattr("minimoe.plan.row.cores", lambda: 16)
    one, many = (rows_of(profile(runtime__workers=workers)) for workers in (1, 16))
    for stage in ("export@*", "export-head@*-sst2"):
        assert many[stage].seconds - many[stage].writes / 200e6 < 0.6 * one[stage].seconds  # two stages, at once


def cells(params, **options) -> float:
    """Seconds of finetuning on MNLI without those of the disk."""
    row = rows_of(params, **options)["finetune@*-mnli"]
    return row.seconds - row.writes / 200e6


@pytest.mark.slow
def test_cells_are_spread_over_gpus_whose_kernels_take_turns():
    params, rates = profile(runtime__cells_per_gpu=1), replace(RATES, start=-STAGE)  # that is, none of a stage's begin
    one, eight = (cells(params, rates=rates, device="cuda", gpus=gpus) for gpus in (1, 8))
    assert eight == pytest.approx(one / 8)
    kernels = cells(params, rates=replace(rates, step=0.0), device="cuda", gpus=1)
    for count in (2, 4, 1000):
        shared = cells(profile(runtime__cells_per_gpu=count), rates=rates, device="cuda", gpus=1)
        assert shared == pytest.approx(max(one / count, kernels))


def test_cells_in_bf16_are_as_much_faster_as_matrix_products_and_fill_a_gpu():
    rates = replace(RATES, start=-STAGE, step=0.0)
    at = {"device": "cuda", "gpus": 1, "rates": rates}
    fast, usual = (profile(tasks=own) for own in ({"mnli": {"precision": "bf16"}}, {}))
    assert cells(fast, **at) == pytest.approx(cells(usual, **at) / 2)
    few, many = (rows_of(profile(runtime__cells_per_gpu=count), **at)["finetune@*-mnli"].memory for count in (1, 8))
    assert many == 8 * few


def test_the_longest_cell_is_waited_for():
    rates = replace(RATES, start=-STAGE)
    few, many = (rows_of(profile(), rates=rates, device="cuda", gpus=gpus) for gpus in (1, 1000))
    left = {name: row.seconds for name, row in many.items() if name.startswith("finetune")}
    longest = max(left, key=left.get)
    assert left[longest] > 5 * sum(left.values()) / len(left)
    one = rows_of(
        profile(table__models=["teacher"], export__models=[], runtime__cells_per_gpu=1),
        rates=rates,
        device="cuda",
        gpus=1,
    )
    assert sum(left.values()) == pytest.approx(one[longest].seconds - one[longest].writes / 200e6, rel=0.05)
    assert few[longest].seconds > left[longest]


def h100(texts: float = 1e6) -> Rates:
    """Its estimated speeds, and made-up ones of corpus work."""
    return Rates(ESTIMATED, **_estimated(GPUS["h100"]), start=10.0, format=10 * texts, records=4 * texts)


@pytest.mark.slow
def test_the_papers_table_takes_a_day_and_a_half_on_eight_h100():
    made = rows_of(profile("paper_base"), rates=h100(), device="cuda", devices=8, gpus=8)
    assert sum(row.seconds for row in made.values()) < 1.5 * 86400
    assert max(row.memory for row in made.values()) < 80e9


@pytest.mark.slow
def test_the_largest_teacher_and_its_cells_fit_a_gpu_of_80_gb():
    made = rows_of(profile("chinese_xlarge"), rates=h100(), device="cuda", devices=8, gpus=8)
    assert 40e9 < max(row.memory for row in made.values()) < 80e9


def test_what_is_up_to_date_takes_nothing(sample):
    models = sample.params.table.models
    done = {"distill@base", *(f"finetune@{model}-mnli" for model in models), f"finetune@{models[0]}-cola"}
    made = {row.stage: row for row in rows(replace(sample, done=done))}
    assert made["distill@base"].done and made["distill@base"].seconds == 0
    assert made["finetune@*-mnli"].done and not made["finetune@*-cola"].done
    assert made["finetune@*-cola"].work.startswith(f"{len(models) - 1} cells")


@pytest.mark.slow
def test_memory_follows_what_is_at_once_on_a_device():
    whole = rows_of(profile("paper_base", runtime__micro_batch=0))["distill@base"].memory
    part = rows_of(profile("paper_base", runtime__micro_batch=64))["distill@base"].memory
    assert part < whole / 4 and part > 4 * 110e6


def test_the_reference_is_the_first_round_that_trains():
    params = profile()
    assert reference(Models(params, ROOT, set())) == "base"
    params = profile(rounds__base__epochs=0)
    assert reference(Models(params, ROOT, set())) == "assisted"


@pytest.mark.parametrize(
    ("launcher", "count"),
    [("python", 1), ("torchrun --nproc-per-node=4", 4), ("accelerate launch --num_processes 2", 2)],
)
def test_devices_that_a_launcher_uses(launcher, count):
    assert launched(launcher) == count


@pytest.mark.slow
def test_every_basis_is_told(sample):
    made = rows(replace(sample, rates=replace(RATES, basis=GIVEN)))
    assert {row.speed for row in made} == {"given", "measured", "guessed"}
    assert {row.size for row in made} == {"counted", "guessed"}
