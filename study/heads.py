"""Last layers retrained on the features of a run, before and after P2P."""

from __future__ import annotations

import pathlib
import tempfile
from typing import Any

import numpy as np
from judge import kept

from bench import Bench

#: Methods of p2p head. Those that see every class equally often have b = log pi, as class weights
#: of 1 / n have; what
#: priority-reweighing weighed last is not recorded, so only `match`, which does not ask for b,
#: corrects it.
METHODS = ("linear", "crt", "lws", "tau-norm", "lort", "priority-reweighing")
BALANCED = ("crt", "lws")
UNKNOWN = ("priority-reweighing",)
CORRECTIONS = {
    "p2p (train)": ("train", []),
    "p2p (holdout)": ("holdout", []),
    "match (holdout)": ("holdout", ["--iterate", "--allow-unconverged"]),
}


def measure_heads(bench: Bench, run: pathlib.Path) -> dict[str, Any]:
    """Of each method the metrics on the test rows, uncorrected and corrected."""
    with tempfile.TemporaryDirectory(dir=bench.work) as place:
        folder = pathlib.Path(place)
        counts = run / "counts.npy"
        np.savetxt(folder / "weights.txt", 1 / np.load(counts))
        return {method: measure_head(bench, run, folder, method) for method in METHODS}


def measure_head(
    bench: Bench, run: pathlib.Path, folder: pathlib.Path, method: str
) -> dict[str, Any]:
    """Uncorrected and corrected metrics of one method."""
    head, counts = folder / f"{method}.safetensors", run / "counts.npy"
    features, labels = run / "train_features.npy", run / "train_labels.npy"
    bench.p2p("head", features, "--labels", labels, "--method", method,
              "--head", f"{run / 'model.safetensors'}:fc", "-o", head, "--quiet")  # fmt: skip
    scored = ["--head", head, "--input", "logits", "--quiet"]
    test = run / "test_features.npy"
    judged = ["--labels", run / "test_labels.npy", "--counts", counts]
    found = {"none": kept(bench.ask("evaluate", test, *scored, *judged))}
    training = ["--trained-with", f"weights:{folder / 'weights.txt'}"] if method in BALANCED else []
    for name, (rows, options) in CORRECTIONS.items():
        if method in UNKNOWN and not options:
            continue
        prior, out = folder / "prior.json", folder / "corrected.npy"
        bench.p2p("estimate", run / f"{rows}_features.npy", *scored, "--counts", counts, *training,
                  *options, "-o", prior)  # fmt: skip
        bench.p2p("correct", test, *scored, "--prior", prior, "-o", out)
        found[name] = kept(bench.ask("evaluate", out, *judged, "--input", "logits", "--quiet"))
        for file in (prior, out):
            file.unlink()
    return found
