"""A correction folded into a fitted scikit-learn classifier, and taken out again."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from . import _core
from ._arrays import agree
from ._core import Correction
from ._errors import Error

try:
    from sklearn.frozen import FrozenEstimator
except ImportError:  # scikit-learn before 1.6
    FrozenEstimator = None

__all__ = ["bake_estimator", "is_frozen", "unbake_estimator"]

_RECORD = "_prior2posterior_baked"


def bake_estimator(model: Any, correction: Correction, *, again: bool = False) -> Any:
    """Return a copy of `model` whose predict_proba is corrected.

    Parameters
    ----------
    model
        Fitted LogisticRegression, LogisticRegressionCV, LinearDiscriminantAnalysis, MLPClassifier,
        binary SGDClassifier(loss="log_loss") (the last bias takes the offset),
        QuadraticDiscriminantAnalysis, GaussianNB, MultinomialNB, BernoulliNB or CategoricalNB (the
        class prior takes it); or a Pipeline, a finished search or a FrozenEstimator around one.
    correction
        Of the scores that `model` makes. Arithmetic in float64, parameters in their own type.
    again
        On top of what is baked in already.

    Returns
    -------
    estimator
        Its predict_proba(X) is correct(model.predict_proba(X), correction) up to rounding, and
        predict follows. `model` stays as it is.

    Raises
    ------
    Error
        The probabilities of `model` are no softmax of scores that an offset can reach, the classes
        differ, something is baked in already, or the correction scales single classes.
    NotFittedError
        `model` is not fitted.
    """
    baked = deepcopy(model)
    head = _head(baked)
    if not hasattr(head, "get_params"):
        raise Error(
            f"the model is a {type(head).__name__}, which is no classifier of scikit-learn; use "
            "correct() on its probabilities"
        )
    check_is_fitted(head)
    if not hasattr(head, "classes_"):
        raise Error(f"a {type(head).__name__} has no classes; expected a classifier")
    _demand_same_classes(head, correction)
    if correction.scale is not None:
        raise Error(
            f"method '{correction.method}' scales single classes, which means another thing for "
            "logits than for probabilities; keep the model and use correct() on the scores that "
            "the scales were fitted to"
        )
    record = getattr(head, _RECORD, None)
    if record is not None and not _is_there(head, record):
        record = None  # fitted anew since
    if record is not None and not again:
        raise Error(
            f"a correction is baked into this {type(head).__name__} already; unbake it first, or "
            "say again=True to add another"
        )
    changed = _corrected_parameters(head, correction)
    original = {name: getattr(head, name) for name in changed}
    if record is not None:
        original.update(record["original"])
    for name, value in changed.items():
        setattr(head, name, value)
    offset = next(iter(changed))
    setattr(head, _RECORD, {"original": original, "offset": offset, "baked": _copy(head, offset)})
    return baked


def unbake_estimator(model: Any) -> Any:
    """Return a copy of `model` with the parameters, to the bit, that it had before bake_estimator.

    Parameters
    ----------
    model
        What bake_estimator returned, pickled or copied since or not.

    Raises
    ------
    Error
        Nothing is baked in, or the model was fitted anew since.
    """
    restored = deepcopy(model)
    head = _head(restored)
    record = getattr(head, _RECORD, None)
    if record is None:
        raise Error(
            f"nothing is baked into this {type(head).__name__}; give what bake returned, a clone "
            "forgets it"
        )
    if not _is_there(head, record):
        raise Error(
            f"what was baked into this {type(head).__name__} is not there any more: its "
            f"{record['offset']} changed since; was it fitted anew?"
        )
    for name, value in record["original"].items():
        setattr(head, name, value)
    delattr(head, _RECORD)
    return restored


def is_frozen(model: object) -> bool:
    """Whether `model` is a FrozenEstimator."""
    return FrozenEstimator is not None and isinstance(model, FrozenEstimator)


def _head(model: Any) -> Any:
    """Return the classifier that makes the probabilities of `model`."""
    while True:
        if is_frozen(model):
            model = model.estimator
        elif isinstance(model, Pipeline):
            model = model.steps[-1][1]
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            return model


def _demand_same_classes(head: Any, correction: Correction) -> None:
    own = [str(label) for label in head.classes_]
    if len(own) != correction.delta.size:
        raise Error(
            f"the {type(head).__name__} has {len(own)} classes, but the correction has "
            f"{correction.delta.size}; use a prior of the same model"
        )
    names = correction.classes
    numbered = own == [str(c) for c in range(len(own))]
    if names is not None and numbered and set(names) != set(own):
        return  # numbers are names that nobody gave
    agree(("the correction", names), (f"the {type(head).__name__}", own))


def _corrected_parameters(head: Any, correction: Correction) -> dict[str, Any]:
    """Attributes of `head` with the correction in them; the first one takes the offset."""
    if isinstance(head, (BernoulliNB, CategoricalNB, MultinomialNB)):
        _demand_no_temperature(head, correction)
        return {"class_log_prior_": _bias(head.class_log_prior_, correction)}
    if isinstance(head, GaussianNB):
        _demand_no_temperature(head, correction)
        return {"class_prior_": _class_prior(head.class_prior_, correction)}
    if isinstance(head, QuadraticDiscriminantAnalysis):
        _demand_no_temperature(head, correction)
        return {"priors_": _class_prior(head.priors_, correction)}
    _demand_softmax(head)
    if isinstance(head, MLPClassifier):
        *biases, bias = head.intercepts_
        changed: dict[str, Any] = {"intercepts_": [*biases, _bias(bias, correction)]}
        if correction.temperature != 1:
            *inner, weights = head.coefs_
            changed["coefs_"] = [*inner, _divided(weights, correction.temperature)]
        return changed
    changed = {"intercept_": _bias(head.intercept_, correction)}
    if correction.temperature != 1:
        changed["coef_"] = _divided(head.coef_, correction.temperature)
    return changed


def _demand_softmax(head: Any) -> None:
    """Raise Error unless predict_proba is the softmax (of two classes: sigmoid) of a last layer."""
    two = len(head.classes_) == 2
    if isinstance(head, LogisticRegression):
        # Two classes as a softmax of two opposite scores: scikit-learn before 1.7 on request.
        style = getattr(head, "multi_class", "")
        against_rest = style == "ovr" or head.solver == "liblinear"
        fits = style != "multinomial" if two else not against_rest
    elif isinstance(head, SGDClassifier):
        fits = two and head.loss == "log_loss"
    elif isinstance(head, MLPClassifier):
        fits = two or head.out_activation_ == "softmax"
    else:
        fits = isinstance(head, LinearDiscriminantAnalysis)
    if not fits:
        raise Error(
            f"{type(head).__name__} with {len(head.classes_)} classes cannot take a correction: "
            "its probabilities are no softmax of scores with a bias or a class prior; use "
            "correct(model.predict_proba(X), prior) or PriorCorrectedClassifier"
        )


def _demand_no_temperature(head: Any, correction: Correction) -> None:
    if correction.temperature != 1:
        raise Error(
            f"{type(head).__name__} cannot take temperature {correction.temperature:g}, only an "
            "offset, in its class prior; use correct(model.predict_proba(X), prior)"
        )


def _bias(bias: NDArray[Any], correction: Correction) -> NDArray[Any]:
    """Correct a bias for each class, or that of the log-odds of the second of two classes."""
    if bias.size == 1:
        result = bias / correction.temperature + (correction.delta[1] - correction.delta[0])
    else:
        result = _core.folded_bias(bias.astype(np.float64), correction)
    rounded: NDArray[Any] = result.astype(bias.dtype)
    return rounded


def _class_prior(prior: NDArray[Any], correction: Correction) -> NDArray[Any]:
    tilted = prior * np.exp(correction.delta - correction.delta.max())
    normalised: NDArray[Any] = (tilted / tilted.sum()).astype(prior.dtype)
    return normalised


def _divided(weights: Any, temperature: float) -> Any:
    return (weights / temperature).astype(weights.dtype)


def _copy(head: Any, name: str) -> NDArray[Any]:
    """Copy a parameter, or the last of a list of them: training goes on in place."""
    value = getattr(head, name)
    return np.array(value[-1] if isinstance(value, list) else value)


def _is_there(head: Any, record: dict[str, Any]) -> bool:
    return np.array_equal(_copy(head, record["offset"]), record["baked"])
