"""Table of the networks with one option of training changed, from the kept numbers alone."""

from __future__ import annotations

import cells
from image_tables import HEADINGS, WORDS, Stored, corrections, shown
from markdown import table

#: What was changed, in the order of the table.
CHANGES = {
    "balanced-softmax": "balanced softmax",
    "vs": "vector scaling loss",
    "cb": "class-balanced weights",
    "focal": "focal loss",
    "ldam-drw": "LDAM-DRW",
    "smoothing": "label smoothing 0.1",
    "cosine": "cosine head",
    "no-bias-decay": "no decay of biases",
    "no-augmentation": "no augmentation",
    "if50": "imbalance factor 50",
    "if10": "imbalance factor 10",
}
SHOWN = ("none", "empirical", "p2p", "p2p (holdout)", "match (holdout)", "auto")


def lines(words: str, stored: Stored) -> list[list[str | None]]:
    found = corrections(stored)
    return [[words, WORDS[name], *shown([found[name]])] for name in SHOWN if "nll" in found[name]]


def losses() -> str:
    """Before and after, beside the plain networks of the same seed."""
    rows = []
    for words, name in (("cross-entropy", "ce-0-s0"), ("logit-adjusted loss", "la-0-s0")):
        rows += lines(words, cells.named(f"cifar10-{name}").kept())
    for cell in cells.single_cells():
        rows += lines(CHANGES[cell.name.removeprefix("cifar10-")], cell.kept())
    return table(["training", "correction", *HEADINGS], rows)


def single_priors() -> str:
    """Effective against empirical prior of the same networks."""
    rows = []
    for cell in cells.single_cells():
        results = cell.kept()["results"]
        priors = results["priors"]
        rows.append(
            [
                CHANGES[cell.name.removeprefix("cifar10-")],
                f"{100 * results['train_accuracy']:.1f}",
                *(f"{priors[rows_of]['tv']:.4f}" for rows_of in ("train", "augmented", "holdout")),
                *(f"{priors[rows_of]['slope']:.3f}" for rows_of in ("train", "holdout")),
            ]
        )
    head = ["training", "training rows right", "TV(q, pi), training rows", "augmented", "held-out",
            "slope of log q, training rows", "held-out"]  # fmt: skip
    return table(head, rows)


def tables() -> dict[str, str]:
    return {"losses": losses(), "single-priors": single_priors()}
