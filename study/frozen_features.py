"""Features that were not learned from the training rows."""

from __future__ import annotations

import re
import zlib

import numpy as np
from image_rows import Pixels
from numpy.typing import NDArray

Features = NDArray[np.float32]

PATCH = 6
FILTERS = 32
#: Images whose patches the filters are drawn from.
SAMPLE = 500


def hashed_words(texts: list[str], width: int) -> Features:
    """Normalised sums of a random vector for each word of a text, rare words weighing more."""
    vectors = np.random.default_rng(0).normal(size=(1 << 16, width)).astype(np.float32)
    words = [
        sorted({zlib.crc32(word.encode()) & 0xFFFF for word in re.findall(r"[a-z]{3,}", text)})
        for text in map(str.lower, texts)
    ]
    seen = np.bincount([word for of_text in words for word in of_text], minlength=1 << 16)
    rarity = np.log(len(texts) / (1 + seen)).astype(np.float32)
    result = np.zeros((len(texts), width), dtype=np.float32)
    for i, of_text in enumerate(words):
        if of_text:
            result[i] = rarity[of_text] @ vectors[of_text]
            result[i] /= np.linalg.norm(result[i]) + 1e-6
    return result


def patches_of(images: Pixels) -> Features:
    """Patches of 14 x 14 places, of mean 0 and variance 1, [N, 196, PATCH * PATCH * 3]."""
    view = np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), axis=(1, 2))
    flat = view[:, ::2, ::2].reshape(len(images), 14 * 14, -1).astype(np.float32)
    flat -= flat.mean(axis=2, keepdims=True)
    flat /= np.sqrt(flat.var(axis=2, keepdims=True) + 10)
    return flat


def filters_of(images: Pixels, rng: np.random.Generator) -> Features:
    """Whitened patches of images, [PATCH * PATCH * 3, FILTERS]."""
    sample = patches_of(images)
    sample = sample.reshape(-1, sample.shape[2])
    sample = sample[rng.permutation(len(sample))[:20000]]
    values, vectors = np.linalg.eigh(np.cov(sample.T))
    white = (vectors / np.sqrt(np.maximum(values, 0) + 0.1)) @ vectors.T
    bank = sample[:FILTERS] @ white
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    result: Features = (white @ bank.T).astype(np.float32)
    return result


def convolved(images: Pixels, bank: Features) -> Features:
    """Rectified responses of either sign to each filter, means of quadrants, [N, 8 FILTERS]."""
    result = np.empty((len(images), 8 * FILTERS), dtype=np.float32)
    for begin in range(0, len(images), 200):
        response = patches_of(images[begin : begin + 200]) @ bank
        both = np.concatenate([np.maximum(response, 0), np.maximum(-response, 0)], axis=2)
        squares = both.reshape(len(both), 2, 7, 2, 7, 2 * FILTERS).mean(axis=(2, 4))
        result[begin : begin + 200] = squares.reshape(len(both), -1)
    return result
