"""Tables of the deployed model, from the kept numbers alone."""

from __future__ import annotations

from typing import Any

import cells
from markdown import number, percent, table

WORDS = {
    "none": "none",
    "p2p (natural)": "P2P, unlabelled rows as they are",
    "p2p (natural, absent types left alone)": "the same, types that the machine lacks left alone",
    "p2p (natural, to types of the machine)": "P2P, the same rows, to types of the machine alike",
    "p2p (capped)": "P2P, unlabelled capped rows",
    "em": "em to the rows as they are, from the prior on capped rows",
    "map-em": "map-em, likewise",
    "auto (no labels)": "auto, no labels",
    "auto (natural)": "auto, labelled rows as they are, NLL",
    "auto (natural, accuracy)": "auto, labelled rows as they are, accuracy",
    "auto (capped)": "auto, labelled capped rows, NLL",
    "auto (capped, balanced accuracy)": "auto, labelled capped rows, balanced accuracy",
    "auto (natural, to types of the machine)": "auto, labelled rows as they are, to types of the "
    "machine alike",
    "auto (capped, to types of the machine)": "auto, labelled capped rows, likewise",
}
PLACES = {"natural_test": "as they are", "capped_test": "capped"}


def results() -> dict[str, Any]:
    found: dict[str, Any] = cells.deployed_cell().kept()["results"]
    return found


def text(gain: list[float]) -> str:
    return f"{100 * gain[0]:+.2f} ± {100 * gain[1]:.2f}"


def corrections() -> str:
    rows = []
    for place, words in PLACES.items():
        for name, of_name in WORDS.items():
            found = results()["places"][place][name]
            gains = found["gains"]
            rows.append([words, of_name, percent(found["accuracy"]), text(gains["accuracy"]),
                         percent(found["balanced_accuracy"]), text(gains["balanced_accuracy"]),
                         number(found["nll"])])  # fmt: skip
    return table(["files", "correction", "accuracy", "against none", "balanced accuracy",
                  "against none", "NLL"], rows)  # fmt: skip


def verdicts() -> str:
    """What auto says; it is the same for every place, as it sees held-out rows alone."""
    rows = []
    for name, found in results()["places"]["natural_test"].items():
        if "verdict" in found:
            rows.append([WORDS[name], found["verdict"], found["method"], found["explanation"]])
    return table(["auto", "verdict", "method", "in its words"], rows)


def types() -> str:
    found = results()
    rows = []
    for kind, size in found["machine"].items():
        count, recall = found["recalls"].get(kind, (None, None))
        rows.append([kind, f"{size:,}", count, percent(recall, 1)])
    return table(["type", "distinct files", "capped test rows", "recall"], rows)


def tables() -> dict[str, str]:
    found = results()
    return {
        "deployed-types": types(),
        "deployed-corrections": corrections(),
        "deployed-verdicts": verdicts(),
        "deployed-inspect": found["inspect"]["explanation"],
        "deployed-files": f"{found['files']:,}",
        "deployed-classes": str(found["types"]),
        "deployed-kinds": str(len(found["machine"])),
        "deployed-natural": f"{found['rows']['natural_test']:,}",
        "deployed-capped": f"{found['rows']['capped_test']:,}",
        "deployed-capped-types": str(found["capped_types"]),
    }
