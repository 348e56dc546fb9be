from minimoe.training import speed


def test_only_what_is_slower_than_fp32_is_worth_a_line():
    assert speed.warning("bf16", {"fp32": 2e11, "bf16": 1e11}) == (
        "distill.precision: matrix products in bf16 run at 0.5 times the speed of fp32 here, with experts or without; "
        "fp32 would be faster on this machine"
    )
    assert speed.warning("bf16", {"fp32": 2e11, "bf16": 1.95e11}) == ""
    assert speed.warning("fp32", {"fp32": 2e11}) == ""


def test_a_product_has_a_rate_in_every_precision(monkeypatch):
    clock = iter([0.0, 2.0, 2.0, 3.0] * speed.TRIES)
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(clock))
    assert speed.product_rate("bf16", "cpu") == 2 * 1024**3  # the shortest took a second
