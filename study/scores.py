"""Scores of a model on the parts of a data set, as half floats: what is measured on, and kept."""

from __future__ import annotations

import json
import pathlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]


@dataclass
class Part:
    """Rows of one source.

    Parameters
    ----------
    scores
        Logits [N, C], float16.
    labels
        [N].
    """

    scores: Array
    labels: Array

    def __post_init__(self) -> None:
        self.scores = np.asarray(self.scores).astype(np.float16)
        self.labels = np.asarray(self.labels).astype(np.int64)

    def rows(self, chosen: Array) -> Part:
        return Part(self.scores[chosen], self.labels[chosen])


@dataclass
class Model:
    """A model by its scores.

    Parameters
    ----------
    parts
        `train`, `holdout` and `test`, perhaps `augmented` (training rows as training sees them);
        the others are
        test rows under a shift.
    counts
        Training images of each class [C].
    offset
        Training offset b [C]; zeros after cross-entropy.
    """

    parts: dict[str, Part]
    counts: Array
    offset: Array = field(default_factory=lambda: np.zeros(0))

    @property
    def places(self) -> list[str]:
        """Where it is judged: test rows, as they are and shifted."""
        return [name for name in self.parts if name not in ("train", "augmented", "holdout")]

    def save(self, file: pathlib.Path, parts: list[str]) -> None:
        """These parts as one compressed .npz."""
        arrays: dict[str, Any] = {"counts": self.counts, "offset": self.offset}
        for name in parts:
            arrays[f"{name}_scores"] = self.parts[name].scores
            arrays[f"{name}_labels"] = self.parts[name].labels.astype(np.int16)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as out:
            np.savez_compressed(out, **arrays)


def load(file: pathlib.Path) -> Model:
    """A model of `Model.save`."""
    with np.load(file) as arrays:
        names = [key.removesuffix("_scores") for key in arrays if key.endswith("_scores")]
        parts = {name: Part(arrays[f"{name}_scores"], arrays[f"{name}_labels"]) for name in names}
        return Model(parts, arrays["counts"], arrays["offset"])


def of_run(folder: pathlib.Path) -> Model:
    """The parts of a run of p2p train."""
    names = {"train": "train", "train_augmented": "augmented", "holdout": "holdout", "test": "test"}
    parts = {
        name: Part(np.load(folder / f"{file}_scores.npy"), np.load(folder / f"{file}_labels.npy"))
        for file, name in names.items()
        if (folder / f"{file}_scores.npy").exists()
    }
    offset = json.loads((folder / "run.json").read_text())["training_offset"]
    return Model(parts, np.load(folder / "counts.npy"), np.array(offset))
