"""What the study measures of one model: its priors, every correction, where q should come from."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from judge import Judge, Metrics, halves, judge, mean
from numpy.typing import NDArray
from scores import Array, Model

from bench import Bench

#: Rows that q is measured on in curves: these, and all there are.
SIZES = (25, 50, 100, 200, 400, 800)
#: Labelled rows of each class.
FEW = (1, 2, 5, 10)
DRAWS = 5
#: The target's prior is in proportion to pi to this power: 0 is uniform, 1 is that of training.
GAMMAS = (-0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)
STRENGTHS = "0:1.5:0.1"
ROWS = {"train": "train", "augmented": "train-augmented", "holdout": "holdout"}

Priors = dict[str, pathlib.Path]


def measure_corrections(bench: Bench, model: Model) -> Mapping[str, Any]:
    """The priors of a model and every correction at every place, as JSON."""
    with judge(bench, model) as j:
        return at_places(j, all_priors(j))


def measure_model(bench: Bench, model: Model) -> Mapping[str, Any]:
    """The same, what rows of a place are worth, curves and moved priors: all numbers of a model."""
    with judge(bench, model) as j:
        priors = all_priors(j)
        found = at_places(j, priors)
        for place, at in found["places"].items():
            at["own"] = own_rows(j, place, priors["train"])
        return {**found, "curves": curves(j), "moves": moves(j, priors["train"])}


def all_priors(j: Judge) -> Priors:
    return {
        rows: j.prior(j.files[rows], "--rows", said)
        for rows, said in ROWS.items()
        if rows in j.files
    }


def at_places(j: Judge, priors: Priors) -> dict[str, Any]:
    return {
        "rows": {name: len(part.labels) for name, part in j.model.parts.items()},
        "counts": [int(n) for n in j.model.counts],
        "train_accuracy": j.evaluate(j.files["train"])["accuracy"],
        "priors": {rows: describe(j, prior) for rows, prior in priors.items()},
        "places": {place: at_place(j, place, priors) for place in j.model.places},
    }


def describe(j: Judge, prior: pathlib.Path) -> dict[str, Any]:
    """Distance of a prior to the class frequencies, and the slope of log q on log pi."""
    said = j.bench.ask("inspect", prior)
    values = json.loads(prior.read_text())
    log_pi, log_q = np.log(values["empirical"]), np.log(values["effective"])
    return {
        "tv": said["tv"],
        "tv_ci95": said["tv_ci95"],
        "verdict": said["gap"]["verdict"],
        "slope": float(np.polyfit(log_pi, log_q, 1)[0]),
    }


def at_place(j: Judge, place: str, priors: Priors) -> dict[str, Any]:
    """Every correction of the rows of a place."""
    rows = j.files[place]
    corrections: dict[str, Any] = j.compare(place, priors["train"])
    tau = tuned(j, priors["train"])
    corrections["empirical (tuned)"], _ = j.correct(
        rows, priors["train"], "--method", "empirical", "--strength", tau
    )
    for name, prior in priors.items():
        if name != "train":
            corrections[f"p2p ({name})"], _ = j.correct(rows, prior)
    matched = j.prior(j.files["holdout"], "--iterate", "--allow-unconverged", "--rows", "holdout")
    corrections["match (holdout)"], _ = j.correct(rows, matched)
    corrections["auto"], said = j.correct(rows, priors["train"], "--method", "auto", *j.held_out())
    choice = {key: said[key] for key in ("method", "strength")}
    choice["verdict"] = said["selection"]["verdict"]
    return {"corrections": corrections, "tau": tau, "auto": choice}


def tuned(j: Judge, prior: pathlib.Path) -> float:
    """The strength of `empirical` with the best balanced accuracy on the held-out rows."""
    scores, labels = j.files["holdout"]
    grid = ["--targets", 1, "--strengths", STRENGTHS, "--method", "empirical"]
    said = j.bench.ask("sweep", scores, "--labels", labels, "--prior", prior, *grid,
                       "--input", "logits")  # fmt: skip
    points = [p for p in said["points"] if p["gamma"] == 0]
    return float(max(points, key=lambda p: p["balanced_accuracy"])["strength"])


def own_rows(j: Judge, place: str, prior: pathlib.Path) -> dict[str, Metrics]:
    """Corrections learned from one half of a place, judged on the other: the mean of both ways."""
    part = j.model.parts[place]
    ways: dict[str, list[Metrics]] = {}
    for learn, test in (halves(part.labels), halves(part.labels)[::-1]):
        seen, judged = j.write(part.rows(learn)), j.write(part.rows(test))
        for name, metrics in learned(j, seen, judged, prior).items():
            ways.setdefault(name, []).append(metrics)
        few: dict[str, list[Metrics]] = {}
        for draw in range(DRAWS):
            rng = np.random.default_rng([draw, len(learn)])
            for each in FEW:
                chosen = learn[some_of_each(part.labels[learn], each, rng)]
                said = learned(j, j.write(part.rows(chosen)), judged, prior)
                for name in ("p2p (labelled)", "bias"):
                    few.setdefault(f"{name}, {each} a class", []).append(said[name])
            for size in SIZES:
                if size < len(learn):
                    chosen = rng.permutation(learn)[:size]
                    at = matched(j, j.write(part.rows(chosen)), judged, prior)
                    few.setdefault(f"match (unlabelled), {size} rows", []).append(at)
        for name, draws in few.items():
            ways.setdefault(name, []).append(mean(draws))
    return {name: mean(both) for name, both in ways.items()}


Files = tuple[pathlib.Path, pathlib.Path]


def matched(j: Judge, seen: Files, judged: Files, prior: pathlib.Path) -> Metrics:
    """Matched on unlabelled rows whose prior is known to be uniform."""
    metrics, _ = j.correct(judged, prior, "--method", "match", "--match-to", "target",
                           "--unlabelled", seen[0], "--allow-unconverged")  # fmt: skip
    return metrics


def learned(j: Judge, seen: Files, judged: Files, prior: pathlib.Path) -> dict[str, Metrics]:
    """Corrections of `judged` from rows of the same source."""
    here = j.prior(seen, "--rows", "holdout", weighted=True)
    p2p, _ = j.correct(judged, here)
    bias, _ = j.correct(judged, prior, "--method", "bias", "--holdout", seen[0],
                        "--holdout-labels", seen[1], "--allow-unconverged")  # fmt: skip
    return {
        "p2p (labelled)": p2p,
        "bias": bias,
        "match (unlabelled)": matched(j, seen, judged, prior),
    }


def some_of_each(labels: Array, each: int, rng: np.random.Generator) -> Array:
    """Row numbers: so many of each class, drawn."""
    rows = [rng.permutation(np.flatnonzero(labels == c))[:each] for c in np.unique(labels)]
    return np.concatenate(rows)


def curves(j: Judge) -> dict[str, dict[str, Metrics]]:
    """P2P and match on the test rows, from so many rows: means of DRAWS draws."""
    result: dict[str, dict[str, Metrics]] = {}
    estimators: dict[str, Callable[[Files], pathlib.Path]] = {
        "p2p": lambda files: j.prior(files),
        "match": lambda files: j.prior(files, "--iterate", "--allow-unconverged"),
    }
    for rows in ("train", "holdout"):
        part = j.model.parts[rows]
        for size in (*SIZES, len(part.labels)):
            if size > len(part.labels):
                continue
            found: dict[str, list[Metrics]] = {name: [] for name in estimators}
            for draw in range(DRAWS if size < len(part.labels) else 1):
                chosen = np.random.default_rng([draw, size]).permutation(len(part.labels))[:size]
                files = j.write(part.rows(np.sort(chosen)))
                for name, estimate in estimators.items():
                    metrics, _ = j.correct(j.files["test"], estimate(files))
                    found[name].append(metrics)
            for name, draws in found.items():
                result.setdefault(f"{name} ({rows})", {})[str(size)] = mean(draws)
    return result


def moves(j: Judge, prior: pathlib.Path) -> dict[str, dict[str, Metrics]]:
    """Test rows drawn to a moved prior: uncorrected, corrected to uniform, and to that prior."""
    part = j.model.parts["test"]
    pi = j.model.counts / j.model.counts.sum()
    result = {}
    for gamma in GAMMAS:
        target = pi**gamma / (pi**gamma).sum()
        rows = j.write(part.rows(drawn_to(part.labels, target)))
        np.savetxt(j.folder / "target.txt", target)
        at = {"none": j.evaluate(rows)}
        at["uniform"], _ = j.correct(rows, prior)
        at["moved"], _ = j.correct(rows, prior, "--target", j.folder / "target.txt")
        result[str(gamma)] = at
    return result


def drawn_to(labels: Array, target: NDArray[np.float64]) -> Array:
    """The first rows of each class, as many as there can be when the classes follow `target`."""
    sizes = np.bincount(labels, minlength=len(target))
    total = np.min(sizes / target)
    return np.sort(
        np.concatenate(
            [
                np.flatnonzero(labels == c)[: max(1, int(total * target[c]))]
                for c in range(len(target))
            ]
        )
    )
