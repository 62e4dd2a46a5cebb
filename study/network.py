"""A network by its last layer: features, scores and labels of its rows."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from gaussian import Floats, Ints, normalised
from linear_head import read_head, with_bias

PARTS = ("train", "holdout", "test")


@dataclass(frozen=True)
class Rows:
    """Scores [N, C], features [N, d] and labels [N] of one part of the data."""

    scores: Floats
    features: Floats
    labels: Ints


@dataclass(frozen=True)
class Network:
    """What estimators see of a network.

    Parameters
    ----------
    train, holdout, test
        Its rows.
    head
        Last layer, [C, d + 1], the bias as the last column.
    offset
        b: softmax(z + b) models the posterior under the distribution of the training rows.
    decay
        Weight decay of the mean loss; `decay * N` is that of the summed loss.
    """

    train: Rows
    holdout: Rows
    test: Rows
    head: Floats
    offset: Floats
    decay: float

    @property
    def counts(self) -> Floats:
        return np.bincount(self.train.labels, minlength=len(self.head)).astype(float)

    @property
    def log_prior(self) -> Floats:
        counts = self.counts
        result: Floats = np.log(counts / counts.sum())
        return result


Part = tuple[Floats, Ints]


def of_head(parts: Mapping[str, Part], head: Floats, offset: Floats, decay: float) -> Network:
    """The network of features and labels of PARTS and the head on them."""

    def rows(name: str) -> Rows:
        x, y = parts[name]
        return Rows(with_bias(x) @ head.T, x, y)

    return Network(rows("train"), rows("holdout"), rows("test"), head, offset, decay)


def of_run(folder: pathlib.Path) -> Network:
    """The network of a run of p2p train --features --holdout."""
    parts = {
        name: (
            np.load(folder / f"{name}_features.npy").astype(float),
            np.load(folder / f"{name}_labels.npy").astype(np.int64),
        )
        for name in PARTS
    }
    record = json.loads((folder / "run.json").read_text())
    head = np.column_stack(read_head(folder / "model.safetensors", "fc."))
    offset = np.array(record["training_offset"], dtype=float)
    return of_head(parts, head, offset, float(record["options"]["weight_decay"]))


def log_mean_posterior(scores: Floats) -> Floats:
    """log q, [C]: q = mean over rows of softmax(scores)."""
    mean: Floats = np.exp(normalised(scores)).mean(axis=0)
    return np.log(np.maximum(mean, 1.0 / (100 * scores.size)))


def standard_error(scores: Floats) -> Floats:
    """Standard error of log q, [C], of rows drawn independently (docs/method.md)."""
    p = np.exp(normalised(scores))
    q = p.mean(axis=0)
    error: Floats = np.sqrt((np.square(p).mean(axis=0) - q**2) / (len(p) - 1)) / q
    return error
