"""The command line: `minimoe`, or `python -m minimoe`."""

import argparse
import os
import time

from minimoe.system.errors import exit_cleanly
from minimoe.system.interrupts import end_with_starter

WHOLE = """\
Distill encoders: from a Wikipedia dump and a teacher to small students and their GLUE and CoNLL tables.

  minimoe init             in an empty folder, set up the sample
  minimoe repro            run it, some ten minutes on two cores, and print the table of results
  minimoe ui               see the curves of all runs
  minimoe profile small    write the params.yaml of another run; edit it, then minimoe repro

minimoe COMMAND --help says more."""
INIT = """\
Set up this folder to run the pipeline. Then edit params.yaml and `minimoe repro`.

These are written, unless they exist already:
  params.yaml    all settings of a run; at first those of the sample
  profiles/      other runs, as differences from the sample (minimoe profile)
  dvc.yaml       the graph of stages
  data/sample/   a small corpus and small tasks
  .dvc/, .git/   DVC's and git's folders, where the folder is not in a repository
These are links to the installed package, so that DVC reruns a stage when an upgrade changes its code:
  stages/, src/minimoe/"""
REPRO = """\
Run all stages that are not up to date, as `dvc repro` does, but rounds and finetuning in parallel. Print the results.
After an edit of params.yaml only the stages that depend on it run. A run that was killed continues.

  minimoe repro                        all stages; tables are written to reports/, models to models/
  minimoe repro distill@base           only this stage, not those it depends on
  minimoe repro records teacher        only these stages"""
PROFILE = """\
Write params.yaml for a profile: all settings of profiles/sample.yaml, changed as profiles/NAME.yaml says.
If params.yaml has edits that are in neither the last commit nor a profile, it is not overwritten.

  minimoe profile                      list the profiles
  minimoe profile paper_base           the paper's rows with bert-base-uncased as teacher"""
UI = """\
Serve MLflow's pages, with the curves and params of all runs, on this machine alone, until Ctrl-C.

  minimoe ui                           on http://127.0.0.1:5000
  minimoe ui --port 8000"""
PLAN = """\
Print what each stage that is not up to date will read and write, and how long it will take, for the present
params.yaml. A trial of half a minute measures the speed of this machine. No stage is run, nothing is downloaded.

  minimoe plan
  minimoe plan --gpu h100 --devices 8                      for such a machine, estimated
  minimoe plan --sequences-per-second 900 --devices 8      for another machine with this speed"""
CONVERT = """\
Write each model of a checkpoint released by the authors of MiniMoE as a Hugging Face folder below DST.

  minimoe convert released models/bert-base-minimoe-3L-384H"""

PUSH = """\
Upload a student and its card to the Hugging Face hub, as one commit. Nothing else ever uploads anything.
Of a repository that is there, README.md and what an earlier push left are replaced or removed; all other files stay.
One that holds another model is refused.

  minimoe push base/minilm-2L-72H your-name/minilm-2L-72H              a repository that only you see
  minimoe push base/minilm-2L-72H your-name/minilm-2L-72H --public --license apache-2.0"""


def main() -> None:
    """Run the command that the command line names."""
    exit_cleanly(_main)


def _main() -> None:
    arguments = vars(_parser().parse_args())
    arguments.pop("command")(**arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("minimoe", description=WHOLE, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(name: str, run, summary: str, description: str) -> argparse.ArgumentParser:
        raw = argparse.RawDescriptionHelpFormatter
        command = commands.add_parser(name, help=summary, description=description, formatter_class=raw)
        command.set_defaults(command=run)
        return command

    add("init", _init, "set up this folder to run the pipeline", INIT)
    command = add("repro", _repro, "run the pipeline and show the results", REPRO)
    command.add_argument(
        "stages", nargs="*", metavar="STAGE", help="run only these, such as distill@base; default: all"
    )
    command = add("profile", _profile, "write the params.yaml of another run", PROFILE)
    command.add_argument("name", nargs="?", metavar="NAME", help="the profile; without it: list all")
    command.add_argument("--force", action="store_true", help="overwrite edits of params.yaml")
    command = add("plan", _plan, "print what a run will read, write and take", PLAN)
    given = "speed of the first round, teacher and students together, on one device; default: measured by the trial"
    command.add_argument("--sequences-per-second", dest="given", type=float, metavar="N", help=given)
    command.add_argument("--gpu", metavar="KIND", help="estimate the speeds of this GPU, such as h100; no trial")
    command.add_argument(
        "--devices", type=int, metavar="N", help="number of devices of a round; default: as runtime.launcher says"
    )
    command.add_argument("--online", action="store_true", help="ask the server of the dump for its size")
    command.add_argument("--json", metavar="FILE", help="also write the numbers to this file")
    command = add("ui", _ui, "serve MLflow on this machine", UI)
    command.add_argument("--port", type=_port, default=5000, metavar="N", help="from 1 to 65535; default: 5000")
    command = add("convert", _convert, "convert a checkpoint released by the authors of MiniMoE", CONVERT)
    command.add_argument("source", metavar="SRC", help="the released folder: config, weights, vocabulary")
    command.add_argument("out", metavar="DST", help="a new folder")
    command = add("push", _push, "upload a student and its card to the Hugging Face hub", PUSH)
    command.add_argument("student", metavar="ROUND/STUDENT", help="a student of params.yaml, up to date")
    command.add_argument("repository", metavar="NAMESPACE/NAME", help="on the hub; made if it is not there")
    command.add_argument("--public", action="store_true", help="make the repository one that everyone sees")
    command.add_argument("--license", metavar="ID", help="in place of the card's, such as apache-2.0")
    return parser


# Each imports what it needs when it runs: the help, and a mistyped command, wait for no library.


def _init() -> None:
    from minimoe.pipeline.init import init

    init(".")


def _repro(stages: list[str]) -> None:
    from minimoe.pipeline.repro import repro

    if "MAKELEVEL" in os.environ:  # else it may outlive who started it, as under nohup
        end_with_starter()
    repro(stages)


def _profile(name: str | None, force: bool) -> None:
    from minimoe.pipeline.profiles import names, select

    if name is None:
        print("\n".join(names(".")))
    else:
        select(name, ".", force=force)


def _plan(**options) -> None:
    start = time.perf_counter()
    from minimoe.plan.run import plan

    plan(".", start=time.perf_counter() - start, **options)


def _ui(port: int) -> None:
    from minimoe.pipeline.repro import ui

    ui(port)


def _convert(source: str, out: str) -> None:
    from minimoe.convert.checkpoint import convert

    convert(source, out)


def _push(student: str, repository: str, public: bool, license: str | None) -> None:
    from minimoe.publish.push import push

    push(student, repository, license, public)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 16):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 65535, got {text!r}")
    return int(text)


if __name__ == "__main__":
    main()
