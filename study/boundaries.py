"""The figure of decision boundaries: three Gaussian classes, a trained head and its corrections."""

from __future__ import annotations

import pathlib
from itertools import combinations
from typing import Any

import cells
import figures
import numpy as np
from gaussian import Floats
from matplotlib import pyplot as plt

FILE = figures.FOLDER / "boundaries.svg"
CLASSES = ("#1b6ca8", "#d1793b", "#3a8a4f")
#: What is drawn, in both directions.
LOW, HIGH = -3.0, 4.6


def edges(weight: Floats, bias: Floats) -> list[Floats]:
    """Points [n, 2] of each line on which two classes have the same largest score."""
    found = []
    reach = 2 * (HIGH - LOW)
    for a, b in combinations(range(len(bias)), 2):
        normal, offset = weight[a] - weight[b], bias[a] - bias[b]
        middle = np.full(2, (LOW + HIGH) / 2)
        foot = middle - (normal @ middle + offset) / (normal @ normal) * normal
        along = np.array([-normal[1], normal[0]]) / np.linalg.norm(normal)
        points = foot + np.linspace(-reach, reach, 4001)[:, None] * along
        scores = points @ weight.T + bias
        rest = np.delete(scores, [a, b], axis=1).max(axis=1, initial=-np.inf)
        found.append(points[scores[:, a] >= rest])
    return found


def draw(axes: Any, weight: Floats, bias: Floats, label: str, colour: str, line: str) -> None:
    for k, points in enumerate(edges(weight, bias)):
        ends = points[[0, -1]] if len(points) else points
        axes.plot(*ends.T, line, color=colour, linewidth=1.6, label=label if k == 0 else None)


def boundaries(file: pathlib.Path = FILE) -> None:
    """Rules of the training prior on the left, balanced ones on the right."""
    stored = cells.named("synthetic-boundaries").kept()
    found, options = stored["results"], stored["options"]
    means, counts = np.array(options["means"], float), np.array(options["counts"], float)
    rows, labels = np.array(found["train"]), np.array(found["labels"])
    exact = -(means**2).sum(axis=1) / 2
    weight, bias = np.array(found["weight"]), np.array(found["bias"])
    panels = {
        "Training prior": [
            (means, exact + np.log(counts), "Bayes rule", "black", "--"),
            (weight, bias, "trained head", "#7b3fa0", "-"),
        ],
        "Balanced": [
            (means, exact, "Bayes rule", "black", "--"),
            (weight, bias + found["p2p"], "trained head, P2P", "#7b3fa0", "-"),
            (weight, bias + found["la (wrong b)"], "LA head, P2P with b = 0", "#c22f4b", "-."),
        ],
    }
    figure, both = plt.subplots(1, 2, figsize=(8, 4.8), sharey=True, layout="constrained")
    for axes, (title, rules) in zip(both, panels.items(), strict=True):
        for c, colour in enumerate(CLASSES):
            axes.scatter(*means[c], marker="+", s=60, color=colour, zorder=3)
        for rule in rules:
            draw(axes, *rule)
        axes.set(title=title, xlim=(LOW, HIGH), ylim=(LOW, HIGH), aspect="equal")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.07), fontsize=8, frameon=False)
    for c, colour in enumerate(CLASSES):
        x, y = rows[labels == c].T
        words = f"{options['counts'][c]:,} rows"
        both[0].scatter(x, y, s=7, color=colour, alpha=0.5, linewidths=0)
        outwards = means[c] + 0.4 * (means[c] - means.mean(axis=0))
        both[1].annotate(words, outwards, ha="center", fontsize=8, color=colour)
    figures.save(figure, file)


if __name__ == "__main__":
    boundaries()
