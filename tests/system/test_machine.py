import gc

import pytest

from minimoe.system import machine
from minimoe.system.errors import exit_cleanly


def test_an_interrupt_is_one_line_and_the_shells_exit_code(capsys):
    def main():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as stopped:
        exit_cleanly(main)
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_imports_look_for_no_garbage_and_training_does():
    with pytest.raises(ImportError), machine.importing():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()
    gc.unfreeze()


def test_zero_workers_means_as_many_as_have_cores(monkeypatch):
    assert machine.workers(0) == machine.cores() >= 1
    monkeypatch.setattr(machine, "cores", lambda: 8)
    assert [machine.workers(0, threads) for threads in (1, 3, 8, 20)] == [8, 2, 1, 1]
    assert machine.workers(3) == machine.workers(3, threads=8) == 3


@pytest.mark.parametrize(
    ("count", "visible", "names"),
    [
        (0, None, []),
        (0, "0,1", []),
        (3, None, ["0", "1", "2"]),
        (2, "3, 1", ["3", "1"]),
        (1, "3,9", ["3"]),  # there is no ninth
        (1, "GPU-a", ["GPU-a"]),
        (1, "MIG-a,MIG-b", ["MIG-a", "MIG-b"]),
    ],
)
def test_gpus_are_named_as_the_environment_names_them(monkeypatch, count, visible, names):
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.gpus() == names


@pytest.mark.parametrize(
    ("flags", "named"),
    [("avx2 avx512f avx512_bf16 amx_bf16", "AMX"), ("avx512f avx512_bf16", "AVX512-BF16"), ("sse", "no known vector")],
)
def test_a_machine_is_named_with_its_instructions_for_matrix_products(monkeypatch, flags, named):
    monkeypatch.setattr(machine, "_about_cpu", {"model name": "Chip 5", "flags": flags}.get)
    assert machine.machine("cpu").startswith(f"Chip 5, {machine.cores()} core")
    assert f", {named}" in machine.machine("cpu")


@pytest.mark.parametrize(("cores", "named"), [(1, "1 core, "), (2, "2 cores, ")])
def test_one_core_is_no_plural(monkeypatch, cores, named):
    monkeypatch.setattr(machine, "_about_cpu", {"model name": "Chip 5", "flags": "avx2"}.get)
    monkeypatch.setattr(machine, "cores", lambda: cores)
    assert machine.machine("cpu").startswith(f"Chip 5, {named}AVX2, torch ")
