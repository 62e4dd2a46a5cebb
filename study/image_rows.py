"""Images of a folder by their row, and long tails of them."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable

import numpy as np
from gaussian import Ints
from gaussian import long_tail as sizes
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def files(folder: pathlib.Path) -> tuple[list[pathlib.Path], Ints]:
    """CLASS/* in the order of their names, and the class of each."""
    found, labels = [], []
    for c, of_class in enumerate(sorted(p for p in folder.iterdir() if p.is_dir())):
        for file in sorted(of_class.iterdir()):
            found.append(file)
            labels.append(c)
    return found, np.array(labels)


def pixels(of: Iterable[pathlib.Path]) -> Pixels:
    """[N, 32, 32, 3]."""
    images = []
    for file in of:
        with Image.open(file) as image:
            images.append(np.asarray(image.convert("RGB")))
    return np.array(images)


def long_tail(labels: Ints, most: int, rng: np.random.Generator) -> dict[str, Ints]:
    """Rows of a long tail of 100 from `most` rows down, a tenth of each class held out."""
    train, holdout = [], []
    for c, n in enumerate(sizes(int(labels.max()) + 1, most, 100)):
        rows = rng.permutation(np.flatnonzero(labels == c))[:n]
        held = n // 10 + int(rng.random() < n / 10 - n // 10)
        holdout.append(rows[:held])
        train.append(rows[held:])
    return {"train": np.concatenate(train), "holdout": np.concatenate(holdout)}


def parts_of(
    folder: pathlib.Path, most: int, rng: np.random.Generator
) -> dict[str, tuple[Pixels, Ints]]:
    """A long tail of the training images, what is held out of it, and all test images."""
    train, labels = files(folder / "train")
    test, test_labels = files(folder / "test")
    rows = long_tail(labels, most, rng)
    parts = {name: (pixels(train[i] for i in these), labels[these]) for name, these in rows.items()}
    return {**parts, "test": (pixels(test), test_labels)}
