"""Bring stages up to date with DVC's own code in this process, their commands run in forks of it.

DVC has no public way to change how it starts a command, or to write dvc.lock once for several stages. So this file uses
parts of DVC 3.67 that are its own (tested with 3.67.1; pyproject.toml admits no later minor version). Where one of
these parts is gone, every stage is run by the program `dvc repro`.
"""

import os
import re
import runpy
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from inspect import signature
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

from minimoe.system import interrupts
from minimoe.system.errors import INTERRUPTED
from minimoe.system.interrupts import end_with

FORK = get_context("fork")
# Elsewhere a process that has loaded such libraries may not fork, and DVC starts every command itself.
WARM = sys.platform == "linux"
ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
COMMAND = re.compile(r"python -m (stages\.\w+)((?: [\w./-]+)*)")  # what can be forked; anything else DVC starts
SIGHT_SECONDS = 90  # in which this machine sees what another one has written to a shared folder
WRITE_SECONDS = 60  # between two rewritings of dvc.lock by cells; what is finished in between is in DVC's run cache
POOL = "joblib.externals.loky.reusable_executor"  # its processes go with a process that ends, but not with a fork
PARTS = {  # of DVC, with the arguments that are passed to them here
    "dvc.stage.run:cmd_run": ("stage", "dry", "run_env"),
    "dvc.stage.run:prepare_kwargs": ("stage", "run_env"),
    "dvc.stage.exceptions:StageCmdFailedError": (),
    "dvc.repo:lock_repo": ("repo",),
    "dvc.repo:Repo": ("_wait_for_lock",),
    "dvc.dvcfile:ProjectFile.dump_stages": ("update_pipeline",),
}


def forked(function: Callable, *arguments) -> BaseProcess:
    """A fork that runs a function and ends without a word when it is interrupted; `begin` starts it."""
    return FORK.Process(target=_quietly, args=(function, *arguments))


def begin(process: BaseProcess) -> None:
    """Start a fork; what interrupts comes before it, or when the fork can end without a word."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def _quietly(function: Callable, *arguments) -> None:
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        function(*arguments)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def as_main(module: str, arguments: list[str]) -> None:
    """As `python -m module arguments` in the working folder."""
    sys.argv = [module, *arguments]
    sys.path.insert(0, str(Path.cwd()))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def bring_up_to_date(
    names: Iterator[str],
    start: Callable[[str, list[str]], None] = as_main,
    tell: Callable[[tuple[str, float | None]], None] = lambda done: None,
    ends: bool = False,
) -> bool:
    """Bring stages up to date, one after another; returns whether one failed.

    Args:
        names: of the stages.
        start: runs a stage's module with its arguments in a fork of this process, in the stage's folder and
            environment: here, or on another machine.
        tell: is called with every stage that is up to date now, and the seconds that it took if it was not before.
        ends: one that fails ends all; otherwise it stops no other.
    """
    if not _has_parts():
        return _by_program(names, tell, ends)
    import dvc.stage.run
    from dvc.repo import Repo

    dvc.stage.run.cmd_run = partial(_command, dvc.stage.run.cmd_run, start)
    with Repo(_wait_for_lock=True) as repo:
        return _in_process(repo, names, tell, ends)


def _has_parts() -> bool:
    """Whether this version of DVC has the parts that are used here."""
    for place, arguments in PARTS.items():
        module, _, path = place.partition(":")
        try:
            part = import_module(module)
            for name in path.split("."):
                part = getattr(part, name)
        except (ImportError, AttributeError):
            return False
        if not set(arguments) <= set(signature(part).parameters):
            return False
    return True


def _by_program(names: Iterator[str], tell: Callable[[tuple[str, float | None]], None], ends: bool) -> bool:
    print("this version of DVC is another than expected: every stage is run by `dvc repro`", file=sys.stderr)
    failed = False
    for name in names:
        command, began = (
            [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", name],
            time.monotonic(),
        )
        if not interrupts.run(command, lambda process: process.terminate()):
            tell((name, time.monotonic() - began))
        elif ends:
            return True
        else:
            failed = True
    return failed


def _in_process(repo, names: Iterator[str], tell: Callable[[tuple[str, float | None]], None], ends: bool) -> bool:
    from dvc.exceptions import DvcException
    from dvc.repo import lock_repo

    failed = False
    with lock_repo(repo):
        stages = {stage.addressing: stage for stage in repo.index.stages}
    # a stage may read in dvc.lock what those before it have made
    with _lock_file(repo, 0.0 if ends else WRITE_SECONDS) as write:
        for name in names:
            began = time.monotonic()
            try:
                with lock_repo(repo):
                    write(ran := stages[name].reproduce())
            except DvcException as error:
                print(f"error: {name}: {error}", file=sys.stderr, flush=True)
                failed = True
                if ends:
                    break
            else:
                tell((name, time.monotonic() - began if ran else None))
    return failed


@contextmanager
def _lock_file(repo, every: float) -> Iterator[Callable]:
    """Writes stages into dvc.lock every so many seconds, because the whole file is read and written each time."""
    from dvc.repo import lock_repo

    waiting, written = [], time.monotonic()

    def flush() -> None:
        nonlocal waiting, written
        if waiting:
            waiting[0].dvcfile.dump_stages(waiting, update_pipeline=False)
        waiting, written = [], time.monotonic()

    def write(stage) -> None:
        waiting.extend([stage] if stage else [])
        if time.monotonic() - written >= every:
            flush()

    try:
        yield write
    finally:
        with lock_repo(repo):
            flush()


def _command(usual: Callable, start: Callable, stage, dry: bool = False, run_env: dict | None = None) -> None:
    """Run a stage's command in a fork; in place of `usual`, DVC's own `cmd_run`, which starts a shell for it."""
    from dvc.stage.exceptions import StageCmdFailedError
    from dvc.stage.run import prepare_kwargs

    known = WARM and COMMAND.fullmatch(str(stage.cmd))
    if not known:
        return usual(stage, dry=dry, run_env=run_env)
    print(f"Running stage '{stage.addressing}':", flush=True)
    module, arguments = known.groups()
    where = prepare_kwargs(stage, run_env=run_env)
    work = partial(start, module, arguments.split())
    process = forked(_stage, os.getpid(), work, where["cwd"], where["env"])
    try:
        begin(process)
        process.join()
    except KeyboardInterrupt:
        if process.is_alive():  # it may have come before the fork
            process.terminate()  # the stage closes its run
            process.join()
        raise
    if process.exitcode:
        raise StageCmdFailedError(stage.cmd, process.exitcode)
    if start is not as_main:
        _until_seen([out.fs_path for out in stage.outs])


def _until_seen(paths: list[str]) -> None:
    """Wait for what another machine has written, which NFS may show a minute late."""
    end = time.monotonic() + SIGHT_SECONDS
    while not all(os.path.lexists(path) for path in paths) and time.monotonic() < end:
        time.sleep(1)


def _stage(worker: int, work: Callable[[], None], folder: str, environment: dict[str, str]) -> None:
    """Do the work of a stage in its folder and environment."""
    end_with(worker)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    try:
        work()
    finally:
        pool = sys.modules.get(POOL)
        if pool and pool._executor is not None:  # joblib's idle processes keep this one waiting for five minutes
            pool.get_reusable_executor().shutdown(wait=True)
