"""The class weights that a fitted classifier learned with, wherever they hide."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClassWeights", "class_weights"]


class ClassWeights(NamedTuple):
    """What weighs the classes of an estimator."""

    values: NDArray[np.float64] | None  # one per class; None: only the scores tell what is left
    origin: str  # in words


# Parameters that weigh classes, of scikit-learn, XGBoost, LightGBM and CatBoost.
_PARAMETERS = ("class_weight", "scale_pos_weight", "is_unbalance", "unbalance", "unbalanced_sets",
               "auto_class_weights", "class_weights", "priors", "class_prior")  # fmt: skip
# Their probabilities are those of the estimator inside.
_TRANSPARENT = ("FrozenEstimator", "TunedThresholdClassifierCV", "FixedThresholdClassifier")
# Ensembles of imbalanced-learn that draw balanced rows for each member.
_BALANCED = ("BalancedRandomForestClassifier", "BalancedBaggingClassifier",
             "EasyEnsembleClassifier", "RUSBoostClassifier")  # fmt: skip
# Of these the probabilities are fitted to the labels after the weights, which are gone then.
_CALIBRATED = ("SVC", "NuSVC", "CalibratedClassifierCV")


def class_weights(
    model: Any, counts: NDArray[np.float64], labels: NDArray[Any]
) -> ClassWeights | None:
    """Return what weighs the classes of a fitted classifier, or None.

    Parameters
    ----------
    model
        The classifier: also a pipeline, search, frozen estimator or ensemble around one.
    counts
        Its training rows per class, shape (C,).
    labels
        The label of each class, shape (C,).
    """
    inner = getattr(model, "best_estimator_", None)
    if inner is None and type(model).__name__ in _TRANSPARENT:
        inner = getattr(model, "estimator_", model.estimator)
    if inner is not None:
        return class_weights(inner, counts, labels)
    if hasattr(model, "steps"):
        parts = [_of_sampler(s, counts, labels) for _, s in model.steps if _is_sampler(s)]
        return _product([*parts, class_weights(model.steps[-1][1], counts, labels)])
    if type(model).__name__ in ("BaggingClassifier", "VotingClassifier"):
        members = [class_weights(m, counts, labels) for m in model.estimators_]
        return _common(members)
    own = _of_parameters(model, counts, labels)
    if type(model).__name__ in _BALANCED:
        own = _product([own, _of_balanced(model, counts, labels)])
    return own or _hidden(model)


def _is_sampler(step: Any) -> bool:
    return hasattr(step, "fit_resample")


def _product(parts: Iterable[ClassWeights | None]) -> ClassWeights | None:
    found = [part for part in parts if part is not None]
    if not found:
        return None
    origin = " and ".join(part.origin for part in found)
    values = [part.values for part in found if part.values is not None]
    return ClassWeights(np.prod(values, axis=0) if len(values) == len(found) else None, origin)


def _common(members: list[ClassWeights | None]) -> ClassWeights | None:
    """Weights of averaged members: known where they are those of each."""
    first = next((member for member in members if member is not None), None)
    if first is None:
        return None
    alike = first.values is not None and all(
        member is not None
        and member.values is not None
        and np.allclose(member.values / member.values.sum(), first.values / first.values.sum())
        for member in members
    )
    return first if alike else ClassWeights(None, first.origin)


def _of_parameters(
    model: Any, counts: NDArray[np.float64], labels: NDArray[Any]
) -> ClassWeights | None:
    parameters = model.get_params(deep=False) if hasattr(model, "get_params") else {}
    name = type(model).__name__
    parts = []
    for key in _PARAMETERS:
        value = parameters.get(key)
        if _is_set(key, value):
            values = None if name in _CALIBRATED else _values(key, value, counts, labels)
            parts.append(ClassWeights(values, f"{key} of {name}"))
    if parameters.get("fit_prior") is False and not parts:
        parts.append(ClassWeights(_balanced(counts), f"fit_prior of {name}"))
    return _product(parts)


def _is_set(key: str, value: Any) -> bool:
    if value is None or (isinstance(value, str) and value == "None"):
        return False
    if key == "scale_pos_weight":
        return bool(value != 1)
    return value is not False


def _balanced(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights that make the classes equally frequent; a class without rows counts once."""
    rows: NDArray[np.float64] = np.where(counts > 0, counts, counts.sum())
    weights: NDArray[np.float64] = counts.sum() / (counts.size * rows)
    return weights


