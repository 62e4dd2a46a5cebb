"""PriorCorrectedClassifier finds what weighs the classes, and divides no prior out twice."""

import warnings

import numpy as np
import prior2posterior as p2p
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("imblearn")

from imblearn.ensemble import BalancedBaggingClassifier, BalancedRandomForestClassifier
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from imblearn.under_sampling import RandomUnderSampler
from prior2posterior.sklearn import PriorCorrectedClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def draw(sizes, seed=0):
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(len(sizes)), sizes)
    return rng.normal(1.5 * np.eye(4)[: len(sizes)][y], 1), y


COUNTS = np.array([900, 90, 30])
X, y = draw(COUNTS)
X_TEST, Y_TEST = draw([300, 300, 300], seed=1)
BALANCED = 1020 / (3 * COUNTS)
WEIGHTED = LogisticRegression(class_weight="balanced")


class Linear(ClassifierMixin, BaseEstimator):
    """Keeps a linear model inside."""

    def predict_proba(self, X):
        return self.model_.predict_proba(X)

    def predict(self, X):
        return self.model_.predict(X)


class Booster(Linear):
    """Has the parameters of boosted trees, and does what they say to a linear model."""

    def __init__(
        self,
        weights=None,
        scale_pos_weight=None,
        is_unbalance=False,
        auto_class_weights=None,
        class_weights=None,
    ):
        self.weights = weights
        self.scale_pos_weight = scale_pos_weight
        self.is_unbalance = is_unbalance
        self.auto_class_weights = auto_class_weights
        self.class_weights = class_weights

    def fit(self, X, y, sample_weight=None):
        w = np.asarray(self.weights, float)[y]
        self.model_ = LogisticRegression().fit(X, y, sample_weight=w)
        self.classes_ = self.model_.classes_
        return self


