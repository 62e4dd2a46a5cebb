"""Cells of synthetic classes: corrections by the command beside the balanced Bayes rule."""

from __future__ import annotations

import contextlib
import json
import pathlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gaussian
import numpy as np
from gaussian import Floats, Ints, World
from linear_head import read_head

from bench import Bench

#: Of the errors of log q, for the agreement to be expected.
DRAWS = 20

Numbers = dict[str, float]
#: How a prior is measured: on which rows, with which training offset, by what of p2p estimate.
ESTIMATES: dict[str, tuple[str, bool, tuple[str, ...]]] = {
    "p2p": ("train", True, ()),
    "p2p (held-out)": ("held-out", True, ()),
    "match": ("train", True, ("--iterate", "--max-rounds", "50", "--allow-unconverged")),
    "p2p (wrong b)": ("train", False, ()),
}


@dataclass(frozen=True)
class Scored:
    """A model on rows of a world.

    Parameters
    ----------
    train, held_out
        Scores of rows of the training distribution.
    test
        Scores of test rows, all classes alike.
    counts
        Of the training labels.
    offset
        Training offset b.
    """

    train: Floats
    held_out: Floats
    test: Floats
    counts: Ints
    offset: Floats


class Command:
    """p2p on arrays, in a folder that goes afterwards."""

    def __init__(self, bench: Bench, folder: pathlib.Path) -> None:
        self.bench, self.folder = bench, folder

    def write(self, name: str, values: Any) -> pathlib.Path:
        file = self.folder / f"{name}.npy"
        np.save(file, values)
        return file

    def prior(self, scored: Scored, estimate: str) -> pathlib.Path:
        rows, has_offset, options = ESTIMATES[estimate]
        scores = scored.train if rows == "train" else scored.held_out
        trained: list[object] = []
        if has_offset and np.any(scored.offset):
            trained = ["--trained-with", f"offset:{self.write('offset', scored.offset)}"]
        out = self.folder / "prior.json"
        self.bench.p2p("estimate", self.write("scores", scores.astype(np.float32)), "--counts",
                       self.write("counts", scored.counts), *trained, "--rows",
                       "train" if rows == "train" else "holdout", "--input", "logits",
                       *options, "-o", out, "--quiet")  # fmt: skip
        return out

    def correct(self, test: Floats, prior: pathlib.Path, *options: object) -> tuple[Floats, Floats]:
        """Corrected scores and the offset."""
        out = self.folder / "corrected.npy"
        said = self.bench.ask("correct", self.write("test", test.astype(np.float32)), "--prior",
                              prior, "--input", "logits", *options, "-o", out,
                              "--quiet")  # fmt: skip
        return np.load(out).astype(np.float64), np.array(said["delta"])


@contextlib.contextmanager
def command(bench: Bench) -> Iterator[Command]:
    with tempfile.TemporaryDirectory(dir=bench.work) as folder:
        yield Command(bench, pathlib.Path(folder))


def centred(values: Floats) -> Floats:
    result: Floats = values - values.mean()
    return result


def rms(values: Floats) -> float:
    return float(np.sqrt((values**2).mean()))


def beside(scores: Floats, rule: Floats, labels: Ints) -> Numbers:
    """Scores of test rows beside those of a rule: decisions, accuracy, NLL."""
    rows = np.arange(len(labels))
    taken, best = scores.argmax(axis=1), rule.argmax(axis=1)
    log_p, log_best = gaussian.normalised(scores), gaussian.normalised(rule)
    return {
        "agreement": float((taken == best).mean()),
        "accuracy": float((taken == labels).mean() - (best == labels).mean()),
        "nll": float((log_best[rows, labels] - log_p[rows, labels]).mean()),
    }


