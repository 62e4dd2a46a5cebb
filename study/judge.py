"""Corrections of a model by the command p2p, and what p2p evaluate says of them."""

from __future__ import annotations

import contextlib
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from scores import Array, Model, Part

from bench import Bench

Metrics = dict[str, float | None]


class Judge:
    """Score files of a model in a folder that goes when it is closed, and p2p on them.

    Parameters
    ----------
    bench
        Runs p2p.
    model
        Its scores.
    folder
        For the files.
    """

    def __init__(self, bench: Bench, model: Model, folder: pathlib.Path) -> None:
        self.bench, self.model, self.folder = bench, model, folder
        self._made = 0
        np.save(folder / "counts.npy", model.counts)
        self.counts = folder / "counts.npy"
        self.training: list[object] = []
        if np.any(model.offset):
            np.save(folder / "offset.npy", model.offset)
            self.training = ["--trained-with", f"offset:{folder / 'offset.npy'}"]
        self.files = {name: self.write(part) for name, part in model.parts.items()}

    def new(self, ending: str) -> pathlib.Path:
        self._made += 1
        return self.folder / f"{self._made}{ending}"

    def write(self, part: Part) -> tuple[pathlib.Path, pathlib.Path]:
        """Files of scores and of labels."""
        scores, labels = self.new(".npy"), self.new(".npy")
        np.save(scores, part.scores)
        np.save(labels, part.labels)
        return scores, labels

    def held_out(self) -> list[object]:
        """What methods learn from."""
        scores, labels = self.files["holdout"]
        return ["--holdout", scores, "--holdout-labels", labels]

    def prior(
        self, rows: tuple[pathlib.Path, pathlib.Path], *options: object, weighted: bool = False
    ) -> pathlib.Path:
        """Prior of rows, as they are or weighted to the training prior by their labels."""
        scores, labels = rows
        out = self.new(".json")
        weights = ["--labels", labels] if weighted else []
        self.bench.p2p("estimate", scores, *weights, "--counts", self.counts, *self.training,
                       "--input", "logits", *options, "-o", out, "--quiet")  # fmt: skip
        return out

    def correct(
        self, place: tuple[pathlib.Path, pathlib.Path], prior: pathlib.Path, *options: object
    ) -> tuple[Metrics, Any]:
        """Metrics of a corrected place, and what p2p correct said."""
        out = self.new(".npy")
        said = self.bench.ask("correct", place[0], "--prior", prior, "--input", "logits", *options,
                              "-o", out, "--quiet")  # fmt: skip
        metrics = self.evaluate((out, place[1]))
        out.unlink()
        return metrics, said

    def evaluate(self, place: tuple[pathlib.Path, pathlib.Path]) -> Metrics:
        said = self.bench.ask("evaluate", place[0], "--labels", place[1], "--counts", self.counts,
                              "--input", "logits", "--quiet")  # fmt: skip
        return kept(said)

    def compare(self, name: str, prior: pathlib.Path, *options: object) -> dict[str, Any]:
        """Every method of p2p compare on a place: metrics, or the sentence that says why not."""
        scores, labels = self.files[name]
        said = self.bench.ask("compare", "--prior", prior, "--test", scores, "--test-labels",
                              labels, "--unlabelled", scores, *self.held_out(), "--input",
                              "logits", "--bootstrap", 0, *options, "--quiet")  # fmt: skip
        return {
            method["name"]: {"problem": method["problem"]} if "problem" in method else kept(method)
            for method in said["methods"]
        }


@contextlib.contextmanager
def judge(bench: Bench, model: Model) -> Iterator[Judge]:
    bench.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=bench.work) as folder:
        yield Judge(bench, model, pathlib.Path(folder))


def kept(said: dict[str, Any]) -> Metrics:
    """What the study keeps of the metrics; shares as fractions."""
    groups = said.get("groups") or {}
    return {
        "accuracy": said["accuracy"],
        "balanced_accuracy": said["balanced_accuracy"],
        **{name: groups.get(name) for name in ("many", "medium", "few")},
        "nll": said["nll"],
        "ece": said["ece"],
        "slope": said.get("residual_slope"),
    }


def halves(labels: Array) -> tuple[Array, Array]:
    """Row numbers of every other row of each class, and the rest."""
    first = np.concatenate([np.flatnonzero(labels == c)[::2] for c in np.unique(labels)])
    return np.sort(first), np.setdiff1d(np.arange(len(labels)), first)


def mean(all_metrics: list[Metrics]) -> Metrics:
    """Of each number over several measurements; None where one lacks it."""
    keys = all_metrics[0].keys()
    columns = {key: [metrics[key] for metrics in all_metrics] for key in keys}
    return {
        key: None if any(v is None for v in values) else float(np.mean([v for v in values]))
        for key, values in columns.items()
    }
