"""Cell of a deployed model: Magika, which tells types of files apart, on the files of a machine.

Nobody here trained it and its training counts are not known. The types of files come from names
that leave no doubt. Its scores are kept and measured on; without them the files of this machine
are.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import os
import pathlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from judge import Metrics, kept
from numpy.typing import NDArray
from scores import Array, Part

from bench import ROOT, Bench

KEPT_SCORES = ROOT / "study" / "scores" / "magika" / "posteriors.npz"
ROOTS = ("/usr", "/etc", "/var")
#: What a probability that ONNX Runtime rounds to 0 is taken for.
LEAST = 1e-38
#: A file of fewer bytes the package answers without the model.
LEAST_BYTES = 8

#: Types, as Magika names them, by endings that mean one type on a Linux machine. So .h, .txt, .pl,
#: .in, .conf, .pth, .crt and many more are not here.
TYPES = {
    "bat": "batch", "bmp": "bmp", "c": "c", "cc": "cpp", "cjs": "javascript", "cmake": "cmake",
    "cpp": "cpp", "css": "css", "csv": "csv", "cxx": "cpp", "deb": "deb", "exe": "pebin",
    "f90": "fortran", "gif": "gif", "gz": "gzip", "hpp": "cpp", "html": "html", "ico": "ico",
    "ini": "ini", "ipynb": "ipynb", "jar": "jar", "jpeg": "jpeg", "jpg": "jpeg",
    "js": "javascript", "json": "json", "m4": "m4", "md": "markdown", "mjs": "javascript",
    "npy": "npy", "npz": "npz", "o": "elf", "onnx": "onnx", "pas": "pascal", "pdf": "pdf",
    "pem": "pem", "php": "php", "pm": "perl", "png": "png", "po": "po", "proto": "proto",
    "ps": "postscript", "ps1": "powershell", "py": "python", "pyc": "pythonbytecode",
    "pyi": "python", "rst": "rst", "sh": "shell", "so": "elf", "sql": "sql", "svg": "svg",
    "tcl": "tcl", "toml": "toml", "ttf": "ttf", "wav": "wav", "xml": "xml", "yaml": "yaml",
    "yml": "yaml",
}  # fmt: skip

_LIBRARY = re.compile(r"\.so(\.\d+)*$")


def type_of(name: str) -> str | None:
    """The type of a file by its name; None where the name leaves a doubt."""
    if _LIBRARY.search(name):
        return "elf"
    stem, dot, ending = name.rpartition(".")
    return TYPES.get(ending.lower()) if stem and dot else None


def files(roots: Iterable[str]) -> Iterator[tuple[pathlib.Path, str]]:
    """Files with types, links aside."""
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in names:
                path = pathlib.Path(folder, name)
                kind = type_of(name)
                if kind and not path.is_symlink() and os.access(path, os.R_OK):
                    yield path, kind


def digest_of(path: pathlib.Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as opened:
        while piece := opened.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def distinct(found: Iterable[tuple[pathlib.Path, str]]) -> list[tuple[str, pathlib.Path, str]]:
    """Digest, path and type of one file for each content, in the order of the digests."""
    contents: dict[str, tuple[pathlib.Path, str]] = {}
    for path, kind in sorted(found):
        with contextlib.suppress(OSError):
            if path.stat().st_size >= LEAST_BYTES:
                digest = digest_of(path)
                contents.setdefault(digest, (path, kind))
    return [(digest, *contents[digest]) for digest in sorted(contents)]


def alternating(rows: list[Any]) -> tuple[list[Any], list[Any]]:
    return rows[::2], rows[1::2]


def samples(
    rows: list[tuple[str, pathlib.Path, str]], options: Mapping[str, Any]
) -> dict[str, list[tuple[pathlib.Path, str]]]:
    """Rows as they are on the machine, and as many as there are up to a cap of each type.

    The order is that of the digests of their contents, so both are random samples. Each has two
    halves: to learn from, and to judge on.
    """
    plain = [(path, kind) for _, path, kind in rows]
    natural = plain[: options["natural"]]
    by_type: dict[str, list[tuple[pathlib.Path, str]]] = {}
    for path, kind in plain[options["natural"] :]:
        by_type.setdefault(kind, []).append((path, kind))
    capped: dict[str, list[tuple[pathlib.Path, str]]] = {"holdout": [], "test": []}
    for kind in sorted(by_type):
        these = by_type[kind][: options["cap"]]
        if len(these) >= options["least"]:
            for half, part in zip(capped, alternating(these), strict=True):
                capped[half] += part
    learn, judge_on = alternating(natural)
    return {
        "natural_holdout": learn,
        "natural_test": judge_on,
        "capped_holdout": capped["holdout"],
        "capped_test": capped["test"],
    }


def score(paths: list[pathlib.Path]) -> tuple[NDArray[np.float64], list[str], list[bool]]:
    """Log posteriors, their classes, and for which paths the package used the model at all."""
    from magika import Magika
    from magika.types import Seekable

    magika = Magika()
    labels = [str(label) for label in magika._target_labels_space]
    features, used = [], []
    for path in paths:
        with path.open("rb") as stream:
            _, found = magika._get_result_or_features_from_seekable(Seekable(stream), path)
        used.append(found is not None)
        if found is not None:
            features.append((path, found))
    posteriors = np.array(magika._get_raw_predictions(features))
    return np.log(np.maximum(posteriors, LEAST)), labels, used


def collect(options: Mapping[str, Any]) -> dict[str, Array]:
    """Scores, types and sizes of the files of this machine."""
    rows = distinct(files(ROOTS))
    arrays: dict[str, Array] = {}
    for name, these in samples(rows, options).items():
        scores, labels, used = score([path for path, _ in these])
        kinds = [kind for (_, kind), is_used in zip(these, used, strict=True) if is_used]
        arrays[f"{name}_scores"] = scores.astype(np.float16)
        arrays[f"{name}_labels"] = np.array([labels.index(kind) for kind in kinds], np.int16)
        arrays["classes"] = np.array(labels)
    sizes = collections.Counter(kind for _, _, kind in rows)
    arrays["machine"] = np.array([sizes[str(kind)] for kind in arrays["classes"]], np.int64)
    return arrays


def kept_scores(options: Mapping[str, Any]) -> dict[str, Array]:
    if not KEPT_SCORES.exists():
        KEPT_SCORES.parent.mkdir(parents=True, exist_ok=True)
        with KEPT_SCORES.open("wb") as out:
            np.savez_compressed(out, **collect(options))  # type: ignore[arg-type]
    with np.load(KEPT_SCORES) as arrays:
        return dict(arrays)


def gains(before: Array, after: Array, labels: Array) -> dict[str, list[float]]:
    """Paired differences of accuracy and balanced accuracy with half their 95 % intervals."""
    difference = (after == labels).astype(float) - (before == labels)
    of_class = [difference[labels == c] for c in np.unique(labels)]
    half = 1.96 * np.sqrt(difference.var(ddof=1) / len(labels))
    variances = [d.var(ddof=1) / len(d) for d in of_class if len(d) > 1]
    return {
        "accuracy": [float(difference.mean()), float(half)],
        "balanced_accuracy": [
            float(np.mean([d.mean() for d in of_class])),
            float(1.96 * np.sqrt(np.sum(variances)) / len(of_class)),
        ],
    }


class Files:
    """The samples as files, and p2p on them.

    Parameters
    ----------
    bench
        Runs p2p.
    arrays
        Of `collect`.
    folder
        For the files.
    """

    def __init__(self, bench: Bench, arrays: Mapping[str, Array], folder: pathlib.Path) -> None:
        self.bench, self.folder = bench, folder
        self.labels: dict[str, Array] = {}
        for name in SAMPLES:
            part = Part(arrays[f"{name}_scores"], arrays[f"{name}_labels"])
            self.labels[name] = part.labels
            np.save(self.scores(name), part.scores)
            np.save(self.labels_file(name), part.labels)

    def scores(self, name: str) -> pathlib.Path:
        return self.folder / f"{name}.npy"

    def labels_file(self, name: str) -> pathlib.Path:
        return self.folder / f"{name}-labels.npy"

    def prior(self, name: str, *options: object) -> pathlib.Path:
        """Mean posterior of a sample without its labels, and without counts."""
        out = self.folder / f"prior-{len(list(self.folder.iterdir()))}.json"
        self.bench.p2p("estimate", self.scores(name), "--rows", "holdout", *options, "--input",
                       "logits", "-o", out, "--quiet")  # fmt: skip
        return out

    def held_out(self, name: str) -> list[object]:
        return ["--holdout", self.scores(name), "--holdout-labels", self.labels_file(name)]

    def correct(self, place: str, *options: object) -> tuple[Array, Metrics, Any]:
        """Predictions, metrics and what p2p said."""
        out = self.folder / "corrected.npy"
        said = self.bench.ask("correct", self.scores(place), *options, "--input", "logits", "-o",
                              out, "--quiet")  # fmt: skip
        metrics = self.bench.ask("evaluate", out, "--labels", self.labels_file(place), "--input",
                                 "logits", "--quiet")  # fmt: skip
        return np.load(out).argmax(axis=1), kept(metrics), said


SAMPLES = ("natural_holdout", "natural_test", "capped_holdout", "capped_test")
PLACES = ("natural_test", "capped_test")


def ways(f: Files, machine: NDArray[np.int64]) -> dict[str, list[object]]:
    """Options of p2p correct of every correction that can be made without training counts."""
    absent: list[object] = list(np.flatnonzero(machine == 0))
    present_alike = f.folder / "target.txt"
    np.savetxt(present_alike, (machine > 0) / np.count_nonzero(machine))
    to_present = ["--target", present_alike]
    natural, capped = f.prior("natural_holdout"), f.prior("capped_holdout")
    present = f.prior("natural_holdout", "--exclude", *absent)
    unlabelled = ["--unlabelled", f.scores("natural_holdout")]
    auto = ["--prior", natural, "--method", "auto"]
    return {
        "none": ["--prior", natural, "--method", "none"],
        "p2p (natural)": ["--prior", natural],
        "p2p (natural, absent types left alone)": ["--prior", present],
        "p2p (capped)": ["--prior", capped],
        "p2p (natural, to types of the machine)": ["--prior", natural, *to_present],
        "em": ["--prior", capped, "--method", "em", *unlabelled, "--allow-unconverged"],
        "map-em": ["--prior", capped, "--method", "map-em", *unlabelled, "--allow-unconverged"],
        "auto (no labels)": auto,
        "auto (natural)": [*auto, *f.held_out("natural_holdout")],
        "auto (natural, accuracy)": [*auto, *f.held_out("natural_holdout"), "--objective",
                                     "accuracy"],
        "auto (capped)": [*auto, *f.held_out("capped_holdout")],
        "auto (capped, balanced accuracy)": [*auto, *f.held_out("capped_holdout"), "--objective",
                                             "balanced-accuracy"],
        "auto (natural, to types of the machine)": [*auto, *f.held_out("natural_holdout"),
                                                    *to_present],
        "auto (capped, to types of the machine)": [*auto, *f.held_out("capped_holdout"),
                                                   *to_present],
    }  # fmt: skip


def at_place(f: Files, place: str, options: Mapping[str, list[object]]) -> dict[str, Any]:
    labels = f.labels[place]
    before, _, _ = f.correct(place, *options["none"])
    found = {}
    for name, words in options.items():
        after, metrics, said = f.correct(place, *words)
        numbers = {key: metrics[key] for key in ("accuracy", "balanced_accuracy", "nll", "ece")}
        found[name] = {**numbers, "gains": gains(before, after, labels)}
        if "selection" in said:
            chosen = said["selection"]
            found[name] |= {"verdict": chosen["verdict"], "method": said["method"],
                            "explanation": chosen["explanation"],
                            "warnings": said.get("warnings", [])}  # fmt: skip
    return found


def recalls(scores: Array, labels: Array, classes: Array) -> dict[str, list[float]]:
    """Rows and recall of each type."""
    right = scores.argmax(axis=1) == labels
    return {
        str(classes[c]): [int((labels == c).sum()), float(right[labels == c].mean())]
        for c in np.unique(labels)
    }


def measure(bench: Bench, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """All numbers of the model on the files, as JSON."""
    arrays = kept_scores(options)
    classes, machine = arrays["classes"], arrays["machine"].astype(np.int64)
    with tempfile.TemporaryDirectory(dir=bench.work) as folder:
        f = Files(bench, arrays, pathlib.Path(folder))
        options_of = ways(f, machine)
        inspected = bench.ask("inspect", options_of["p2p (natural)"][1])
        return {
            "types": len(classes),
            "files": int(machine.sum()),
            "machine": {
                str(classes[c]): int(machine[c]) for c in np.argsort(-machine) if machine[c]
            },
            "rows": {name: len(f.labels[name]) for name in SAMPLES},
            "capped_types": len(np.unique(f.labels["capped_test"])),
            "recalls": recalls(arrays["capped_test_scores"], f.labels["capped_test"], classes),
            "inspect": inspected["gap"],
            "places": {place: at_place(f, place, options_of) for place in PLACES},
        }
