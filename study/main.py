"""study/run: measures what is missing and writes docs/study.md."""

from __future__ import annotations

import argparse
import concurrent.futures
import fnmatch
import math
import os
import pathlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import cells
import corrections
import images
import scores
from cell import Cell, rounded

from bench import ARCHIVES, ROOT, Bench, MissingError

#: Numbers agree when they differ by less than this share, or by less than this.
TOLERANCE = 1e-3


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="study/run",
        description="Measures the cells that are missing or of another version, one file of "
        "study/results each, and writes docs/study.md. May be stopped and started again.",
        epilog="Examples: study/run --data FOLDER --check --only cifar10-ce-0-s0 trains one "
        "network and says whether its numbers are the kept ones. study/run --quick asks that of "
        "all kept scores, without images and training.",
    )
    parser.add_argument(
        "--only", nargs="+", metavar="PATTERN", help="cells of these names, as in 'cifar10-*'"
    )
    parser.add_argument("--list", action="store_true", help="name the cells, and which are missing")
    parser.add_argument(
        "--commands",
        action="store_true",
        help="print the p2p train of every network that is not trained, to be run elsewhere, on a "
        "GPU say; the folders it makes belong into runs of --work",
    )
    parser.add_argument("--again", action="store_true", help="measure also what is there")
    parser.add_argument(
        "--check",
        action="store_true",
        help="measure, write nothing, name numbers that differ from the kept ones",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="--check of the first seed of what needs no images: kept scores, and all other cells",
    )
    parser.add_argument(
        "--data",
        type=pathlib.Path,
        default=ROOT / "study-work",
        help="folder of the archives of images (study-work)",
    )
    parser.add_argument(
        "--work",
        type=pathlib.Path,
        default=ROOT / "study-work",
        help="runs and unpacked data (study-work)",
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="cells at once (1)")
    return parser.parse_args()


def chosen(options: argparse.Namespace) -> list[Cell]:
    every = cells.all_cells()
    if not (options.check or options.quick):
        every += cells.further_cells()
    patterns: list[str] | None = options.only
    if patterns is None:
        return every
    found = [c for c in every if any(fnmatch.fnmatch(c.name, pattern) for pattern in patterns)]
    if not found:
        sys.exit(f"study/run: no cell is named {' or '.join(patterns)}; --list names them")
    return found


def differing(kept: Any, found: Any, place: str = "") -> Iterator[str]:
    """What differs, of what both have: a place and the two values."""
    if isinstance(kept, Mapping) and isinstance(found, Mapping):
        for key in kept.keys() & found.keys():
            yield from differing(kept[key], found[key], f"{place}/{key}")
    elif isinstance(kept, list) and isinstance(found, list):
        for index, (a, b) in enumerate(zip(kept, found, strict=False)):
            yield from differing(a, b, f"{place}/{index}")
    elif isinstance(kept, float) and isinstance(found, float):
        if not math.isclose(kept, found, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{place}: kept {kept}, now {found}"
    elif kept != found:
        yield f"{place}: kept {kept}, now {found}"


def compared(kept: Any, found: Any) -> int:
    """How many values both have."""
    if isinstance(kept, Mapping) and isinstance(found, Mapping):
        return sum(compared(kept[key], found[key]) for key in kept.keys() & found.keys())
    if isinstance(kept, list) and isinstance(found, list):
        return sum(compared(a, b) for a, b in zip(kept, found, strict=False))
    return 1


def check(cell: Cell, results: Any) -> bool:
    """Says whether these are the kept results, as far as they were measured again."""
    stored = cell.stored()
    if stored is None:
        print(f"{cell.name}: no results are kept")
        return False
    found = sorted(differing(stored["results"], results))
    again, every = (compared(stored["results"], r) for r in (results, stored["results"]))
    words = f"{len(found)} differ" if found else "all as kept"
    print(f"{cell.name}: {again} of {every} values measured again, {words}")
    for line in found[:10]:
        print(f"  {line}")
    return not found


def is_left_out(options: Mapping[str, Any]) -> bool:
    """Whether --quick leaves a cell out: of images, of cells of images, or of another seed."""
    return options.get("data") in ARCHIVES or "cells" in options or options.get("seed", 0) != 0


def quick_results(cell: Cell, bench: Bench) -> Any:
    """Results without images, of the first seed: None for a network that needs images."""
    if "seeds" in cell.options:
        return rounded(cell.measure(bench, {**cell.options, "seeds": 1}))
    if "train" not in cell.options:
        return None if is_left_out(cell.options) else cell.run(bench)["results"]
    file = images.KEPT_SCORES / f"{cell.name}.npz"
    if cell.options["train"]["seed"] != 0 or not file.exists():
        return None
    return rounded(corrections.measure_model(bench, scores.load(file)))


def measure(cell: Cell, bench: Bench) -> None:
    print(f"{cell.name} ...", file=sys.stderr)
    numbers = cell.run(bench)
    cell.keep(numbers)
    print(f"{cell.name}: measured in {numbers['seconds']} s", file=sys.stderr)


def main() -> int:
    options = parse()
    command = pathlib.Path(os.environ.get("P2P_COMMAND", ROOT / "build" / "p2p")).resolve()
    if not command.exists():
        sys.exit(f"study/run: {command} is not there; build it, or name another in P2P_COMMAND")
    bench = Bench(command, options.work.resolve(), options.data.resolve())
    bench.work.mkdir(parents=True, exist_ok=True)
    version = bench.version()
    these = chosen(options)
    if options.list:
        for cell in these:
            print(f"{cell.name:28} {'measured' if cell.is_done(version) else 'missing'}")
        return 0

    if options.commands:
        for cell in these:
            if images.is_of_images(cell.options) and not images.is_trained(bench, cell.name):
                print(images.command_line(bench, cell.name, cell.options))
        return 0

    def work(cell: Cell) -> bool:
        try:
            if options.quick:
                results = quick_results(cell, bench)
                return results is None or check(cell, results)
            if options.check:
                return check(cell, cell.run(bench)["results"])
            if options.again or not cell.is_done(version):
                measure(cell, bench)
        except MissingError as why:
            print(f"{cell.name}: left out: {why}", file=sys.stderr)
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        done = list(pool.map(work, these))
    if all(done) and not (options.check or options.quick):
        write_page()
    return 0 if all(done) else 1


def write_page() -> None:
    """The page and its figures, once every cell has results."""
    import boundaries
    import figures
    import page

    if lacking := [cell.name for cell in cells.all_cells() if cell.stored() is None]:
        print(
            f"study/run: docs/study.md waits for {len(lacking)} cells: {', '.join(lacking)}",
            file=sys.stderr,
        )
        return
    figures.write()
    boundaries.boundaries()
    page.write()


if __name__ == "__main__":
    sys.exit(main())