def every_correction(
    run: Command, scored: Scored, rule: Floats, labels: Ints, rng: np.random.Generator,
    names: tuple[str, ...] = tuple(ESTIMATES),
) -> dict[str, Numbers]:  # fmt: skip
    """Corrections beside the rule, with the error of their offset.

    The offset that makes `rule` of the scores is known, because the model is exact up to an
    offset. The sampling error is that of the offset, centred, by the standard errors of log q that
    p2p states; `expected` is how often decisions agree when independent errors of that size are
    added to the exact offset.
    """
    exact = centred((rule - scored.test).mean(axis=0))
    found = {"none": beside(scored.test, rule, labels)}
    for name in names:
        if name == "p2p (wrong b)" and not np.any(scored.offset):
            continue
        prior = run.prior(scored, name)
        corrected, delta = run.correct(scored.test, prior)
        found[name] = beside(corrected, rule, labels)
        found[name]["offset_error"] = rms(centred(delta) - exact)
        errors = json.loads(prior.read_text())["log_q_stderr"]
        if name.startswith("p2p") and name != "p2p (wrong b)":
            errors = np.array(errors, np.float64)
            found[name]["sampling_error"] = rms(errors) * float(np.sqrt(1 - 1 / len(errors)))
            moved = [rule + errors * rng.standard_normal(len(errors)) for _ in range(DRAWS)]
            best = rule.argmax(axis=1)
            found[name]["expected"] = float(np.mean([m.argmax(axis=1) == best for m in moved]))
        if name == "p2p":
            corrected, delta = run.correct(scored.test, prior, "--method", "empirical")
            found["empirical"] = beside(corrected, rule, labels)
            found["empirical"]["offset_error"] = rms(centred(delta) - exact)
    return found


@dataclass(frozen=True)
class Sample:
    """A world with training, held-out and test rows: held-out ones are a tenth, drawn anew."""

    world: World
    train: Floats
    train_labels: Ints
    held_out: Floats
    test: Floats
    test_labels: Ints


