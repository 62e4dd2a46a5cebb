"""Cells of text: Debian packages told apart by the words of their one-line descriptions."""

from __future__ import annotations

import collections
import hashlib
import pathlib
import re
import struct
import subprocess
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import images
import numpy as np
import numpy.typing as npt
import scores
from corrections import measure_corrections
from judge import judge

from bench import Bench, MissingError

_FIELD = re.compile(r"(Package|Source|Section|Description): (\S.*)")
_WORD = re.compile(r"[a-z0-9+#]+")


class Package(NamedTuple):
    """What is used of a package."""

    name: str
    source: str
    section: str
    description: str


def digest(text: str) -> int:
    """64 bits that are the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def packages(dump: str) -> list[Package]:
    """Of the paragraphs of `apt-cache dumpavail` the first of each package."""
    found: dict[str, Package] = {}
    for paragraph in dump.split("\n\n"):
        matches = map(_FIELD.match, paragraph.splitlines())
        fields = {match[1]: match[2] for match in matches if match}
        if {"Package", "Section", "Description"} <= fields.keys():
            name = fields["Package"]
            source = fields.get("Source", name).split()[0]
            section = fields["Section"].rpartition("/")[2]
            found.setdefault(name, Package(name, source, section, fields["Description"]))
    return list(found.values())


def one_of_each_source(these: list[Package]) -> list[Package]:
    """The package with the smallest digest of each source: those of one source share words."""
    chosen: dict[str, Package] = {}
    for package in sorted(these, key=lambda p: digest(p.name)):
        chosen.setdefault(package.source, package)
    return sorted(chosen.values())


def of_large_sections(these: list[Package], least: int) -> list[Package]:
    sizes = collections.Counter(p.section for p in these)
    return [p for p in these if sizes[p.section] >= least]


def is_test(package: Package, share: float) -> bool:
    return digest(f"test {package.source}") < share * 2**64


def hashed(description: str, buckets: int) -> npt.NDArray[np.uint8]:
    """255 in the bucket of each word and of each pair of words that follow each other."""
    words = _WORD.findall(description.lower())
    pairs = [f"{a} {b}" for a, b in pairwise(words)]
    pixels = np.zeros(buckets, np.uint8)
    pixels[[digest(word) % buckets for word in words + pairs]] = 255
    return pixels


def write_idx(
    folder: pathlib.Path, part: str, pixels: npt.NDArray[np.uint8], labels: list[int]
) -> None:
    """Square images and their labels as MNIST has them."""
    side = int(pixels.shape[1] ** 0.5)
    start = struct.pack(">4I", 0x803, len(pixels), side, side)
    (folder / f"{part}-images-idx3-ubyte").write_bytes(start + pixels.tobytes())
    start = struct.pack(">2I", 0x801, len(labels))
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(start + bytes(labels))


def available() -> tuple[str, str]:
    """Descriptions of all packages that this machine knows, and the newest date of their lists."""
    try:
        dump = subprocess.run(
            ["apt-cache", "dumpavail"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        raise MissingError("there is no apt-cache, so no descriptions of Debian packages") from None
    dates = []
    for file in pathlib.Path("/var/lib/apt/lists").glob("*InRelease"):
        match = re.search(r"^Date: \w+, (\d+) (\w+) (\d+)", file.read_text(), re.MULTILINE)
        if match:
            dates.append(f"{match[3]}-{MONTHS.index(match[2]) + 1:02}-{int(match[1]):02}")
    return dump.stdout, max(dates, default="unknown")


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def sample(options: Mapping[str, Any]) -> tuple[list[Package], list[str], dict[str, Any]]:
    """One package of each source, the sections from the largest down, and what they are of."""
    dump, date = available()
    every = packages(dump)
    used = of_large_sections(one_of_each_source(every), options["least"])
    sizes = collections.Counter(p.section for p in used)
    snapshot = {
        "lists": date,
        "packages": len(every),
        "used": len(used),
        "sections": dict(sizes.most_common()),
        "sha256": hashlib.sha256("\n".join(map("\t".join, used)).encode()).hexdigest(),
    }
    return used, [section for section, _ in sizes.most_common()], snapshot


def data_set(bench: Bench, options: Mapping[str, Any]) -> dict[str, Any]:
    """Writes the idx folder; what it was made of."""
    used, sections, snapshot = sample(options)
    folder = bench.work / "data" / "text"
    folder.mkdir(parents=True, exist_ok=True)
    for part, wanted in (("train", False), ("t10k", True)):
        rows = [p for p in used if is_test(p, options["test"]) == wanted]
        pixels = np.stack([hashed(p.description, options["buckets"]) for p in rows])
        write_idx(folder, part, pixels, [sections.index(p.section) for p in rows])
    return snapshot


def natural(bench: Bench, model: scores.Model) -> dict[str, Any]:
    """Test rows, which follow the training prior, corrected to that prior."""
    with judge(bench, model) as j:
        prior = j.prior(j.files["train"])
        held_out = j.prior(j.files["holdout"], "--rows", "holdout")
        test = j.files["test"]
        to = ("--target", "empirical")
        auto, said = j.correct(test, prior, "--method", "auto", "--objective", "accuracy", *to,
                               *j.held_out())  # fmt: skip
        return {
            "none": j.evaluate(test),
            "p2p": j.correct(test, prior, *to)[0],
            "p2p (holdout)": j.correct(test, held_out, *to)[0],
            "auto": auto,
            "choice": {"method": said["method"], "verdict": said["selection"]["verdict"]},
        }


def measure(bench: Bench, name: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Trains, if that is not done, keeps the scores that are to be kept, and measures."""
    snapshot = data_set(bench, options)
    model = scores.of_run(images.train(bench, name, options))
    if options.get("keep"):
        model.save(images.KEPT_SCORES / f"{name}.npz", ["train", "holdout", "test"])
    return {
        "snapshot": snapshot,
        **measure_corrections(bench, model),
        "natural": natural(bench, model),
    }
