"""Networks that know a long tail by heart: ``python study/memorised_mlp.py DATA OUT NAME SEEDS``.

Images of the folder DATA, halved to 16 x 16 and cut to a long tail of 100 with a tenth held out, go
through 768 - 512 - 64 units to the classes: 60 epochs of SGD without augmentation, cross-entropy
and logit-adjusted loss. Leaves folders as ``p2p train --features --holdout`` does.
"""

from __future__ import annotations

import itertools
import json
import pathlib
import sys

import estimators as e
import frozen_cells as cells
import numpy as np

EPOCHS, BATCH, RATE, DECAY, MOMENTUM = 60, 128, 0.03, 2e-4, 0.9


def halved(images: cells.Images) -> cells.Features:
    """Means of 2 x 2 pixels."""
    blocks = images.reshape(len(images), 16, 2, 16, 2, 3)
    means: cells.Features = blocks.mean(axis=(2, 4)).astype(np.float32)
    return means


class Network:
    """Linear layers with rectifiers between them, and their SGD."""

    def __init__(self, sizes: list[int], generator: np.random.Generator) -> None:
        self.weights = [
            (generator.normal(size=(b, a)) * np.sqrt(2 / a)).astype(np.float32)
            for a, b in itertools.pairwise(sizes)
        ]
        self.biases = [np.zeros(b, np.float32) for b in sizes[1:]]
        self.speeds = [np.zeros_like(w) for w in [*self.weights, *self.biases]]

    def layers(self, x: cells.Features) -> list[cells.Features]:
        """The input and what each hidden layer makes of it; the last are the features."""
        found = [x]
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            found.append(np.maximum(found[-1] @ w.T + b, 0))
        return found

    def scores(self, features: cells.Features) -> cells.Features:
        """Scores of features."""
        found: cells.Features = features @ self.weights[-1].T + self.biases[-1]
        return found

    def step(
        self, x: cells.Features, y: e.Labels, offset: cells.Features, rate: np.float32
    ) -> None:
        """One step along the gradient of the mean cross-entropy of softmax(z + offset)."""
        layers = self.layers(x)
        z = self.scores(layers[-1]) + offset
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


def write_network(
    folder: pathlib.Path,
    images: cells.Images,
    labels: e.Labels,
    parts: dict[str, e.Labels],
    adjusted: bool,
    generator: np.random.Generator,
) -> None:
    """Trains one network and writes its folder."""
    classes = int(labels.max()) + 1
    small = {part: halved(images[rows]) for part, rows in parts.items()}
    mean, deviation = small["train"].mean(axis=(0, 1, 2)), small["train"].std(axis=(0, 1, 2))
    x = {part: ((s - mean) / deviation).reshape(len(s), -1) for part, s in small.items()}
    y = labels[parts["train"]]
    counts = np.bincount(y, minlength=classes)
    offset = (np.log(counts / counts.sum()) if adjusted else np.zeros(classes)).astype(np.float32)
    network = Network([768, 512, 64, classes], generator)
    steps = EPOCHS * -(-len(y) // BATCH)
    step = 0
    for _ in range(EPOCHS):
        order = generator.permutation(len(y))
        for begin in range(0, len(y), BATCH):
            rows = order[begin : begin + BATCH]
            rate = RATE * min(1, (step + 1) / 200) * 0.5 * (1 + np.cos(np.pi * step / steps))
            network.step(x["train"][rows], y[rows], offset, np.float32(rate))
            step += 1
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows in parts.items():
        features = network.layers(x[part])[-1]
        np.save(folder / f"{part}_features.npy", features)
        np.save(folder / f"{part}_scores.npy", network.scores(features))
        np.save(folder / f"{part}_labels.npy", labels[rows])
    np.save(folder / "counts.npy", counts)
    head = np.column_stack([network.weights[-1], network.biases[-1]]).astype(float)
    cells.write_head(folder / "model.safetensors", head)
    record = {"options": {"weight_decay": DECAY}, "training_offset": offset.tolist()}
    (folder / "run.json").write_text(json.dumps(record))


def main(data: str, out: str, name: str, seeds: str) -> None:
    """Every seed with both losses."""
    images, labels = cells.read_images(pathlib.Path(data) / "train")
    tests, test_labels = cells.read_images(pathlib.Path(data) / "test")
    both = np.concatenate([labels, test_labels])
    for seed in range(int(seeds)):
        for loss in ("ce", "la"):
            generator = np.random.default_rng(seed)
            parts = cells.long_tail(labels, int(np.bincount(labels)[0]), generator)
            parts["test"] = np.arange(len(labels), len(both))
            folder = pathlib.Path(out) / f"{name}-mlp{EPOCHS}-{loss}-s{seed}"
            write_network(
                folder, np.concatenate([images, tests]), both, parts, loss == "la", generator
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
