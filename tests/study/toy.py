"""Three classes on a short tail in four dimensions."""

from __future__ import annotations

import numpy as np

CLASSES, WIDTH, ROWS = 3, 4, 200


def rows():
    generator = np.random.default_rng(1)
    labels = np.repeat(np.arange(CLASSES), [120, 60, 20])
    means = generator.normal(size=(CLASSES, WIDTH))
    return means[labels] + generator.normal(size=(ROWS, WIDTH)), labels
