"""Cells of networks that know a long tail of images by heart."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import image_rows
import numpy as np
from estimators import measure_network
from frozen_features import Features
from gaussian import Ints
from image_rows import Pixels
from network import Network, of_head

from bench import Bench

HIDDEN = (512, 64)
EPOCHS, BATCH, RATE, DECAY, MOMENTUM = 60, 128, 0.03, 2e-4, 0.9
#: Steps until the rate is whole.
WARM = 200


def halved(images: Pixels) -> Features:
    """Means of 2 x 2 pixels, [N, 768]."""
    blocks = images.reshape(len(images), 16, 2, 16, 2, 3)
    means: Features = blocks.mean(axis=(2, 4)).astype(np.float32)
    return means.reshape(len(images), -1)


class Mlp:
    """Linear layers with rectifiers between them, and their SGD."""

    def __init__(self, sizes: list[int], rng: np.random.Generator) -> None:
        self.weights = [
            (rng.normal(size=(b, a)) * np.sqrt(2 / a)).astype(np.float32)
            for a, b in itertools.pairwise(sizes)
        ]
        self.biases = [np.zeros(b, np.float32) for b in sizes[1:]]
        self.speeds = [np.zeros_like(w) for w in [*self.weights, *self.biases]]

    def layers(self, x: Features) -> list[Features]:
        """The input and what each hidden layer makes of it; the last are the features."""
        found = [x]
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            found.append(np.maximum(found[-1] @ w.T + b, 0))
        return found

    def step(self, x: Features, y: Ints, offset: Features, rate: np.float32) -> None:
        """One step along the gradient of the mean cross-entropy of softmax(z + offset)."""
        layers = self.layers(x)
        z = layers[-1] @ self.weights[-1].T + self.biases[-1] + offset
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(len(y)), y] -= 1
        p /= len(y)
        depth = len(self.weights)
        for layer in reversed(range(depth)):
            w, b = self.weights[layer], self.biases[layer]
            gradients = (p.T @ layers[layer] + np.float32(DECAY) * w,
                         p.sum(axis=0) + np.float32(DECAY) * b)  # fmt: skip
            if layer:
                p = (p @ w) * (layers[layer] > 0)
            for at, parameter, gradient in zip((layer, depth + layer), (w, b), gradients,
                                               strict=True):  # fmt: skip
                self.speeds[at] = np.float32(MOMENTUM) * self.speeds[at] + gradient
                parameter -= rate * self.speeds[at]


def trained(
    parts: Mapping[str, tuple[Features, Ints]], adjusted: bool, rng: np.random.Generator
) -> Network:
    """A network after EPOCHS of SGD with a rate that falls as a cosine, without augmentation."""
    x, y = parts["train"]
    counts = np.bincount(y)
    offset = (np.log(counts / counts.sum()) if adjusted else np.zeros(len(counts))).astype(
        np.float32
    )
    mlp = Mlp([x.shape[1], *HIDDEN, len(counts)], rng)
    steps = EPOCHS * -(-len(y) // BATCH)
    step = 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(y))
        for begin in range(0, len(y), BATCH):
            rows = order[begin : begin + BATCH]
            rate = RATE * min(1, (step + 1) / WARM) * 0.5 * (1 + np.cos(np.pi * step / steps))
            mlp.step(x[rows], y[rows], offset, np.float32(rate))
            step += 1
    seen = {name: (mlp.layers(x)[-1].astype(float), y) for name, (x, y) in parts.items()}
    head = np.column_stack([mlp.weights[-1], mlp.biases[-1]]).astype(float)
    return of_head(seen, head, offset.astype(float), DECAY)


def standardised(parts: Mapping[str, tuple[Features, Ints]]) -> dict[str, tuple[Features, Ints]]:
    """Colours of mean 0 and deviation 1 on the training rows."""
    colours = parts["train"][0].reshape(-1, 3)
    mean, deviation = np.tile(colours.mean(axis=0), 256), np.tile(colours.std(axis=0), 256)
    return {name: ((x - mean) / deviation, y) for name, (x, y) in parts.items()}


def measure(bench: Bench, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Every estimator after both losses."""
    found = {}
    folder = bench.images(options["data"])
    for loss in ("ce", "la"):
        rng = np.random.default_rng(options["seed"])
        images = image_rows.parts_of(folder, options["most"], rng)
        parts = standardised({name: (halved(x), y) for name, (x, y) in images.items()})
        found[loss] = measure_network(trained(parts, loss == "la", rng))
    return {"networks": found}
