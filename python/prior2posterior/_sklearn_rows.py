"""Rows and labels of scikit-learn as sums of posteriors need them, in its versions from 1.3 on."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import cross_val_predict

from ._errors import Error
from ._estimate import PosteriorSum

try:
    from sklearn.utils.validation import validate_data
except ImportError:  # scikit-learn before 1.6

    def validate_data(estimator: Any, X: Any, *, reset: bool, skip_check_array: bool) -> None:
        estimator._check_feature_names(X, reset=reset)
        estimator._check_n_features(X, reset=reset)


__all__ = [
    "label_numbers",
    "labels_of_columns",
    "out_of_fold",
    "posterior_sum",
    "validate_data",
]


def posterior_sum(
    numbers: NDArray[np.int64] | None,
    sample_weight: Any,
    n_classes: int,
    *,
    counts: Any,
    **settings: Any,
) -> PosteriorSum:
    """Return empty sums; `numbers` give the counts, or weigh the rows to follow these.

    Parameters
    ----------
    numbers
        Class number of each row that is to come, or None.
    sample_weight
        Weight of each row in the counts, or None.
    n_classes
        Number of classes C.
    counts, **settings
        As for :class:`PosteriorSum`.
    """
    if sample_weight is not None and not np.any(sample_weight):
        raise Error("every sample_weight is zero; expected one above zero at least")
    label_rows = None
    if numbers is not None and counts is not None:
        label_rows = np.bincount(numbers, minlength=n_classes)
    elif numbers is not None:
        counts = np.bincount(numbers, sample_weight, n_classes)
    return PosteriorSum(n_classes, counts=counts, label_rows=label_rows, **settings)


def label_numbers(y: Any, classes: NDArray[Any]) -> NDArray[np.int64]:
    """Return labels as positions in `classes`; Error naming a label that is not there."""
    labels, inverse = np.unique(np.asarray(y), return_inverse=True)
    position = {label: c for c, label in enumerate(classes.tolist())}
    unknown = next((label for label in labels.tolist() if label not in position), None)
    if unknown is not None:
        raise Error(
            f"'y' holds {unknown!r}, which is none of the {len(position)} classes; expected labels "
            f"like {classes.tolist()[0]!r}"
        )
    found = np.array([position[label] for label in labels.tolist()], dtype=np.int64)
    return found[inverse].reshape(-1)


def labels_of_columns(
    classes: Any, names: list[str] | None, y: Any, n_classes: int
) -> NDArray[Any]:
    """Return the label of each column: as given, as named, as in `y`, or its number."""
    if classes is not None:
        labels = np.asarray(classes)
    elif names is not None:
        labels = np.asarray(names)
    elif y is not None:
        labels = np.unique(np.asarray(y))
        if labels.dtype.kind in "iu" and labels.min() >= 0 and labels.max() < n_classes:
            labels = np.arange(n_classes)
    else:
        labels = np.arange(n_classes)
    if labels.shape != (n_classes,):
        raise Error(
            f"'X' has {n_classes} columns, but there are {labels.size} classes; give the label of "
            "each column with classes=[...]"
        )
    return labels


def out_of_fold(estimator: Any, X: Any, y: Any, cv: Any, weights: dict[str, Any]) -> Any:
    """Return posteriors of rows that the clones of `estimator` which made them had not seen."""
    parameters = inspect.signature(cross_val_predict).parameters
    name = "params" if "params" in parameters else "fit_params"  # scikit-learn before 1.4
    return cross_val_predict(estimator, X, y, cv=cv, method="predict_proba", **{name: weights})
