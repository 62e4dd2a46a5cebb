"""Training rows, each scored by a linear head that has not seen it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import PLAIN, as_rows, refusal
from ._estimate import training_of
from ._values import as_labels, per_class, threads_of

__all__ = ["leave_one_out_scores"]


def leave_one_out_scores(
    features: Any,
    labels: Any,
    weight: Any,
    bias: Any,
    *,
    counts: Any = None,
    trained_with: Any = "ce",
    threads: int | None = None,
) -> NDArray[np.float64]:
    """Score each training row by the linear head fitted without it, to first order.

    For a head on features that come from elsewhere: its training rows then stand for held-out
    ones, and none need be set aside. It does not help where the features were learned from the
    same rows, as a network's own are: these lie where the rows are known by heart, and leaving a
    row out of the last layer alone changes next to nothing. Take held-out rows there. With some ten
    rows a class or fewer the prior may come out worse than that of the training rows.

    Parameters
    ----------
    features
        All rows that the head was fitted to, and no others, shape (rows, d), float16, bfloat16,
        float32 or float64; used in float32.
    labels
        Class of each row, integers from 0 to C - 1.
    weight
        Of the head, shape (C, d); used in float32.
    bias
        Of the head, shape (C,); None: zeros.
    counts
        Training images per class, shape (C,), for the losses that work with them.
    trained_with
        How the head was fitted, as for :func:`estimate_prior`.
    threads
        None: all processors. The result does not depend on it.

    Returns
    -------
    numpy.ndarray
        Logits, shape (rows, C), float64, for :func:`estimate_prior` with ``rows='loo'``.

    Raises
    ------
    Error
        Shapes that disagree, numbers that are not finite, a label out of range, C (d + 1) above
        8,192, a head that was not fitted to these rows by this loss (its loss rises along it), one
        that is certain of all rows.

    Notes
    -----
    With x that ends in a 1 for the bias and b the training offset,

        z~_i = z_i + (I - A_i W_i)^-1 A_i (p_i - e_y),  A_i = X_i H^-1 X_i^T,  X_i = I kron x_i^T
        H = sum_i W_i kron x_i x_i^T + N decay I,  W = diag(p) - p p^T,  p = softmax(z + b)

    `decay` is the weight decay for which the head is stationary along itself: that of the fit at
    its optimum, else what stopping early amounts to. Time O(N C^2 (C + d^2) + C^3 d^3), memory
    about 16 (C d)^2 + N (32 C + 12 d) bytes and 64 MiB a thread. The interpreter lock is released.
    Sources: Rad and Maleki 2020, arXiv:1801.10243; Obuchi and Kabashima 2018, arXiv:1711.05420.

    Examples
    --------
    >>> head = sklearn.linear_model.LogisticRegression().fit(features, labels)
    >>> scores = leave_one_out_scores(features, labels, head.coef_, head.intercept_)
    >>> prior = estimate_prior(scores, counts=counts, rows="loo", input="logits")
    """
    rows = _matrix(features, "features")
    weights = _floats(_matrix(weight, "weight"), "weight")
    n_classes = len(weights)
    if n_classes < 2:
        raise refusal("weight", f"has shape {weights.shape}", "expected one row for each class")
    biases = per_class(np.zeros(n_classes) if bias is None else bias, "bias")
    if biases is None or biases.size != n_classes:
        raise refusal("bias", f"has shape {np.shape(bias)}", f"expected ({n_classes},)")
    loss, tau, values = training_of(trained_with, None)
    scores = np.empty((len(rows), n_classes))
    _core.leave_one_out_scores(
        _core.Scores([rows], None, "features", PLAIN),
        as_labels(labels, None),
        weights,
        _floats(biases, "bias"),
        loss=loss,
        tau=tau,
        values=values,
        counts=per_class(counts, "counts"),
        threads=threads_of(threads),
        out=scores,
    )
    return scores


def _matrix(value: Any, name: str) -> NDArray[Any]:
    """Return an array of rank 2 with something in it; bfloat16 as its uint16 bits."""
    array = as_rows(value, name).array
    if array.ndim != 2 or not array.size:
        raise refusal(name, f"has shape {array.shape}", "expected two axes, none of them empty")
    return array


def _floats(array: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Return what :func:`_matrix` returned as finite float32."""
    if array.dtype == np.uint16:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):
        result = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(result).all():
        raise refusal(name, "holds NaN or infinite numbers", "fit the head anew")
    return result
