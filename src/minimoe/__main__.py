"""`python -m minimoe`: what a user types besides `dvc`.

repro    run the whole pipeline, finetuning cells side by side, and show the results
profile  put one of profiles/ in place of params.yaml
ui       serve MLflow on this machine
plan     print what a run will read, write and take, before it is started
convert  a checkpoint released by the authors of MiniMoE, as folders that load anywhere
"""

import argparse
import os

from minimoe.system.errors import exit_cleanly
from minimoe.system.interrupts import end_with_starter


def main() -> None:
    """Parse the command line and run one command."""
    parser = argparse.ArgumentParser(prog="python -m minimoe", description=__doc__.split("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    whole = commands.add_parser("repro", help="run the whole pipeline and show the results")
    whole.add_argument("stages", nargs="*", help="run these alone, such as distill@base")
    profile = commands.add_parser("profile", help="put one of profiles/ in place of params.yaml")
    profile.add_argument("name", nargs="?", help="without a name: list them")
    profile.add_argument("--force", action="store_true", help="even when edits of params.yaml would be lost")
    ui = commands.add_parser("ui", help="serve MLflow on this machine")
    ui.add_argument("--port", type=_port, default=5000, help="from 1 to 65535")
    convert = commands.add_parser("convert", help="convert a checkpoint released by the authors of MiniMoE")
    convert.add_argument("source", metavar="SRC", help="the released folder: config, weights, vocabulary")
    convert.add_argument("out", metavar="DST", help="a new folder")
    plan = commands.add_parser("plan", help="print what a run will read, write and take")
    given = "of the first round's teacher and students together, on one device; in place of a short trial"
    plan.add_argument("--sequences-per-second", type=float, metavar="N", help=given)
    plan.add_argument("--devices", type=int, metavar="N", help="that a round is shared out to; else by the launcher")
    plan.add_argument("--online", action="store_true", help="ask the dump's server for its size")
    plan.add_argument("--json", metavar="FILE", help="write the numbers there as well")
    arguments = parser.parse_args()
    match arguments.command:
        case "repro":
            from minimoe.pipeline import repro

            if "MAKELEVEL" in os.environ:  # else it may outlive who started it, as under nohup
                end_with_starter()
            repro.repro(arguments.stages)
        case "profile":
            from minimoe.pipeline.profiles import names, select

            if arguments.name is None:
                print("\n".join(names(".")))
            else:
                select(arguments.name, ".", force=arguments.force)
        case "ui":
            from minimoe.pipeline.repro import ui

            ui(arguments.port)
        case "convert":
            from minimoe.convert.write import convert

            convert(arguments.source, arguments.out)
        case "plan":
            from minimoe.plan.run import plan as plan_run

            given, devices = arguments.sequences_per_second, arguments.devices
            plan_run(".", given=given, devices=devices, online=arguments.online, json=arguments.json)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 16):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 65535, got {text!r}")
    return int(text)


if __name__ == "__main__":
    exit_cleanly(main)
