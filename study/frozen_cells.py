"""Cells whose features were not learned from the training rows: a linear head alone is fitted.

``python study/frozen_cells.py text OUT`` classes the packages of `apt-cache dumpavail` by their
section, a natural long tail, from words hashed into a random projection. ``... images DATA OTHER
OUT`` classes the images of the folder DATA, cut to a long tail of 100, from convolutions with
patches of the folder OTHER. ``... stopped P2P OUT CELL...`` gives
cells of such features the heads that `P2P head` leaves after 100 epochs, far from any optimum. Each
leaves folders as ``p2p train --features --holdout`` does, for
``study/estimators.py``.
"""

from __future__ import annotations

import json
import pathlib
import re
import struct
import subprocess
import sys
import zlib

import estimators as e
import numpy as np
import numpy.typing as npt
from PIL import Image

Features = npt.NDArray[np.float32]
Images = npt.NDArray[np.uint8]


def write_head(path: pathlib.Path, head: e.Array) -> None:
    """`fc.weight` and `fc.bias` of a head [C, d + 1] as safetensors."""
    parts = {"fc.weight": head[:, :-1], "fc.bias": head[:, -1]}
    header, data = {}, b""
    for name, part in parts.items():
        raw = np.ascontiguousarray(part, dtype="<f4").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(part.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_cell(
    out: pathlib.Path,
    features: Features,
    labels: e.Labels,
    parts: dict[str, e.Labels],
    decay: float,
    adjusted: bool,
) -> None:
    """Fits the head to the part "train" at its optimum and writes the folder of one cell."""
    classes = int(labels.max()) + 1
    train = parts["train"]
    mean, deviation = features[train].mean(axis=0), features[train].std(axis=0) + 1e-6
    features = (features - mean) / deviation / np.float32(np.sqrt(features.shape[1]))
    counts = np.bincount(labels[train], minlength=classes)
    offset = np.log(counts / counts.sum()) if adjusted else np.zeros(classes)
    head = e.fit_head(
        features[train].astype(float), labels[train], classes, decay * len(train), offset
    )
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in parts.items():
        x = features[rows]
        np.save(out / f"{name}_features.npy", x)
        np.save(
            out / f"{name}_scores.npy", (e.with_bias(x.astype(float)) @ head.T).astype(np.float32)
        )
        np.save(out / f"{name}_labels.npy", labels[rows])
    np.save(out / "counts.npy", counts)
    write_head(out / "model.safetensors", head)
    record = {"options": {"weight_decay": decay}, "training_offset": offset.tolist()}
    (out / "run.json").write_text(json.dumps(record))


def packages() -> tuple[list[str], list[str]]:
    """Section and description of every package that apt knows of, each description once."""
    text = subprocess.run(
        ["apt-cache", "dumpavail"], check=True, capture_output=True, text=True
    ).stdout
    sections, descriptions, seen = [], [], set()
    for entry in text.split("\n\n"):
        section = re.search(r"^Section: (?:.*/)?(\S+)$", entry, re.M)
        found = re.search(r"^Description(?:-en)?: (.*(?:\n .*)*)", entry, re.M)
        if section and found and found[1] not in seen:
            seen.add(found[1])
            sections.append(section[1])
            descriptions.append(found[1])
    return sections, descriptions


def hashed_words(texts: list[str], width: int) -> Features:
    """Normalised sums of a random vector for each word of a text, [N, width]."""
    vectors = np.random.default_rng(0).normal(size=(1 << 16, width)).astype(np.float32)
    result = np.zeros((len(texts), width), dtype=np.float32)
    words = [
        {zlib.crc32(word.encode()) & 0xFFFF for word in re.findall(r"[a-z]{3,}", text.lower())}
        for text in texts
    ]
    seen = np.bincount([word for of_text in words for word in of_text], minlength=1 << 16)
    rarity = np.log(len(texts) / (1 + seen)).astype(np.float32)
    for i, of_text in enumerate(words):
        index = np.array(sorted(of_text), dtype=np.int64)
        if len(index):
            result[i] = rarity[index] @ vectors[index]
            result[i] /= np.linalg.norm(result[i]) + 1e-6
    return result


def read_images(folder: pathlib.Path) -> tuple[Images, e.Labels]:
    """Images [N, 32, 32, 3] and their classes, from one folder a class."""
    images, labels = [], []
    for c, name in enumerate(sorted(p for p in folder.iterdir() if p.is_dir())):
        for path in sorted(name.iterdir()):
            with Image.open(path) as image:
                images.append(np.asarray(image.convert("RGB")))
            labels.append(c)
    return np.array(images), np.array(labels, dtype=np.int64)


def convolved(images: Images, other: Images, filters: int) -> Features:
    """Rectified responses to whitened patches of other images, averaged over quadrants."""
    size = 6
    generator = np.random.default_rng(0)

    def patches_of(some: Images) -> Features:
        view = np.lib.stride_tricks.sliding_window_view(some, (size, size), axis=(1, 2))
        flat = view[:, ::2, ::2].reshape(len(some), 14 * 14, -1).astype(np.float32)
        flat -= flat.mean(axis=2, keepdims=True)
        flat /= np.sqrt(flat.var(axis=2, keepdims=True) + 10)
        return flat

    sample = patches_of(other[generator.permutation(len(other))[:500]])
    sample = sample.reshape(-1, sample.shape[2])[generator.permutation(500 * 196)[:20000]]
    values, vectors = np.linalg.eigh(np.cov(sample.T))
    white = (vectors / np.sqrt(np.maximum(values, 0) + 0.1)) @ vectors.T
    bank = sample[:filters] @ white
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    bank = (white @ bank.T).astype(np.float32)
    result = np.empty((len(images), 8 * filters), dtype=np.float32)
    for begin in range(0, len(images), 200):
        response = patches_of(images[begin : begin + 200]) @ bank
        both = np.concatenate([np.maximum(response, 0), np.maximum(-response, 0)], axis=2)
        squares = both.reshape(len(both), 2, 7, 2, 7, 2 * filters).mean(axis=(2, 4))
        result[begin : begin + 200] = squares.reshape(len(both), -1)
    return result


def stopped_cell(command: str, out: pathlib.Path, cell: pathlib.Path) -> None:
    """The cell with features five times as long and the head that SGD has after 100 epochs."""
    out.mkdir(parents=True, exist_ok=True)
    for part in ("train", "holdout", "test"):
        features = 5 * np.load(cell / f"{part}_features.npy")
        np.save(out / f"{part}_features.npy", features)
        np.save(out / f"{part}_labels.npy", np.load(cell / f"{part}_labels.npy"))
    subprocess.run(
        [command, "head", out / "train_features.npy", "--labels", out / "train_labels.npy",
         "-o", out / "head.safetensors", "--epochs", "100", "--lr", "0.5", "--quiet"],
        check=True,
    )  # fmt: skip
    weights = e.read_safetensors(out / "head.safetensors", "weight")
    bias = e.read_safetensors(out / "head.safetensors", "bias")
    for part in ("train", "holdout", "test"):
        scores = np.load(out / f"{part}_features.npy").astype(float) @ weights.T + bias
        np.save(out / f"{part}_scores.npy", scores.astype(np.float32))
    np.save(out / "counts.npy", np.load(cell / "counts.npy"))
    write_head(out / "model.safetensors", np.column_stack([weights, bias]))
    record = {"options": {"weight_decay": 1e-5}, "training_offset": [0.0] * len(bias)}
    (out / "run.json").write_text(json.dumps(record))


DECAYS = (1e-4, 1e-6)


def text_cells(out: pathlib.Path, seeds: int) -> None:
    """1,500 and 4,000 training rows of the sections with 100 packages or more."""
    sections, texts = packages()
    names, found = np.unique(sections, return_inverse=True)
    sizes = np.bincount(found)
    large = np.flatnonzero(sizes >= 100)
    kept = np.isin(found, large)
    labels = np.searchsorted(large, found[kept]).astype(np.int64)
    # The commonest section first, as long tails have it.
    rank = np.argsort(np.argsort(-np.bincount(labels), kind="stable"))
    labels = rank[labels]
    features = hashed_words([t for t, k in zip(texts, kept, strict=True) if k], 96)
    print(f"{len(labels)} packages, {len(large)} of {len(names)} sections")
    for rows in (1500, 4000):
        for seed in range(seeds):
            generator = np.random.default_rng(seed)
            order = generator.permutation(len(labels))
            # Two rows of every class at least, so that each can be left out.
            first = np.concatenate([order[labels[order] == c][:2] for c in range(len(large))])
            rest = order[~np.isin(order, first)]
            train = np.concatenate([first, rest[: rows - len(first)]])
            rest = rest[rows - len(first) :]
            parts = {
                "train": train,
                "holdout": rest[: rows // 9],
                "test": rest[rows // 9 : rows // 9 + 25000],
            }
            for decay in DECAYS:
                for loss in ("ce", "la"):
                    name = f"text{rows}-{loss}-{decay:g}-s{seed}"
                    write_cell(out / name, features, labels, parts, decay, loss == "la")


def long_tail(labels: e.Labels, most: int, generator: np.random.Generator) -> dict[str, e.Labels]:
    """Rows of a long tail of 100 from `most` rows down, a tenth of each class held out."""
    classes = int(labels.max()) + 1
    train, holdout = [], []
    for c, n in enumerate((most * 100.0 ** (-np.arange(classes) / (classes - 1))).astype(int)):
        rows = generator.permutation(np.flatnonzero(labels == c))[:n]
        held = n // 10 + int(generator.random() < n / 10 - n // 10)
        holdout.append(rows[:held])
        train.append(rows[held:])
    return {"train": np.concatenate(train), "holdout": np.concatenate(holdout)}


def image_cells(
    data: pathlib.Path, other: pathlib.Path, out: pathlib.Path, name: str, filters: int, seeds: int
) -> None:
    """Long tails of 100 cut at random from the training images, tested on the test images."""
    images, labels = read_images(data / "train")
    tests, test_labels = read_images(data / "test")
    patches = read_images(other / "train")[0]
    features = convolved(np.concatenate([images, tests]), patches, filters)
    both = np.concatenate([labels, test_labels])
    classes = int(labels.max()) + 1
    of_class = np.bincount(labels)[0]
    for most in (of_class // 10, of_class) if classes == 10 else (of_class,):
        for seed in range(seeds):
            generator = np.random.default_rng(seed)
            parts = long_tail(labels, most, generator)
            parts["test"] = np.arange(len(labels), len(both))
            for decay in DECAYS:
                for loss in ("ce", "la"):
                    folder = out / f"{name}{most}-{loss}-{decay:g}-s{seed}"
                    write_cell(folder, features, both, parts, decay, loss == "la")


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "text":
        text_cells(pathlib.Path(rest[0]), 3)
    elif what == "stopped":
        for cell in map(pathlib.Path, rest[2:]):
            stopped_cell(rest[0], pathlib.Path(rest[1]) / f"stopped-{cell.name}", cell)
    else:
        data, other, out, name, filters, seeds = rest
        image_cells(
            pathlib.Path(data),
            pathlib.Path(other),
            pathlib.Path(out),
            name,
            int(filters),
            int(seeds),
        )
