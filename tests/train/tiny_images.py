"""Tiny data sets of PNG files, and the command beside p2p-train."""

import json
import pathlib
import struct
import sys
import zlib

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "cli"))

from harness import COMMAND, Outcome, attempt, p2p, refuse, sentence  # noqa: E402

__all__ = ["COMMAND", "Outcome", "attempt", "p2p", "refuse", "sentence"]

SIDE = 8
CLASSES = ("ant", "bee", "cat")


def write_png(path, pixels):
    """pixels: uint8 [height, width, 3]."""
    height, width, _ = pixels.shape

    def chunk(kind, data):
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
                     + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))  # fmt: skip


def write_classes(folder, counts, seed):
    """folder/CLASS/NN.png, each class with a colour of its own under noise; the pixels and labels
    in the order of the rows."""
    random = np.random.default_rng(seed)
    images, labels = [], []
    for label, (name, count) in enumerate(zip(CLASSES, counts)):
        for i in range(count):
            colour = np.where(np.arange(3) == label, 170, 90)
            noise = random.integers(-80, 80, (SIDE, SIDE, 3))
            images.append((colour + noise).astype(np.uint8))
            labels.append(label)
            write_png(folder / name / f"{i:02}.png", images[-1])
    return np.array(images), np.array(labels)


def write_data_set(folder, train=(15, 9, 5), test=(4, 4, 3)):
    """folder/train and folder/test; pixels and labels of the test part."""
    write_classes(folder / "train", train, seed=1)
    return write_classes(folder / "test", test, seed=2)


def read_safetensors(path):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    arrays = {}
    for name, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        arrays[name] = np.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])
    return arrays