def quiet(estimator, X=X, y=y, **parameters):
    """Fit without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return PriorCorrectedClassifier(estimator, **parameters).fit(X, y)


def balanced_accuracy(model):
    return np.mean([(model.predict(X_TEST[c == Y_TEST]) == c).mean() for c in range(3)])


def demand_weights(estimator, w, X=X, y=y):
    """The correction is that of the weights, with log r = log q + log w of their definition."""
    model = quiet(estimator, X, y)
    p = model.estimator_.predict_proba(X)
    q = (p / w / (p / w).sum(axis=1, keepdims=True)).mean(axis=0)
    delta = -np.log(q * w)
    np.testing.assert_allclose(model.correction_.delta, delta - delta.mean(), atol=1e-9)


NESTED = {
    "itself": WEIGHTED,
    "a pipeline": make_pipeline(StandardScaler(), WEIGHTED),
    "a search over the weights": GridSearchCV(
        LogisticRegression(), {"class_weight": ["balanced"], "C": [0.5, 1]}
    ),
    "a search around a pipeline": GridSearchCV(
        make_pipeline(StandardScaler(), WEIGHTED), {"logisticregression__C": [1]}
    ),
    "votes of one kind": VotingClassifier([("a", WEIGHTED), ("b", WEIGHTED)], voting="soft"),
    "a dictionary": LogisticRegression(class_weight=dict(enumerate(BALANCED))),
    "a prior that was set": LinearDiscriminantAnalysis(priors=np.full(3, 1 / 3)),
}


@pytest.mark.parametrize("case", NESTED)
def test_weights_are_read_wherever_they_hide(case):
    demand_weights(NESTED[case], BALANCED)


def test_weights_of_bagged_members_are_read():
    bagged = BaggingClassifier(WEIGHTED, n_estimators=3, random_state=0)
    demand_weights(bagged, BALANCED)


BOOSTERS = {
    "scale_pos_weight": ({"scale_pos_weight": 7}, [1, 7]),
    "is_unbalance": ({"is_unbalance": True}, [1, 10]),
    "auto_class_weights": ({"auto_class_weights": "Balanced"}, [1, 10]),
    "auto_class_weights by roots": ({"auto_class_weights": "SqrtBalanced"}, [1, 10**0.5]),
    "class_weights": ({"class_weights": [2, 5]}, [2, 5]),
    "class_weights by label": ({"class_weights": {1: 4}}, [1, 4]),
}


@pytest.mark.parametrize("case", BOOSTERS)
def test_weights_of_boosters_are_read(case):
    parameters, w = BOOSTERS[case]
    demand_weights(Booster(w, **parameters), np.array(w), X[y < 2], y[y < 2])


SAMPLERS = {
    "oversampled": (RandomOverSampler(random_state=0), 900 / COUNTS),
    "with invented rows": (SMOTE(random_state=0), 900 / COUNTS),
    "undersampled": (RandomUnderSampler(random_state=0), 30 / COUNTS),
    "one class only": (
        RandomOverSampler(sampling_strategy={2: 300}, random_state=0),
        np.array([1, 1, 10.0]),
    ),
}


@pytest.mark.parametrize("case", SAMPLERS)
def test_what_a_sampler_did_is_read(case):
    sampler, w = SAMPLERS[case]
    demand_weights(make_sampling_pipeline(StandardScaler(), sampler, LogisticRegression()), w)


@pytest.mark.parametrize("kind", [BalancedRandomForestClassifier, BalancedBaggingClassifier])
def test_members_that_draw_balanced_rows_weigh_like_it(kind):
    model = PriorCorrectedClassifier(kind(n_estimators=20, random_state=0)).fit(X, y)
    assert model.prior_.trained_with.startswith("weights")
    np.testing.assert_allclose(
        np.exp(-model.prior_.training_offset)
        * COUNTS[0]
        / np.exp(-model.prior_.training_offset[0]),
        COUNTS[0] / COUNTS * COUNTS[0],
    )


def test_weights_that_a_calibration_took_out_are_not_divided_out():
    calibrated = CalibratedClassifierCV(WEIGHTED)
    model = quiet(calibrated)
    q = model.estimator_.predict_proba(X).mean(axis=0)
    delta = -np.log(q)
    np.testing.assert_allclose(model.correction_.delta, delta - delta.mean(), atol=1e-9)
    assert balanced_accuracy(model) > balanced_accuracy(model.estimator_) + 0.05


class Weighing(Linear):
    """Weighs the classes without a word."""

    def fit(self, X, y, sample_weight=None):
        self.model_ = LogisticRegression(class_weight="balanced").fit(X, y)
        self.classes_ = self.model_.classes_
        return self


HIDDEN = {
    "a model that does not say": Weighing(),
    "votes of two kinds": VotingClassifier(
        [("a", WEIGHTED), ("b", GaussianNB(priors=[0.4, 0.3, 0.3]))], voting="soft"
    ),
    "a stack": StackingClassifier(
        [("a", LogisticRegression())], final_estimator=make_pipeline(WEIGHTED)
    ),
}


@pytest.mark.parametrize("case", HIDDEN)
@pytest.mark.parametrize("cv", [None, 3])
def test_scores_that_are_balanced_already_are_left_alone_with_a_warning(case, cv):
    with pytest.warns(p2p.PriorWarning, match="left alone: .*would divide twice.*trained_with"):
        model = PriorCorrectedClassifier(HIDDEN[case], cv=cv).fit(X, y)
    np.testing.assert_allclose(
        model.predict_proba(X_TEST), model.estimator_.predict_proba(X_TEST), rtol=1e-12
    )


def test_whoever_says_how_it_was_trained_is_believed_and_warned():
    with pytest.warns(p2p.PriorWarning, match="would divide twice"):
        model = PriorCorrectedClassifier(Weighing(), trained_with="ce").fit(X, y)
    q = model.estimator_.predict_proba(X).mean(axis=0)
    delta = -np.log(q)
    np.testing.assert_allclose(model.correction_.delta, delta - delta.mean(), atol=1e-9)


def test_weights_that_are_stated_quieten_the_check():
    model = quiet(Weighing(), trained_with=("weights", BALANCED))
    assert abs(balanced_accuracy(model) - balanced_accuracy(model.estimator_)) < 0.03


def test_match_needs_no_word_of_the_weights():
    assert balanced_accuracy(quiet(Weighing(), method="match", cv=3)) > 0.6


class Changing(Linear):
    """Learns the class frequencies from few rows, and balances many: two kinds of fit."""

    def fit(self, X, y):
        weight = "balanced" if len(y) > 2500 else None
        self.model_ = LogisticRegression(class_weight=weight).fit(X, y)
        self.classes_ = self.model_.classes_
        return self


@pytest.mark.parametrize("parameters", [{"method": "auto"}, {"strength": "auto"}])
def test_a_choice_on_folds_that_harms_the_final_fit_is_not_used(parameters):
    with pytest.warns(p2p.PriorWarning, match="left alone: .*fit on all rows worse"):
        model = PriorCorrectedClassifier(Changing(), cv=3, **parameters).fit(
            *draw([2700, 270, 110])
        )
    np.testing.assert_allclose(
        model.predict_proba(X_TEST), model.estimator_.predict_proba(X_TEST), rtol=1e-12
    )
