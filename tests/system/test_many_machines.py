"""docs/machines: what a user copies from there is whole, and is accepted where it goes."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from torch.distributed.run import get_args_parser

from minimoe.params.runtime import Runtime
from minimoe.system.errors import UserError
from minimoe.system.launch import GRACE, arguments

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs/machines"
PAGE = (DOCS / "README.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
RUNTIMES = [block["runtime"] for block in BLOCKS if "runtime" in block]
SHIPPED = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["runtime"]
SAVING = 120  # seconds that a large round takes to finish its step and save
JOB = {"SLURM_NNODES": "4", "SLURM_JOB_ID": "1", "HEAD": "first", "NODES": "4", "JOB_COMPLETION_INDEX": "2"}


def torchrun(command: list[str]):
    return get_args_parser().parse_args(command[command.index("torchrun") + 1 :])


@pytest.mark.parametrize("values", RUNTIMES, ids=lambda values: ",".join(values))
def test_params_of_the_page_are_valid(values):
    Runtime.model_validate(SHIPPED | values)


def test_launchers_of_the_page_are_commands(monkeypatch):
    for name, value in JOB.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("minimoe.system.launch.shutil.which", lambda program, path=None: program)
    commands = [arguments(values["launcher"]) for values in RUNTIMES if "launcher" in values]
    [cells] = [arguments(values["cell_launcher"]) for values in RUNTIMES if "cell_launcher" in values]
    assert (cells[0], cells[-1]) == ("srun", "python") and "--gpus-per-task=1" in cells
    assert {command[0] for command in commands} == {"python", "torchrun", "accelerate", "srun"}
    nodes = [torchrun([*command, "-m", "stages.distill"]).nnodes for command in commands if "torchrun" in command]
    assert nodes == ["1:1", "4", "4"]


def test_a_launcher_of_slurm_needs_its_job(monkeypatch):
    monkeypatch.delenv("SLURM_NNODES", raising=False)
    monkeypatch.setattr("minimoe.system.launch.shutil.which", lambda program, path=None: program)
    [launcher] = [values["launcher"] for values in RUNTIMES if "srun" in values.get("launcher", "")]
    with pytest.raises(UserError, match="no variable SLURM_NNODES in the environment"):
        arguments(launcher)


def test_accelerate_reads_the_config_of_a_large_teacher():
    config = load_config_from_file(str(DOCS / "fsdp.yaml"))
    assert config.distributed_type.value == "FSDP" and config.mixed_precision == "no"
    assert config.fsdp_config["fsdp_version"] == 2 and not config.fsdp_config["fsdp_cpu_ram_efficient_loading"]


def test_the_kubernetes_job_joins_one_round(monkeypatch):
    service, job = yaml.safe_load_all((DOCS / "kubernetes.yaml").read_text(encoding="utf-8"))
    pod = job["spec"]["template"]["spec"]
    [node] = pod["containers"]
    environment = {variable["name"]: variable["value"] for variable in node["env"]}
    name = job["metadata"]["name"]
    assert service["metadata"]["name"] == pod["subdomain"] == service["spec"]["selector"]["job-name"] == name
    assert environment["HEAD"] == f"{name}-0.{name}" and environment["NODES"] == str(job["spec"]["completions"])
    assert environment["ROUND"] in yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["rounds"]
    [script] = node["args"]
    subprocess.run(["bash", "-n", "-c", script], check=True)
    for variable, value in JOB.items():
        monkeypatch.setenv(variable, value)
    command = script[script.index("torchrun") :].replace("\\\n", "")
    assert script.count("python -m minimoe repro") == 1 and pod["terminationGracePeriodSeconds"] >= SAVING
    assert int(environment[GRACE]) <= pod["terminationGracePeriodSeconds"]
    joined = torchrun(shlex.split(os.path.expandvars(command)))
    assert (joined.nnodes, joined.training_script, joined.master_port) == ("4", "stages.distill", 29500)


def test_the_slurm_job_is_a_script():
    script = DOCS / "slurm.sbatch"
    subprocess.run(["bash", "-n", script], check=True)
    options = re.findall(r"(?m)^#SBATCH --([\w-]+)", script.read_text(encoding="utf-8"))
    assert {"nodes", "ntasks-per-node", "gpus-per-node", "signal"} <= set(options)
    lines = script.read_text(encoding="utf-8").splitlines()
    for name, value in {"HEAD": "first", "SRUN_CPUS_PER_TASK": "64"}.items():
        [line] = [line for line in lines if line.startswith(f"export {name}=")]
        tools = "scontrol() { echo first; }; SLURM_CPUS_PER_TASK=64 SLURM_JOB_NODELIST=first"
        done = subprocess.run(["bash", "-c", f"{tools}\n{line}\necho ${name}"], capture_output=True, text=True)
        assert done.stdout == f"{value}\n"
