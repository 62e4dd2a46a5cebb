"""Tables of the cells of text, from the kept numbers alone."""

from __future__ import annotations

from typing import Any

import cells
from image_tables import WORDS
from intervals import mean_of, pooled
from markdown import number, percent, table

Runs = list[dict[str, Any]]
EPOCHS = (3, 8)


def runs(loss: str, epochs: int) -> Runs:
    """Results of every seed."""
    start = f"text-{loss}-{epochs}-s"
    return [c.kept()["results"] for c in cells.text_cells() if c.name.startswith(start)]


def settings() -> list[tuple[str, int, Runs]]:
    return [(loss, epochs, runs(loss, epochs)) for epochs in EPOCHS for loss in ("ce", "la")]


def corrections(run: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = run["places"]["test"]["corrections"]
    return found


def priors() -> str:
    rows = []
    for loss, epochs, group in settings():
        line: list[object] = [loss, epochs, len(group)]
        line.append(percent(mean_of([r["train_accuracy"] for r in group]), 1))
        for key in ("tv", "slope"):
            for rows_of in ("train", "holdout"):
                line.append(number(mean_of([r["priors"][rows_of][key] for r in group]), 3))
        rows.append(line)
    return table(["loss", "epochs", "seeds", "training rows right", "TV(q, pi), training rows",
                  "held-out", "slope of log q, training rows", "held-out"], rows)  # fmt: skip


NAMES = ("none", "empirical", "empirical (tuned)", "p2p", "p2p (holdout)", "match (holdout)",
         "match (target)", "temperature", "bias", "em", "auto")  # fmt: skip
KEYS = ("accuracy", "balanced_accuracy", "many", "medium")


def methods() -> str:
    """Accuracies towards the natural prior and the balanced one."""
    rows = []
    for loss, epochs, group in settings():
        for name in NAMES:
            found = [corrections(r)[name] for r in group]
            line: list[object] = [loss, epochs, WORDS.get(name, name)]
            line += [percent(mean_of([f[key] for f in found])) for key in KEYS]
            line += [number(mean_of([f[key] for f in found])) for key in ("nll", "ece")]
            rows.append(line)
    return table(["loss", "epochs", "correction to uniform", "accuracy, natural",
                  "balanced accuracy", "many", "medium", "NLL, natural", "ECE, natural"],
                 rows)  # fmt: skip


PAIRS = (
    ("ce", "empirical", "none"),
    ("ce", "p2p", "none"),
    ("ce", "p2p", "empirical"),
    ("ce", "p2p (holdout)", "none"),
    ("ce", "p2p (holdout)", "p2p"),
    ("ce", "auto", "none"),
    ("la", "p2p", "none"),
    ("la", "p2p (holdout)", "none"),
    ("la", "auto", "none"),
)


def differences() -> str:
    """Who gains and who pays after 3 epochs: means over seeds with intervals."""
    rows = []
    for loss, name, other in PAIRS:
        line: list[str] = [loss, f"{WORDS[name]} - {WORDS[other]}"]
        for key in KEYS:
            gaps = [corrections(r)[name][key] - corrections(r)[other][key] for r in runs(loss, 3)]
            line.append(pooled({"": gaps}).text(100))
        rows.append(line)
    head = ["loss", "difference", "accuracy, natural", "balanced accuracy", "many", "medium"]
    return table(head, rows)


NATURAL = {
    "none": "none",
    "p2p": "P2P, training rows",
    "p2p (holdout)": "P2P, held-out rows",
    "auto": "auto for accuracy",
}


def natural() -> str:
    """Corrected to the training prior, which the test rows follow."""
    rows = []
    for loss, epochs, group in settings():
        for name, words in NATURAL.items():
            found = [r["natural"][name] for r in group]
            gaps = [
                r["natural"][name]["accuracy"] - r["natural"]["none"]["accuracy"] for r in group
            ]
            line: list[object] = [loss, epochs, words]
            line += [percent(mean_of([f[key] for f in found])) for key in KEYS[:2]]
            line += [number(mean_of([f["nll"] for f in found])), pooled({"": gaps}).text(100)]
            rows.append(line)
    return table(["loss", "epochs", "correction to the training prior", "accuracy, natural",
                  "balanced accuracy", "NLL, natural", "gain in accuracy"], rows)  # fmt: skip


def choices() -> str:
    rows = []
    for loss, epochs, group in settings():
        for seed, run in enumerate(group):
            auto, to_natural = run["places"]["test"]["auto"], run["natural"]["choice"]
            rows.append([loss, epochs, seed, taken(auto), taken(to_natural)])
    return table(["loss", "epochs", "seed", "to uniform, by NLL",
                  "to the training prior, by accuracy"], rows)  # fmt: skip


def taken(choice: dict[str, Any]) -> str:
    verdict, method = choice["verdict"], choice["method"]
    return str(method if verdict == "correct" else verdict)


def tables() -> dict[str, str]:
    first = runs("ce", 3)[0]
    snapshot, sizes = first["snapshot"], first["snapshot"]["sections"]
    return {
        "text-date": snapshot["lists"],
        "text-packages": f"{snapshot['packages']:,}",
        "text-used": f"{snapshot['used']:,}",
        "text-sections": str(len(sizes)),
        "text-train": f"{first['rows']['train']:,}",
        "text-holdout": f"{first['rows']['holdout']:,}",
        "text-test": f"{first['rows']['test']:,}",
        "text-most": f"{max(first['counts']):,}",
        "text-least": str(min(first["counts"])),
        "text-digest": snapshot["sha256"][:16],
        "text-priors": priors(),
        "text-methods": methods(),
        "text-differences": differences(),
        "text-natural": natural(),
        "text-choices": choices(),
    }
