"""study/run: measures what is missing and writes docs/study.md."""

from __future__ import annotations

import argparse
import fnmatch
import os
import pathlib
import sys

import cells
from bench import ROOT, Bench, Missing
from cell import Cell


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="study/run",
        description="Measures the cells that are missing or of another version, one file of "
        "study/results each, and writes docs/study.md. May be stopped and started again.",
    )
    parser.add_argument("--only", nargs="+", metavar="PATTERN", help="cells of these names, as in cifar10-*")
    parser.add_argument("--again", action="store_true", help="measure also what is there")
    parser.add_argument("--train-only", action="store_true", help="train the networks, measure nothing")
    parser.add_argument("--list", action="store_true", help="name the cells and what is missing")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared" / "data",
                        help="folder of the archives of images")  # fmt: skip
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "study-work",
                        help="runs and unpacked data (study-work)")  # fmt: skip
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="of the training")
    return parser.parse_args()


def chosen(patterns: list[str] | None) -> list[Cell]:
    every = cells.all_cells()
    if patterns is None:
        return every
    found = [c for c in every if any(fnmatch.fnmatch(c.name, pattern) for pattern in patterns)]
    if not found:
        sys.exit(f"study/run: no cell is named {' or '.join(patterns)}; --list names them")
    return found


def main() -> None:
    options = parse()
    command = pathlib.Path(os.environ.get("P2P_COMMAND", ROOT / "build" / "p2p")).resolve()
    if not command.exists():
        sys.exit(f"study/run: {command} is not there; build it, or name another in P2P_COMMAND")
    bench = Bench(command, options.work.resolve(), options.data.resolve(), options.device)
    version = bench.version()
    for cell in chosen(options.only):
        done = cell.is_done(version) and not options.again
        if options.list:
            print(f"{cell.name:28} {'measured' if done else 'missing'}")
        elif not done:
            print(f"{cell.name} ...", file=sys.stderr)
            try:
                numbers = cell.run(bench)
            except Missing as why:
                print(f"{cell.name}: left out: {why}", file=sys.stderr)
                continue
            cell.keep(numbers)
            print(f"{cell.name}: measured in {numbers['seconds']} s", file=sys.stderr)


if __name__ == "__main__":
    main()
