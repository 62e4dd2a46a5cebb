"""Cells of Gaussian classes with a linear head, where held-out rows are as many as one likes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gaussian
import numpy as np
from estimators import measure_network
from linear_head import fit_head
from network import Network, of_head

from bench import Bench

#: Classes, dimensions and rows of the largest class: many rows for few dimensions, and the reverse.
WORLDS = ((10, 20, 1000), (10, 100, 500), (10, 200, 300), (30, 60, 300))
DECAYS = (1e-3, 1e-5)
TEST = 40000


def network(
    classes: int, width: int, most: int, decay: float, adjusted: bool, seed: int
) -> Network:  # fmt: skip
    """A head at its optimum on a long tail of 100; neighbouring means overlap."""
    rng = np.random.default_rng(seed)
    counts = gaussian.long_tail(classes, most, 100)
    world = gaussian.world(counts, width, 2.5 * np.sqrt(2 / width), rng)

    def draw(labels: gaussian.Ints) -> tuple[gaussian.Floats, gaussian.Ints]:
        return world.draw(labels, rng), labels

    train = draw(gaussian.all_labels(counts))
    held = draw(rng.choice(classes, size=max(20, counts.sum() // 9), p=world.prior))
    test = draw(gaussian.all_labels(np.full(classes, TEST // classes)))
    offset = np.log(world.prior) if adjusted else np.zeros(classes)
    head = fit_head(*train, classes, decay * len(train[1]), offset)
    return of_head({"train": train, "holdout": held, "test": test}, head, offset, decay)


def measure(bench: Bench, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Every estimator on each world, decay and loss."""
    return {
        "networks": {
            f"{classes} classes, {width} dimensions, decay {decay:g}, {loss}": measure_network(
                network(classes, width, most, decay, loss == "la", options["seed"])
            )
            for classes, width, most in WORLDS
            for decay in DECAYS
            for loss in ("ce", "la")
        }
    }
