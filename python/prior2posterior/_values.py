"""Labels, numbers per class, names and plain options as the core takes them."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import library, refusal
from ._errors import Error


def number(value: Any, name: str) -> float:
    """Return an option as a float."""
    if isinstance(value, (str, bytes)):
        raise refusal(name, f"is {value!r}", "expected a number")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise refusal(name, f"is a {type(value).__name__}", "expected a number") from error


def reading_of(normalise: bool, log_base: float | None, binary: bool) -> _core.ScoreReading:
    """Return how numbers become scores."""
    base = None if log_base is None else number(log_base, "log_base")
    return _core.ScoreReading(bool(normalise), base, bool(binary))


def integer(value: Any, name: str, least: int | None = None) -> int:
    """Return an option as an int of at least `least`; 3.0 is one, 3.5 is not."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        result = operator.index(value)
    except TypeError as error:
        raise refusal(name, f"is {value!r}", "expected a whole number") from error
    if least is not None and result < least:
        raise refusal(name, f"is {result}", f"expected {least} or more")
    return result


def maybe_integer(value: Any, name: str) -> int | None:
    """Return an option as an int, or None when it is not given."""
    return None if value is None else integer(value, name)


def threads_of(threads: Any) -> int:
    """Return the number of threads: all processors for None."""
    if threads is None:
        return _core.default_threads()
    return integer(threads, "threads", 1)


def names_of(classes: Iterable[Any] | None) -> list[str] | None:
    """Return class names as text, each once."""
    if classes is None:
        return None
    names = [str(name) for name in classes]
    repeated = next((n for i, n in enumerate(names) if n in names[:i]), None)
    if repeated is not None:
        raise Error(f"classes names '{repeated}' twice; give every class its own name")
    return names


def class_numbers(exclude: Any, classes: Sequence[str] | None) -> list[int]:
    """Return excluded classes, given by name or number, as numbers."""
    numbers = []
    for item in [exclude] if isinstance(exclude, (str, int, np.integer)) else exclude:
        if isinstance(item, str):
            if classes is None or item not in classes:
                raise Error(f"exclude: no class is named '{item}'; give its name or its number")
            numbers.append(list(classes).index(item))
        else:
            numbers.append(integer(item, "exclude"))
    return numbers


def as_labels(
    labels: Any,
    classes: Sequence[str] | None,
    shape: Sequence[int] | None = None,
    class_axis: int | None = None,
) -> NDArray[np.int64]:
    """Return labels as class numbers; names become the numbers of their columns.

    Parameters
    ----------
    labels
        Integers of any type, booleans of two classes, or class names.
    classes
        Names of the columns, or None.
    shape, class_axis
        Of the scores, when the labels are theirs alone: labels of several axes must fit it.
    """
    if library(labels) == "torch":
        labels = labels.detach().cpu()
    array = np.asarray(labels)
    if shape is not None:
        _check_positions(array.shape, shape, -1 if class_axis is None else class_axis)
    if array.ndim == 0:
        found = "one number" if array.dtype.kind in "iuf" else f"a {type(labels).__name__}"
        raise refusal("labels", f"is {found}", "expected an array with one label per row")
    if array.dtype.kind in "OUST" or array.dtype.name.startswith("string"):
        return _numbers_of_names(array.reshape(-1), classes)
    if array.dtype.kind == "b":
        array = array.astype(np.int64)
    if array.dtype.kind == "f":
        hint = "labels.argmax(axis=1)" if array.ndim > 1 else "labels.astype(int)"
        raise refusal("labels", f"holds {array.dtype}", f"expected integers, as from {hint}")
    if array.dtype.kind not in "iu":
        raise refusal(
            "labels", f"holds {array.dtype}", "expected integers from 0 to C - 1, or class names"
        )
    if array.dtype == np.uint64 and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise refusal("labels", f"reaches {array.max()}", "expected integers from 0 to C - 1")
    return np.ascontiguousarray(array.reshape(-1), dtype=np.int64)