def sample(options: Mapping[str, Any], rng: np.random.Generator) -> Sample:
    counts = gaussian.long_tail(options["classes"], options["most"], options["imbalance"])
    world = gaussian.world(counts, options["dimensions"], options["spread"], rng)
    train_labels = gaussian.all_labels(counts)
    held_labels = rng.choice(len(counts), len(train_labels) // 10, p=world.prior)
    test_labels = np.arange(options["test"]) % len(counts)
    train, held_out, test = (
        world.draw(labels, rng) for labels in (train_labels, held_labels, test_labels)
    )
    return Sample(world, train, train_labels, held_out, test, test_labels)


def exact_models(s: Sample) -> dict[str, Scored]:
    """The posterior of the training distribution as cross-entropy and LA loss would learn it."""
    prior = s.world.prior
    return both_losses(
        [s.world.log_posterior(rows, prior) for rows in (s.train, s.held_out, s.test)],
        s.world.counts,
    )


def both_losses(log_p: list[Floats], counts: Ints) -> dict[str, Scored]:
    """Scores of training, held-out and test rows, and the same with log pi as training offset."""
    offset = np.log(counts / counts.sum())
    train, held_out, test = (gaussian.normalised(scores - offset) for scores in log_p)
    return {
        "ce": Scored(log_p[0], log_p[1], log_p[2], counts, np.zeros(len(counts))),
        "la": Scored(train, held_out, test, counts, offset),
    }


def per_seed(options: Mapping[str, Any]) -> Iterator[tuple[np.random.Generator, Sample]]:
    for seed in range(options["seeds"]):
        rng = np.random.default_rng([seed, options["classes"]])
        yield rng, sample(options, rng)


def measure_exact(bench: Bench, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Models that are the exact posterior."""
    found: dict[str, list[Any]] = {"bayes": [], "ce": [], "la": []}
    with command(bench) as run:
        for rng, s in per_seed(options):
            rule = s.world.log_likelihood(s.test)
            found["bayes"].append(float((rule.argmax(axis=1) == s.test_labels).mean()))
            for loss, scored in exact_models(s).items():
                names = ("p2p", "p2p (held-out)", "p2p (wrong b)")
                found[loss].append(every_correction(run, scored, rule, s.test_labels, rng, names))
    return found


def measure_noise(bench: Bench, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Exact posterior of noisy labels, beside the balanced rules of noisy and of true labels."""
    found: dict[str, list[Any]] = {"noisy": [], "true": []}
    noise = options["noise"]
    with command(bench) as run:
        for rng, s in per_seed(options):
            prior = (1 - noise) * s.world.prior + noise / options["classes"]
            scores = [gaussian.noisy(s.world.log_posterior(rows, s.world.prior), noise)
                      for rows in (s.train, s.held_out, s.test)]  # fmt: skip
            flipped = rng.random(len(s.train)) < noise
            drawn = rng.integers(options["classes"], size=len(s.train))
            labels = np.where(flipped, drawn, s.train_labels)
            counts = np.maximum(1, np.bincount(labels, minlength=options["classes"]))
            scored = Scored(scores[0], scores[1], scores[2], counts, np.zeros(len(counts)))
            rules = {"noisy": scores[2] - np.log(prior), "true": s.world.log_likelihood(s.test)}
            for name, rule in rules.items():
                at = every_correction(run, scored, rule, s.test_labels, rng,
                                      ("p2p", "p2p (held-out)"))  # fmt: skip
                if name == "true":
                    at["balanced rule of noisy labels"] = beside(
                        rules["noisy"], rule, s.test_labels
                    )
                    drop_offset_errors(at)  # no offset leads to this rule
                found[name].append(at)
    return found


def drop_offset_errors(at: Mapping[str, dict[str, Any]]) -> None:
    for numbers in at.values():
        for key in ("offset_error", "sampling_error", "expected"):
            numbers.pop(key, None)


def measure_memorised(bench: Bench, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """A model whose prior is not the counts, with training rows known by heart to some margin."""
    found: dict[str, list[Any]] = {"unseen": []}
    found |= {str(margin): [] for margin in options["margins"]}
    with command(bench) as run:
        for rng, s in per_seed(options):
            tilt = options["tilt"] * rng.standard_normal(options["classes"])
            ce = exact_models(s)["ce"]
            rule = s.world.log_likelihood(s.test)
            for margin in found:
                train = ce.train + tilt
                if margin != "unseen":
                    train = gaussian.rectified(train, s.train_labels, float(margin))
                scored = Scored(train, ce.held_out + tilt, ce.test + tilt, ce.counts, ce.offset)
                names = (
                    ("p2p", "match") if margin != "unseen" else ("p2p", "p2p (held-out)", "match")
                )
                at = every_correction(run, scored, rule, s.test_labels, rng, names)
                q = np.exp(gaussian.normalised(train)).mean(axis=0)
                at["q"] = {"tv": float(np.abs(q - s.world.prior).sum() / 2)}
                found[margin].append(at)
    return found


def linear_head(run: Command, rows: Floats, labels: Ints, epochs: int, seed: int) -> Any:
    """Weight and bias of p2p head --method linear."""
    out = run.folder / "head.safetensors"
    run.bench.p2p("head", run.write("rows", rows.astype(np.float32)), "--labels",
                  run.write("labels", labels), "--epochs", epochs, "--seed", seed, "-o", out,
                  "--quiet")  # fmt: skip
    return read_head(out)


def trained_models(
    run: Command, s: Sample, held_out: Floats, epochs: int, seed: int
) -> dict[str, Scored]:
    """A linear head after cross-entropy, and the head of the same loss value after LA loss.

    The LA loss of a head is the cross-entropy of the head with log pi added to its bias.
    """
    weight, bias = linear_head(run, s.train, s.train_labels, epochs, seed)
    scores = [rows @ weight.T + bias for rows in (s.train, held_out, s.test)]
    return both_losses(scores, s.world.counts)


def measure_trained(bench: Bench, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Linear heads trained by p2p, for which the linear model is right."""
    found: dict[str, list[Any]] = {"bayes": [], "ce": [], "la": []}
    with command(bench) as run:
        for seed, (rng, s) in enumerate(per_seed(options)):
            rule = s.world.log_likelihood(s.test)
            found["bayes"].append(float((rule.argmax(axis=1) == s.test_labels).mean()))
            models = trained_models(run, s, s.held_out, options["epochs"], seed)
            for loss, scored in models.items():
                at = every_correction(run, scored, rule, s.test_labels, rng)
                drop_offset_errors(at)  # the head is not exact up to an offset
                found[loss].append(at)
    return found


def measure_boundaries(bench: Bench, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Three classes in the plane: a trained head and what corrections make of it."""
    world = World(np.array(options["means"], np.float64), np.array(options["counts"]))
    rng = np.random.default_rng(options["seed"])
    labels = gaussian.all_labels(world.counts)
    train = world.draw(labels, rng)
    s = Sample(world, train, labels, train, train, labels)
    with command(bench) as run:
        models = trained_models(run, s, train, options["epochs"], options["seed"])
        weight, bias = read_head(run.folder / "head.safetensors")
        right = run.correct(models["ce"].test, run.prior(models["ce"], "p2p"))[1]
        la = run.correct(models["la"].test, run.prior(models["la"], "p2p (wrong b)"))[1]
    return {
        "train": train.round(3).tolist(),
        "labels": labels.tolist(),
        "weight": weight.tolist(),
        "bias": bias.tolist(),
        "p2p": right.tolist(),
        "la (wrong b)": (la - np.log(world.prior)).tolist(),
    }
