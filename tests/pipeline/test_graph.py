"""dvc.yaml itself: commands and paths exist; what a stage imports and reads is what it declares."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from minimoe.params import Params

ROOT = Path(__file__).parents[2]
STAGES = {
    name: stage.get("do", stage) for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items()
}
# cannot change a result: errors, processes, resuming, params (their values are declared), tracking, loading of folders
INFRASTRUCTURE = {"system", "resume", "pipeline", "params", "tracking", "hub/loading.py", "hub/origin.py"}


def module(stage: str) -> str:
    """Two stages run one module."""
    return "inputs" if stage.startswith("inputs-") else stage.removesuffix("-teachers").replace("-", "_")


def outputs(stage: dict) -> list[str]:
    return [
        next(iter(out)) if isinstance(out, dict) else out for out in stage.get("outs", []) + stage.get("metrics", [])
    ]


def source(module: str) -> Path | None:
    """The file of a module of ours."""
    path = ROOT / ("src" if module.startswith("minimoe") else "") / module.replace(".", "/")
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.exists()), None)


def imported(path: Path) -> set[Path]:
    """Files of ours that `path` imports, at any depth of its code."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(path.relative_to(ROOT / "src").parts[:-1]) if node.level else ""
            module = f"{package}.{node.module}" if node.level else node.module
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return {found for name in names if name.startswith(("minimoe", "stages")) and (found := source(name))}


def reached(name: str) -> set[Path]:
    """Files of ours that a stage can import; of what cannot change a result, those files alone."""
    declared = [ROOT / dependency for dependency in STAGES[name]["deps"]]
    seen, waiting = set(), {ROOT / "stages" / f"{module(name)}.py"}
    while waiting:
        seen |= waiting
        followed = {f for f in waiting if not is_infrastructure(f) or any(f.is_relative_to(code) for code in declared)}
        waiting = {found for file in followed for found in imported(file)} - seen
    return seen


def is_infrastructure(path: Path) -> bool:
    if path == ROOT / "stages" / "_run.py":  # of checkpoints and trackers
        return True
    root = ROOT / "src" / "minimoe"
    inside = path.relative_to(root) if path.is_relative_to(root) else None
    return inside is not None and bool({inside.parts[0], str(inside)} & INFRASTRUCTURE)


@pytest.mark.parametrize("name", STAGES)
def test_command_runs_the_stage_of_that_name(name):
    words = STAGES[name]["cmd"].split()
    assert words[:3] == ["python", "-m", f"stages.{module(name)}"]
    assert (ROOT / "stages" / f"{module(name)}.py").stat().st_size > 0


@pytest.mark.parametrize("name", STAGES)
def test_dependencies_exist_or_are_made_by_another_stage(name):
    made = [out for other in STAGES.values() for out in outputs(other)]
    made += ["metrics", "curves", "models", "predictions", "data/origin"]
    for dependency in STAGES[name]["deps"]:
        if dependency.startswith("${"):
            continue  # a path from params.yaml; the profiles' tests follow those
        assert (ROOT / dependency).exists() or any(dependency.startswith(out.split("/${")[0]) for out in made), (
            dependency
        )


@pytest.mark.parametrize("name", STAGES)
def test_imports_lie_within_the_declared_code(name):
    declared = [ROOT / dependency for dependency in STAGES[name]["deps"]]
    stray = {
        path.relative_to(ROOT)
        for path in reached(name)
        if not is_infrastructure(path)
        and path.name != "__init__.py"
        and not any(path.is_relative_to(code) for code in declared)
    }
    assert not stray


@pytest.mark.parametrize("name", STAGES)
def test_declared_code_is_reached(name):
    files = reached(name)
    for dependency in STAGES[name]["deps"]:
        if dependency.startswith(("src/", "stages/")):
            assert any(path.is_relative_to(ROOT / dependency) for path in files), dependency


@pytest.mark.parametrize("name", STAGES)
def test_settings_read_are_settings_declared(name):
    """A stage reads `runtime` of params.yaml and nothing else; the rest from its own file, which it depends on."""
    if name == "settings":
        assert STAGES[name]["params"] == [key for key in Params.model_fields if key != "runtime"]
        return
    modules = ["finetune", "taught"] if name == "taught" else [module(name)]
    text = "".join((ROOT / "stages" / f"{each}.py").read_text() for each in modules)
    allowed = {("runtime", ""), ("", "runtime")}
    if name == "records":  # a check of later stages' settings, which changes no output
        allowed.add(("measured", ""))
    assert set(re.findall(r"(?<!minimoe\.)\bparams\.(\w+)|load\(\)\.(\w+)", text)) <= allowed
    read = [f"data/settings/{read}.json" for read in re.findall(r'\bsettings\(f?"([^"]+)"\)', text)]
    declared = [path for path in STAGES[name]["deps"] if path.startswith("data/settings")]
    assert [re.sub(r"\{.*?\}", "*", path) for path in read] == [
        re.sub(r"((teachers|tasks|tasks/own)/)?\$\{.*?\}" if name.startswith("inputs") else r"\$\{.*?\}", "*", path)
        for path in declared
    ]
    assert "params" not in STAGES[name]


def test_runtime_is_no_dependency():
    text = (ROOT / "dvc.yaml").read_text()
    assert "runtime" not in text