def _check_positions(labels: Sequence[int], scores: Sequence[int], class_axis: int) -> None:
    """Refuse one-hot labels, and labels whose axes are not those of the positions."""
    positions = list(scores)
    n_classes = positions.pop(class_axis)
    shape = f"has shape {tuple(labels)}"
    size = int(np.prod(labels))
    if len(labels) > 1 and n_classes in labels and size == int(np.prod(scores)):
        axis = list(labels).index(n_classes)
        hint = f"expected one class number a row, as from argmax(axis={axis})"
        raise refusal("labels", f"{shape}, which is one-hot rows", hint)
    own = [n for n in labels if n != 1]
    wanted = [n for n in positions if n != 1]
    if min(len(own), len(wanted)) > 1 and size == int(np.prod(positions)) and own != wanted:
        raise refusal(
            "labels", shape, f"expected that of the positions, {tuple(positions)}, or a flat array"
        )


def _numbers_of_names(labels: NDArray[Any], classes: Sequence[str] | None) -> NDArray[np.int64]:
    if labels.dtype.kind == "O":
        if all(isinstance(label, (int, np.integer)) for label in labels):
            return labels.astype(np.int64)
        odd = next((i for i, label in enumerate(labels) if not isinstance(label, str)), None)
        if odd is not None:
            raise refusal(
                "labels",
                f"holds {labels[odd]!r} in row {odd} (counted from 0)",
                "expected class names, or integers",
            )
    if classes is None:
        raise refusal(
            "labels", "holds names, but the classes have none", "name them with classes=[...]"
        )
    position = {name: c for c, name in enumerate(classes)}
    unknown = next((i for i, label in enumerate(labels) if label not in position), None)
    if unknown is not None:
        raise refusal(
            "labels",
            f"holds '{labels[unknown]}' in row {unknown} (counted from 0)",
            f"expected one of the {len(classes)} class names",
        )
    return np.fromiter((position[label] for label in labels), np.int64, labels.size)


def per_class(
    values: Any, name: str, classes: Sequence[str] | None = None
) -> NDArray[np.float64] | None:
    """Return one number per class as float64, or None when not given.

    Parameters
    ----------
    values
        In the order of the columns; a mapping or a pandas Series by class name or class number.
    name
        What messages call them.
    classes
        Names of the columns, or None.
    """
    if values is None:
        return None
    if library(values) == "pandas" and hasattr(values, "index"):
        values = dict(zip(values.index.tolist(), values.tolist(), strict=True))
    if isinstance(values, Mapping):
        values = _in_order(values, name, classes)
    if library(values) == "torch":
        values = values.detach().cpu()
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise refusal(name, f"is not numbers ({error})", "expected one number per class") from error
    if array.ndim != 1:
        raise refusal(name, f"has shape {array.shape}", "expected one number per class")
    return np.ascontiguousarray(array)


def _in_order(values: Mapping[Any, Any], name: str, classes: Sequence[str] | None) -> list[Any]:
    """Return the values of a mapping in the order of the classes."""
    if classes is not None:
        by_name = {str(key): value for key, value in values.items()}
        odd = sorted(set(by_name) ^ set(classes))
        if not odd:
            return [by_name[key] for key in classes]
    if all(isinstance(key, str) and key.isdecimal() for key in values):
        values = {int(key): value for key, value in values.items()}
    if all(isinstance(key, (int, np.integer)) for key in values):
        missing = next((c for c in range(len(values)) if c not in values), None)
        if missing is None:
            return [values[c] for c in range(len(values))]
        raise refusal(name, f"has no number for class {missing}", "give one for every class")
    if classes is None:
        raise refusal(name, "is keyed by class name", "name the columns with classes=[...]")
    raise refusal(name, f"and the classes differ in '{odd[0]}'", "give one number for every class")


def row_weights(weights: Any) -> NDArray[np.float64] | None:
    """Return how much each row counts as float64, or None when not given."""
    if weights is None:
        return None
    if library(weights) == "torch":
        weights = weights.detach().cpu()
    try:
        array = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise refusal("weights", f"are not numbers ({error})", "expected one per row") from error
    if array.ndim != 1 or not array.size:
        raise refusal("weights", f"has shape {array.shape}", "expected one number per row")
    return np.ascontiguousarray(array)
