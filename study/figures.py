"""Figures of docs/study.md as SVG, from the kept numbers; the same numbers give the same bytes."""

from __future__ import annotations

import pathlib

import image_tables
import matplotlib as mpl
from matplotlib.figure import Figure

from bench import ROOT

mpl.use("svg")
mpl.rcParams.update({"svg.hashsalt": "prior2posterior", "svg.fonttype": "none", "font.size": 9})

from matplotlib import pyplot as plt  # noqa: E402 (after the backend is chosen)

FOLDER = ROOT / "docs" / "figures"
COLOURS = {"ce": "#1b6ca8", "la": "#d1793b"}
LOSSES = {"ce": "after cross-entropy", "la": "after logit-adjusted loss"}


def save(figure: Figure, file: pathlib.Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def gains(file: pathlib.Path = FOLDER / "gains.svg") -> None:
    """Gain of every correction over none, all cells, with intervals."""
    found = {loss: {name: mean for name, mean, _, _ in image_tables.gains(loss)} for loss in LOSSES}
    names = list(found["ce"])[::-1]
    figure, axes = plt.subplots(figsize=(7, 0.28 * len(names) + 1), layout="constrained")
    axes.axvline(0, color="#888", linewidth=0.8)
    for loss, shift in (("ce", 0.13), ("la", -0.13)):
        at = [(k + shift, found[loss][name]) for k, name in enumerate(names) if name in found[loss]]
        axes.errorbar(
            [100 * m.value for _, m in at],
            [y for y, _ in at],
            xerr=[100 * m.half for _, m in at],
            fmt="o",
            markersize=4,
            capsize=2,
            color=COLOURS[loss],
            label=LOSSES[loss],
        )
    axes.set_yticks(range(len(names)), [image_tables.WORDS.get(name, name) for name in names])
    axes.set_xlabel("points of balanced accuracy over no correction")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="x", color="#ddd", linewidth=0.6)
    save(figure, file)


def write() -> None:
    gains()