def _values(
    key: str, value: Any, counts: NDArray[np.float64], labels: NDArray[Any]
) -> NDArray[np.float64] | None:
    """Relative weight of each class, or None where it is not known."""
    if key == "scale_pos_weight":
        return np.array([1.0, float(value)]) if counts.size == 2 else None
    if key in ("is_unbalance", "unbalance", "unbalanced_sets"):
        return _balanced(counts) if counts.size == 2 else None  # of no effect on a softmax
    if isinstance(value, str):
        known = {"balanced": 1.0, "balanced_subsample": 1.0, "SqrtBalanced": 0.5, "Balanced": 1.0}
        return _balanced(counts) ** known[value] if value in known else None
    if isinstance(value, dict):
        by_label = {str(label): weight for label, weight in value.items()}
        return np.array([by_label.get(str(label), 1.0) for label in labels], np.float64)
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return None
    if array.shape != counts.shape:
        return None
    if key in ("priors", "class_prior"):
        return array * _balanced(counts)
    return array


def _of_sampler(
    sampler: Any, counts: NDArray[np.float64], labels: NDArray[Any]
) -> ClassWeights | None:
    """Rows after a fitted sampler of imbalanced-learn by rows before."""
    name = type(sampler).__name__
    kind = getattr(sampler, "_sampling_type", "")
    plan = getattr(sampler, "sampling_strategy_", None)
    plain = not type(sampler).__module__.startswith("imblearn.combine")
    if not plain or kind not in ("over-sampling", "under-sampling") or not isinstance(plan, dict):
        return ClassWeights(None, name)
    by_label = {str(label): rows for label, rows in plan.items()}
    rows = counts.copy()
    for c, label in enumerate(labels):
        if str(label) in by_label:
            rows[c] = by_label[str(label)] + (counts[c] if kind == "over-sampling" else 0)
    return ClassWeights(rows / np.where(counts > 0, counts, 1), name)


def _of_balanced(model: Any, counts: NDArray[np.float64], labels: NDArray[Any]) -> ClassWeights:
    """Rows that each member of a balanced ensemble draws, by rows that there are."""
    name = type(model).__name__
    strategy = getattr(model, "sampling_strategy", "auto")
    values = None
    boosts = name in ("EasyEnsembleClassifier", "RUSBoostClassifier")  # then p is no posterior
    if getattr(model, "sampler", None) is None and not boosts:
        if strategy in ("auto", "all", "not minority") or (
            strategy == "majority" and counts.size == 2
        ):
            values = _balanced(counts)
        elif isinstance(strategy, dict):
            rows = {str(label): number for label, number in strategy.items()}
            drawn = [rows.get(str(label), n) for label, n in zip(labels, counts, strict=True)]
            values = np.array(drawn) / np.where(counts > 0, counts, 1)
    return ClassWeights(values, name)


def _hidden(model: Any) -> ClassWeights | None:
    """Weights somewhere inside an estimator that makes something else of them."""
    if not hasattr(model, "get_params"):
        return None
    for path, value in model.get_params(deep=True).items():
        outer, _, key = path.rpartition("__")
        if _is_sampler(value) or type(value).__name__ in _BALANCED:
            return ClassWeights(None, f"{type(value).__name__} in {type(model).__name__}")
        if outer and key in _PARAMETERS and _is_set(key, value):
            return ClassWeights(None, f"{path} of {type(model).__name__}")
    return None
