"""Linear heads, [C, d + 1] with the bias as the last column: fitted, and read from files."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import scipy.optimize
from gaussian import Floats, Ints, normalised


def with_bias(features: Floats) -> Floats:
    """Features with a last column of ones."""
    return np.hstack([features, np.ones((len(features), 1))])


def fit_head(
    features: Floats,
    labels: Ints,
    classes: int,
    penalty: float,
    offset: Floats | float = 0.0,
    start: Floats | None = None,
) -> Floats:
    """The optimum of the penalised softmax regression.

    Minimises sum_i -log softmax(W x_i + offset)_y + penalty / 2 |W|^2, the bias being penalised
    with the rest. L-BFGS; O(N C d) an iteration.
    """
    x = with_bias(features)
    rows = np.arange(len(x))

    def loss(flat: Floats) -> tuple[float, Floats]:
        w = flat.reshape(classes, -1)
        log_p = normalised(x @ w.T + offset)
        residual = np.exp(log_p)
        residual[rows, labels] -= 1
        gradient = residual.T @ x + penalty * w
        value = -log_p[rows, labels].sum() + penalty / 2 * np.square(w).sum()
        return float(value), gradient.ravel()

    first = np.zeros((classes, x.shape[1])) if start is None else start
    found = scipy.optimize.minimize(
        loss,
        first.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 2000, "maxfun": 4000, "maxcor": 20, "ftol": 1e-13, "gtol": 1e-7},
    )
    result: Floats = found.x.reshape(classes, -1)
    return result


def stationary_decay(
    features: Floats, labels: Ints, head: Floats, offset: Floats | float = 0.0
) -> float:
    """The weight decay of the mean loss for which `head` is stationary along itself.

    -<gradient, W> / <W, W> of the mean cross-entropy: the run's weight decay at the optimum, and
    more for a head that was stopped before, which early stopping regularises likewise. At least
    1e-7.
    """
    x = with_bias(features)
    residual = np.exp(normalised(x @ head.T + offset))
    residual[np.arange(len(x)), labels] -= 1
    gradient = residual.T @ x / len(x)
    return max(1e-7, -float((gradient * head).sum() / np.square(head).sum()))


def read_head(file: pathlib.Path, layer: str = "") -> tuple[Floats, Floats]:
    """Weight [C, d] and bias [C] of a layer of a safetensors file, as in layer="fc."."""
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    arrays = []
    for name in ("weight", "bias"):
        entry = header[f"{layer}{name}"]
        begin, end = (8 + length + at for at in entry["data_offsets"])
        values = np.frombuffer(data[begin:end], np.float32).astype(np.float64)
        arrays.append(values.reshape(entry["shape"]))
    return arrays[0], arrays[1]
