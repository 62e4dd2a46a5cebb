"""Estimators for scikit-learn that measure the prior of a classifier and divide it out.

    from prior2posterior.sklearn import PriorCorrectedClassifier

    model = PriorCorrectedClassifier(LogisticRegression()).fit(X, y)
    model.predict_proba(X_test)      # as if all classes were equally frequent

`PriorCorrector` does the same to scores that exist already. Both follow scikit-learn's rules:
they clone, pickle, and work in pipelines and searches.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    from sklearn.base import (
        BaseEstimator,
        ClassifierMixin,
        MetaEstimatorMixin,
        OneToOneFeatureMixin,
        TransformerMixin,
        clone,
    )
except ModuleNotFoundError as error:
    raise ImportError(
        "prior2posterior.sklearn needs scikit-learn: pip install scikit-learn"
    ) from error
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, column_or_1d, has_fit_parameter

from ._arrays import as_rows, check_shape
from ._correct import correct, make_correction
from ._errors import Error, warn
from ._estimate import PosteriorSum
from ._sklearn_bake import bake_estimator, is_frozen, unbake_estimator
from ._sklearn_check import missing_prior, worse_than_none
from ._sklearn_rows import (
    label_numbers,
    labels_of_columns,
    out_of_fold,
    posterior_sum,
    validate_data,
)
from ._sklearn_weights import class_weights
from ._values import per_class

__all__ = ["PriorCorrectedClassifier", "PriorCorrector", "bake_estimator", "unbake_estimator"]


class PriorCorrector(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Divide the prior of a classifier out of its scores: z' = z / T - log q + log target.

    Parameters
    ----------
    target
        Prior to aim at: ``'uniform'``, ``'empirical'`` (the training counts), one number per class,
        or a mapping from class label.
    method
        ``'p2p'``, ``'empirical'`` or ``'none'``.
    strength : float
        Share of the correction; 0 is the identity.
    trained_with
        ``'ce'``, ``'la'``, ``'la:TAU'``, ``'balanced-softmax'``, ``('weights', w)`` or
        ``('offset', b)``, as for :func:`prior2posterior.estimate_prior`.
    counts
        Training rows per class, shape (C,), or a mapping from class label; None: counted in `y`.
        With both, rows are weighted to follow `counts`.
    classes
        Labels in the order of the columns; None: the names of the columns, else the sorted labels
        in `y`, else 0 to C - 1.
    input
        ``'auto'``, ``'logits'``, ``'probs'`` or ``'log-probs'``: what the scores are.
    temperature : float
        T > 0.

    Attributes
    ----------
    prior_ : ClassPrior
    correction_ : Correction
    classes_ : ndarray of shape (C,)
    n_features_in_ : int
        C.
    feature_names_in_ : ndarray of shape (C,)
        Only when the scores have named columns.

    Notes
    -----
    Scores are arrays of shape (rows, C) as for :func:`prior2posterior.correct`: float16 to float64,
    of any library, not copied to be read. Source: Bhat et al., Prior2Posterior, WACV 2025.

    Examples
    --------
    >>> corrector = PriorCorrector().fit(train_logits, train_labels)
    >>> corrector.transform(test_logits)
    """

    def __init__(
        self,
        *,
        target: Any = "uniform",
        method: str = "p2p",
        strength: float = 1.0,
        trained_with: Any = "ce",
        counts: Any = None,
        classes: Any = None,
        input: str = "auto",
        temperature: float = 1.0,
    ) -> None:
        self.target = target
        self.method = method
        self.strength = strength
        self.trained_with = trained_with
        self.counts = counts
        self.classes = classes
        self.input = input
        self.temperature = temperature

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> PriorCorrector:
        """Measure the prior in scores of training rows.

        Parameters
        ----------
        X
            Scores, shape (rows, C).
        y
            Labels, shape (rows,), or None.
        sample_weight
            How much each row counts, shape (rows,), at least 0; None: once.

        Raises
        ------
        Error
            Scores, labels or parameters that cannot be used.
        """
        numbers = self._start(X, y)
        counts_first = isinstance(self.trained_with, str) and self.trained_with != "ce"
        self._counted = sample_weight is not None or (numbers is not None and counts_first)
        if self._counted or self.counts is not None:
            self._sum = posterior_sum(
                numbers, sample_weight, len(self.classes_), **self._settings()
            )
        else:
            self._sum = PosteriorSum(len(self.classes_), **self._settings())
        return self._add(X, numbers, sample_weight)

    def partial_fit(self, X: Any, y: Any = None) -> PriorCorrector:
        """Add rows to those of the calls before; the result is that of one `fit` over all.

        Parameters
        ----------
        X
            Scores, shape (rows, C).
        y
            Labels, shape (rows,), for all batches or for none. When the first batch may lack
            classes, name them with the parameter `classes`.

        Raises
        ------
        Error
            As `fit`; `y` when the counts are settled: by the parameter `counts`, or by a `fit` with
            weights or with a loss that works with counts.
        """
        if y is not None and (self.counts is not None or getattr(self, "_counted", False)):
            raise Error(
                "the counts are settled, by the parameter or by fit, and y cannot add to them; "
                "give all labelled rows to one fit, or all to partial_fit without the parameter"
            )
        if hasattr(self, "_sum"):
            validate_data(self, X, reset=False, skip_check_array=True)
            numbers = None if y is None else label_numbers(y, self.classes_)
            return self._add(X, numbers, None)
        numbers = self._start(X, y)
        self._sum = PosteriorSum(len(self.classes_), **self._settings())
        try:
            return self._add(X, numbers, None)
        except BaseException:
            del self._sum
            raise

    def transform(self, X: Any) -> Any:
        """Return corrected scores in the type and of the kind of `X`, shape (rows, C)."""
        return self._correct(X, None)

    def predict_proba(self, X: Any) -> Any:
        """Return corrected probabilities, shape (rows, C)."""
        return self._correct(X, "probs")

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the label of the largest corrected score of each row, shape (rows,)."""
        numbers = np.asarray(self._correct(X, "labels"))
        labels: NDArray[Any] = self.classes_[numbers]
        return labels

    def _start(self, X: Any, y: Any) -> NDArray[np.int64] | None:
        rows = as_rows(X, "X")
        n_classes = rows.array.shape[check_shape(rows.array, None, "X")]
        validate_data(self, X, reset=True, skip_check_array=True)
        self.classes_ = labels_of_columns(self.classes, rows.names, y, n_classes)
        return None if y is None else label_numbers(y, self.classes_)

    def _settings(self) -> dict[str, Any]:
        """Return what PosteriorSum takes; columns that nobody named stay without names."""
        unnamed = self.classes is None and np.array_equal(
            self.classes_, np.arange(len(self.classes_))
        )
        return {
            "counts": self.counts,
            "trained_with": self.trained_with,
            "input": self.input,
            "temperature": self.temperature,
            "classes": None if unnamed else [str(label) for label in self.classes_],
        }

    def _add(self, X: Any, numbers: Any, sample_weight: Any) -> PriorCorrector:
        self.prior_ = self._sum.update(X, numbers, sample_weight).compute()
        self.correction_ = make_correction(
            self.prior_, target=self.target, method=self.method, strength=self.strength
        )
        return self

    def _correct(self, X: Any, output: str | None) -> Any:
        check_is_fitted(self)
        validate_data(self, X, reset=False, skip_check_array=True)
        return correct(X, self.correction_, output=output, input=self.input)


def _gives_probabilities(meta: PriorCorrectedClassifier) -> bool:
    return hasattr(getattr(meta, "estimator_", meta.estimator), "predict_proba")


def _is_empirical(target: Any) -> bool:
    return isinstance(target, str) and target == "empirical"


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value == "auto"


class PriorCorrectedClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """A classifier with its effective prior divided out: p' ~ p / q * target.

    The prior q is the mean of predict_proba over the rows that `fit` sees.

    Parameters
    ----------
    estimator
        Classifier with predict_proba. It is cloned and fitted, or left as it is inside a
        `sklearn.frozen.FrozenEstimator`; `fit` then wants its training rows.
    target
        Prior to aim at: ``'uniform'``, ``'empirical'`` (the training counts), one number per class,
        or a mapping from class label.
    method
        One of :func:`prior2posterior.methods`, or ``'auto'``. Those that look at held-out rows get
        the out-of-fold posteriors of `cv`, each row once; without `cv` there are ``'none'``,
        ``'empirical'`` and ``'p2p'``.
    strength : float or 'auto'
        Share of the correction, 0 is the identity; ``'auto'``: chosen on those posteriors.
    trained_with
        How `estimator` treats the classes. ``'auto'``: class weights and samplers are read from it,
        through pipelines, searches and ensembles; scores that do not carry the training prior after
        that are left alone, with a warning. ``'ce'``, or ``('weights', w)`` with one weight per
        class in the order of `classes_`, or a mapping from class label, as for
        :func:`prior2posterior.estimate_prior`: taken at its word, with the same warning.
    counts
        Training rows per class, shape (C,), or a mapping from class label; None: counted in `y`,
        with `sample_weight`. When given, the rows are weighted to follow it.
    cv
        None: posteriors of the training rows, as in the paper. Folds or a splitter: out-of-fold
        posteriors of clones, for models that remember their training rows, as forests do.

    Attributes
    ----------
    estimator_ : estimator
        Fitted on all rows.
    prior_ : ClassPrior
    correction_ : Correction
    classes_ : ndarray of shape (C,)
    n_features_in_, feature_names_in_
        Those of `estimator_`, when it has them.

    Notes
    -----
    One pass over the posteriors beside what `estimator` costs. Source: Bhat et al.,
    Prior2Posterior, WACV 2025.

    Examples
    --------
    >>> model = PriorCorrectedClassifier(LogisticRegression()).fit(X, y)
    >>> model.prior_.effective
    """

    def __init__(
        self,
        estimator: Any,
        *,
        target: Any = "uniform",
        method: str = "p2p",
        strength: float | str = 1.0,
        trained_with: Any = "auto",
        counts: Any = None,
        cv: Any = None,
    ) -> None:
        self.estimator = estimator
        self.target = target
        self.method = method
        self.strength = strength
        self.trained_with = trained_with
        self.counts = counts
        self.cv = cv

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> PriorCorrectedClassifier:
        """Fit the estimator, measure its prior on the same rows, and find the correction.

        Parameters
        ----------
        X
            Whatever `estimator` takes.
        y
            Labels, shape (rows,).
        sample_weight
            Shape (rows,); for `estimator`, the posteriors and the counts alike.

        Raises
        ------
        Error
            An estimator, labels or parameters that cannot be used.

        Warns
        -----
        PriorWarning
            Scores that do not carry the training prior, so that dividing it out would do so twice;
            a correction chosen on folds that makes the final fit worse; and what
            :func:`prior2posterior.make_correction` warns of.
        """
        y = column_or_1d(y, warn=True)
        self._validate(sample_weight)
        weights = {}
        if sample_weight is not None:
            weights["sample_weight"] = sample_weight = np.asarray(sample_weight)
        self.estimator_ = clone(self.estimator)
        if not is_frozen(self.estimator):
            self.estimator_.fit(X, y, **weights)
        if not _gives_probabilities(self):  # some estimators know only when they are fitted
            raise Error(
                f"estimator {type(self.estimator).__name__} has no predict_proba; wrap it in "
                "sklearn.calibration.CalibratedClassifierCV, or use PriorCorrector on its scores"
            )
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        self.classes_ = self.estimator_.classes_
        numbers = label_numbers(y, self.classes_)
        evidence = {}
        if self.cv is None:
            posteriors = self.estimator_.predict_proba(X)
        else:
            posteriors = out_of_fold(self.estimator, X, y, self.cv, weights)
            if _is_auto(self.strength) or self.method not in ("none", "empirical", "p2p"):
                evidence = {"holdout": posteriors, "holdout_labels": numbers, "input": "probs"}
        total = posterior_sum(
            numbers,
            sample_weight,
            len(self.classes_),
            counts=self.counts,
            trained_with=self._trained_with(numbers),
            input="probs",
            rows="train" if self.cv is None else "holdout",
            classes=[str(label) for label in self.classes_],
        )
        self.prior_ = total.update(posteriors, numbers, sample_weight).compute()
        self.correction_ = make_correction(
            self.prior_,
            target=self.target,
            method=self.method,
            strength=self.strength,
            **evidence,
        )
        self._check(X, posteriors, numbers, sample_weight)
        return self

    @available_if(_gives_probabilities)
    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return corrected probabilities, shape (rows, C)."""
        return self._correct(X, "probs")

    @available_if(_gives_probabilities)
    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return logarithms of corrected probabilities, shape (rows, C)."""
        return self._correct(X, "log-probs")

    @available_if(_gives_probabilities)
    def predict(self, X: Any) -> NDArray[Any]:
        """Return the label of the largest corrected probability of each row, shape (rows,)."""
        numbers = self._correct(X, "labels")
        labels: NDArray[Any] = self.classes_[numbers]
        return labels

    def __sklearn_tags__(self) -> Any:
        """Return the tags of scikit-learn: inputs as `estimator` takes them."""
        from sklearn.utils import get_tags

        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags

    def _correct(self, X: Any, output: str) -> NDArray[Any]:
        check_is_fitted(self)
        posteriors: NDArray[Any] = self.estimator_.predict_proba(X)
        corrected: NDArray[Any] = correct(
            posteriors, self.correction_, output=output, input="probs"
        )
        return corrected

    def _trained_with(self, numbers: NDArray[np.int64]) -> Any:
        """Return how the fitted estimator treats the classes, as far as it says."""
        if not _is_auto(self.trained_with):
            return self.trained_with
        names = [str(label) for label in self.classes_]
        counts = per_class(self.counts, "counts", names)
        if counts is None:
            counts = np.bincount(numbers, minlength=len(names)).astype(np.float64)
        weights = class_weights(self.estimator_, counts, self.classes_)
        self._weighs = None if weights is None else weights.origin
        return "ce" if weights is None or weights.values is None else ("weights", weights.values)

    def _check(self, X: Any, posteriors: Any, numbers: Any, sample_weight: Any) -> None:
        """Leave the scores alone where a correction would divide twice, or harms the final fit."""
        if _is_auto(self.method) or _is_auto(self.strength):
            fault = worse_than_none(
                self.correction_, self.estimator_.predict_proba(X), numbers, sample_weight
            )
            if fault is not None:
                self._leave_alone(
                    "the correction that was chosen on the folds makes the fit on all rows worse "
                    f"on its own rows ({fault}), so its fit is of another kind than theirs"
                )
            return
        if self.method in ("none", "match", "bias", "temperature", "vector-scaling"):
            return  # these need not know how the estimator was trained
        fault = missing_prior(self.prior_, posteriors, numbers, sample_weight)
        if fault is None:
            return
        why = (
            f"{fault}, as when class weights, a sampler or a balanced loss was used, and "
            "correcting would divide twice"
        )
        if _is_auto(self.trained_with) and self._weighs is not None:
            why += f"; there is {self._weighs}"
        remedy = "say how it was trained with trained_with=('weights', w), one weight per class, "
        if not _is_auto(self.trained_with) or _is_empirical(self.target):
            warn(f"{why}; {remedy}or use method='match', which need not know")
            return
        self._leave_alone(
            f"{why}; {remedy}use method='match', which need not know, or insist with "
            "trained_with='ce'"
        )

    def _leave_alone(self, why: str) -> None:
        self.correction_ = make_correction(self.prior_, method="none")
        warn(f"the scores are left alone: {why}")

    def _validate(self, sample_weight: Any) -> None:
        name = type(self.estimator).__name__
        if self.cv is None and (_is_auto(self.method) or _is_auto(self.strength)):
            raise Error("'auto' chooses on out-of-fold posteriors; give cv, as in cv=5")
        if self.cv is not None and is_frozen(self.estimator):
            raise Error("cv fits the estimator on each fold, but it is frozen; leave cv out")
        if sample_weight is None:
            return
        if self.counts is not None:
            raise Error("counts and sample_weight both weigh the classes; leave one of them out")
        if not is_frozen(self.estimator) and not has_fit_parameter(self.estimator, "sample_weight"):
            raise Error(
                f"estimator {name} takes no sample_weight in fit; with a pipeline, make "
                "PriorCorrectedClassifier its last step"
            )
