"""Table of the networks with one option of training changed, from the kept numbers alone."""

from __future__ import annotations

import cells
from image_tables import HEADINGS, WORDS, Stored, corrections, shown
from markdown import number, percent, table

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


def shown_cells() -> list[tuple[str, Stored]]:
    """The plain networks of the same seed, and those with one change."""
    plain = {"cross-entropy": "cifar10-ce-0-s0", "logit-adjusted loss": "cifar10-la-0-s0"}
    return [
        *((words, cells.named(name).kept()) for words, name in plain.items()),
        *((CHANGES[name], cells.single_cell(name).kept()) for name in cells.SHOWN_SINGLES),
    ]


def losses() -> str:
    """Before and after."""
    rows = [line for words, stored in shown_cells() for line in lines(words, stored)]
    return table(["training", "correction", *HEADINGS], rows)


def single_priors() -> str:
    """Effective against empirical prior of the same networks."""
    rows = []
    for words, stored in shown_cells():
        results = stored["results"]
        line = [words, percent(results["train_accuracy"], 1)]
        for source in ("train", "augmented", "holdout"):
            line.append(number(results["priors"][source]["tv"]))
        for source in ("train", "holdout"):
            line.append(number(results["priors"][source]["slope"], 3))
        rows.append(line)
    head = ["training", "training rows right", "TV(q, pi), training rows", "augmented", "held-out",
            "slope of log q, training rows", "held-out"]  # fmt: skip
    return table(head, rows)


def tables() -> dict[str, str]:
    return {"losses": losses(), "single-priors": single_priors()}
