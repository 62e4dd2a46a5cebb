"""Cells of linear heads on features that were not learned from the training rows."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

import frozen_features
import image_rows
import numpy as np
import text
from estimators import measure_network
from gaussian import Ints
from linear_head import fit_head, read_head
from network import PARTS, Network, Part, of_head

from bench import Bench

#: Of the heads at their optimum.
DECAYS = (1e-4, 1e-6)
#: Of features that are five times as long, far from any optimum; its decay is that of the refit.
STOPPED = {"epochs": 100, "lr": 0.5}
STOPPED_DECAY = 1e-5

Parts = Mapping[str, Part]


def standardised(parts: Parts) -> Parts:
    """Features by mean and deviation of the training rows, of squared length 1 on average."""
    train = parts["train"][0]
    mean, deviation = train.mean(axis=0), train.std(axis=0) + 1e-6
    length = np.sqrt(train.shape[1])
    return {name: ((x - mean) / deviation / length, y) for name, (x, y) in parts.items()}


def fitted(parts: Parts, decay: float) -> Network:
    """The head at its optimum."""
    x, y = parts["train"]
    classes = int(y.max()) + 1
    head = fit_head(x, y, classes, decay * len(y))
    return of_head(parts, head, np.zeros(classes), decay)


def stopped(bench: Bench, parts: Parts) -> Network:
    """The head that p2p head has after 100 epochs."""
    longer = {name: (5 * x, y) for name, (x, y) in parts.items()}
    with tempfile.TemporaryDirectory(dir=bench.work) as place:
        folder = pathlib.Path(place)
        features, labels, out = (folder / name for name in ("x.npy", "y.npy", "head.safetensors"))
        np.save(features, longer["train"][0].astype(np.float32))
        np.save(labels, longer["train"][1])
        options = [word for key, value in STOPPED.items() for word in (f"--{key}", value)]
        bench.p2p("head", features, "--labels", labels, "-o", out, *options, "--quiet")
        head = np.column_stack(read_head(out))
    return of_head(longer, head, np.zeros(len(head)), STOPPED_DECAY)


def measure_heads(bench: Bench, parts: Parts) -> dict[str, Any]:
    """Every estimator on each head of the features."""
    parts = standardised(parts)
    found = {f"decay {decay:g}": measure_network(fitted(parts, decay)) for decay in DECAYS}
    return {**found, "stopped": measure_network(stopped(bench, parts))}


def few_packages(labels: Ints, options: Mapping[str, Any]) -> dict[str, Ints]:
    """Rows to train on, held out and to test on: two of each section at least to train on."""
    order = np.random.default_rng(options["seed"]).permutation(len(labels))
    first = np.concatenate([order[labels[order] == c][:2] for c in np.unique(labels)])
    order = np.concatenate([first, order[~np.isin(order, first)]])
    train, held = options["rows"], options["rows"] // 9
    return dict(zip(PARTS, np.split(order, [train, train + held]), strict=True))


def measure_text(bench: Bench, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Packages by section, from their words hashed to so many numbers."""
    packages, sections, snapshot = text.sample(options)
    labels = np.array([sections.index(p.section) for p in packages])
    words = frozen_features.hashed_words([p.description for p in packages], options["width"])
    rows = few_packages(labels, options)
    parts = {name: (words[these].astype(float), labels[these]) for name, these in rows.items()}
    return {"snapshot": snapshot, "networks": measure_heads(bench, parts)}


def measure_images(bench: Bench, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Images by their responses to patches of the other set."""
    folder, other = bench.images(options["data"]), bench.images(options["patches"])
    rng = np.random.default_rng(0)
    files = image_rows.files(other / "train")[0]
    chosen = rng.permutation(len(files))[: frozen_features.SAMPLE]
    bank = frozen_features.filters_of(image_rows.pixels(files[i] for i in chosen), rng)
    images = image_rows.parts_of(folder, options["most"], np.random.default_rng(options["seed"]))
    parts = {
        name: (frozen_features.convolved(pixels, bank).astype(float), labels)
        for name, (pixels, labels) in images.items()
    }
    return {"networks": measure_heads(bench, parts)}
