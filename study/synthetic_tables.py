"""Tables of the synthetic cells, from the kept numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cells
from intervals import Mean, mean_of, pooled
from markdown import number, percent, table


def results(name: str) -> dict[str, Any]:
    found: dict[str, Any] = cells.named(name).kept()["results"]
    return found


def values(runs: Sequence[Any], correction: str, key: str) -> list[float]:
    return [run[correction][key] for run in runs]


def over_seeds(runs: Sequence[Any], correction: str, key: str) -> Mean:
    return pooled({"": values(runs, correction, key)})


def worlds() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (f"{classes:,}", kind, results(f"synthetic-{classes}-{kind}"))
        for classes, kinds in cells.SPREADS.items()
        for kind in kinds
    ]


#: Model and correction, as the columns of a table.
SHOWN = (
    ("ce", "none", "CE, none"),
    ("ce", "p2p", "CE, P2P"),
    ("ce", "p2p (held-out)", "CE, P2P, held-out rows"),
    ("la", "p2p", "LA, P2P"),
    ("la", "p2p (wrong b)", "LA, P2P with b = 0"),
)


def exact(key: str, scale: float, digits: int) -> str:
    """A difference to the balanced Bayes rule for every world."""
    rows = []
    for classes, kind, found in worlds():
        line: list[str | None] = [classes, kind, percent(mean_of(found["bayes"]))]
        for loss, correction, _ in SHOWN:
            line.append(over_seeds(found[loss], correction, key).text(scale, digits))
        rows.append(line)
    head = ["classes", "which are", "accuracy of the balanced Bayes rule"]
    return table([*head, *(words for _, _, words in SHOWN)], rows)


def errors() -> str:
    """Errors of the offset and agreement of decisions beside what sampling explains."""
    rows = []
    for classes, kind, found in worlds():
        for correction, words in (("p2p", "training"), ("p2p (held-out)", "held-out")):
            at = {
                key: mean_of(values(found["ce"], correction, key))
                for key in ("offset_error", "sampling_error", "agreement", "expected")
            }
            wrong = mean_of(values(found["la"], "p2p (wrong b)", "offset_error"))
            rows.append([classes, kind, words, number(at["offset_error"], 3),
                         number(at["sampling_error"], 3), percent(at["agreement"]),
                         percent(at["expected"]),
                         number(wrong, 3) if correction == "p2p" else None])  # fmt: skip
    return table(["classes", "which are", "rows", "error of the offset", "sampling error",
                  "same decision", "expected from sampling error",
                  "error of the offset, LA with b = 0"], rows)  # fmt: skip


NOISE = {
    "none": "none",
    "p2p": "P2P",
    "p2p (held-out)": "P2P, held-out rows",
    "empirical": "class frequencies",
    "balanced rule of noisy labels": "exact balanced rule of noisy labels",
}


def noise() -> str:
    rows = []
    for classes in (10, 100):
        found = results(f"synthetic-noise-{classes}")
        for correction, words in NOISE.items():
            line: list[str | None] = [str(classes), words]
            for rule in ("noisy", "true"):
                runs = found[rule]
                if correction in runs[0]:
                    line.append(percent(mean_of(values(runs, correction, "agreement"))))
                    line.append(over_seeds(runs, correction, "accuracy").text(100))
                else:
                    line += [None, None]
            rows.append(line)
    return table(["classes", "correction", "same decision as the balanced rule of noisy labels",
                  "accuracy against it", "same decision as that of true labels",
                  "accuracy against it"], rows)  # fmt: skip


MEMORISED = {
    "none": "none",
    "empirical": "class frequencies",
    "p2p": "P2P, training rows",
    "match": "match, training rows",
    "p2p (held-out)": "P2P, held-out rows",
}


def memorised() -> str:
    rows = []
    for classes in (10, 100):
        found = results(f"synthetic-memorised-{classes}")
        for margin, runs in found.items():
            for correction, words in MEMORISED.items():
                if correction not in runs[0]:
                    continue
                if margin != "unseen" and correction in ("none", "empirical"):
                    continue
                error = runs[0][correction].get("offset_error")
                if error is not None:
                    error = mean_of(values(runs, correction, "offset_error"))
                gap = mean_of(values(runs, "q", "tv"))
                rows.append([str(classes), margin, number(gap, 3), words, number(error, 3),
                             over_seeds(runs, correction, "accuracy").text(100),
                             over_seeds(runs, correction, "nll").text(1, 3)])  # fmt: skip
    return table(["classes", "margin of training rows", "TV(q, pi) on them", "correction",
                  "error of the offset", "accuracy against the balanced Bayes rule", "NLL"],
                 rows)  # fmt: skip


TRAINED = {
    "none": "none",
    "empirical": "class frequencies",
    "p2p": "P2P, training rows",
    "p2p (held-out)": "P2P, held-out rows",
    "match": "match, training rows",
    "p2p (wrong b)": "P2P with b = 0",
}


def trained() -> str:
    rows = []
    for classes in (10, 100):
        found = results(f"synthetic-trained-{classes}")
        for loss in ("ce", "la"):
            for correction, words in TRAINED.items():
                if correction in found[loss][0]:
                    runs = found[loss]
                    rows.append([str(classes), loss, words,
                                 percent(mean_of(values(runs, correction, "agreement"))),
                                 over_seeds(runs, correction, "accuracy").text(100),
                                 over_seeds(runs, correction, "nll").text(1, 3)])  # fmt: skip
    return table(["classes", "loss", "correction", "same decision as the balanced Bayes rule",
                  "accuracy against it", "NLL"], rows)  # fmt: skip


def tables() -> dict[str, str]:
    return {
        "synthetic-accuracy": exact("accuracy", 100, 2),
        "synthetic-nll": exact("nll", 1, 3),
        "synthetic-errors": errors(),
        "synthetic-noise": noise(),
        "synthetic-memorised": memorised(),
        "synthetic-trained": trained(),
    }
