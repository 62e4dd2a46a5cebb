"""bake and unbake of scikit-learn classifiers."""

import pickle
import warnings

import numpy as np
import prior2posterior as p2p
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

SOFTMAX = {
    "logistic": LogisticRegression(),
    "logistic-without-intercept": LogisticRegression(fit_intercept=False),
    "lda": LinearDiscriminantAnalysis(),
    "lda-lsqr": LinearDiscriminantAnalysis(solver="lsqr"),
    "mlp": MLPClassifier(8, solver="lbfgs", max_iter=15, random_state=0),
}
CLASS_PRIOR = {
    "gaussian-nb": GaussianNB(),
    "multinomial-nb": MultinomialNB(),
    "bernoulli-nb": BernoulliNB(binarize=2.0),
    "categorical-nb": CategoricalNB(min_categories=12),
    "qda": QuadraticDiscriminantAnalysis(),
}
BINARY = {
    "sgd": SGDClassifier(loss="log_loss"),
    "liblinear": LogisticRegression(solver="liblinear"),
}


def draw(sizes):
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(len(sizes)), sizes)
    return np.abs(rng.normal(2 * np.eye(4)[y], 1)).round() + rng.uniform(0, 0.4, (y.size, 4)), y


DATA = {3: draw([200, 50, 12]), 2: draw([200, 20])}


def fit(model, n_classes):
    X, y = DATA[n_classes]
    if isinstance(model, CategoricalNB):
        X = X.astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clone(model).fit(X, y), X


def correction_of(model, X, temperature=1.0, **options):
    prior = p2p.estimate_prior(model.predict_proba(X), input="probs", temperature=temperature)
    return p2p.make_correction(prior, **options)


def assert_corrected(baked, model, X, correction):
    expected = p2p.correct(model.predict_proba(X), correction, input="probs")
    np.testing.assert_allclose(baked.predict_proba(X), expected, rtol=1e-9, atol=1e-15)
    np.testing.assert_array_equal(baked.predict(X), model.classes_[expected.argmax(axis=1)])
    assert (baked.predict(X) != model.predict(X)).any()


FAMILIES = [(3, model) for model in SOFTMAX | CLASS_PRIOR] + [
    (2, model) for model in SOFTMAX | CLASS_PRIOR | BINARY
]


@pytest.fixture(params=FAMILIES, ids=lambda family: f"{family[1]}-{family[0]}")
def family(request):
    n_classes, name = request.param
    return fit((SOFTMAX | CLASS_PRIOR | BINARY)[name], n_classes)


def test_baked_probabilities_are_the_corrected_ones(family):
    model, X = family
    correction = correction_of(model, X)
    assert_corrected(p2p.bake(model, correction), model, X, correction)


def test_unbaked_models_have_their_bits_back(family):
    model, X = family
    baked = pickle.loads(pickle.dumps(p2p.bake(model, correction_of(model, X))))
    assert pickle.dumps(p2p.unbake(baked)) == pickle.dumps(pickle.loads(pickle.dumps(model)))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", SOFTMAX)
def test_a_temperature_goes_into_the_weights(name, n_classes):
    model, X = fit(SOFTMAX[name], n_classes)
    correction = correction_of(model, X, temperature=2.5)
    baked = p2p.bake(model, correction)
    assert_corrected(baked, model, X, correction)
    np.testing.assert_array_equal(p2p.unbake(baked).predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("name", CLASS_PRIOR)
def test_a_temperature_is_refused_where_only_an_offset_fits(name):
    model, X = fit(CLASS_PRIOR[name], 3)
    with pytest.raises(p2p.Error, match=r"cannot take temperature 2, only an offset"):
        p2p.bake(model, correction_of(model, X, temperature=2))


def test_a_class_outside_the_target_is_never_predicted():
    model, X = fit(LogisticRegression(), 3)
    baked = p2p.bake(model, correction_of(model, X, target=[1, 0, 1]))
    assert (baked.predict_proba(X)[:, 1] == 0).all()


def test_the_model_itself_stays_as_it_is():
    model, X = fit(LogisticRegression(), 3)
    before = pickle.dumps(model)
    p2p.bake(model, correction_of(model, X))
    assert pickle.dumps(model) == before


def test_parameters_keep_their_type():
    model = LogisticRegression().fit(DATA[3][0].astype(np.float32), DATA[3][1])
    baked = p2p.bake(model, correction_of(model, DATA[3][0], temperature=2))
    assert baked.intercept_.dtype == model.intercept_.dtype
    assert baked.coef_.dtype == model.coef_.dtype


@pytest.mark.parametrize(
    "wrapped",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {}, cv=2),
        LogisticRegressionCV(Cs=2, cv=2),
    ],
    ids=["pipeline", "search", "logistic-cv"],
)
def test_the_classifier_inside_takes_the_correction(wrapped):
    model, X = fit(wrapped, 3)
    correction = correction_of(model, X)
    baked = p2p.bake(model, correction)
    assert_corrected(baked, model, X, correction)
    np.testing.assert_array_equal(p2p.unbake(baked).predict_proba(X), model.predict_proba(X))


def test_a_frozen_classifier_takes_the_correction():
    frozen = pytest.importorskip("sklearn.frozen").FrozenEstimator
    model, X = fit(LogisticRegression(), 3)
    correction = correction_of(model, X)
    assert_corrected(p2p.bake(frozen(model), correction), model, X, correction)


class TestTwice:
    @pytest.fixture(autouse=True)
    def baked(self):
        self.model, self.X = fit(LogisticRegression(), 3)
        self.correction = correction_of(self.model, self.X)
        self.once = p2p.bake(self.model, self.correction)

    def test_is_refused(self):
        with pytest.raises(p2p.Error, match="baked into this LogisticRegression already; unbake"):
            p2p.bake(self.once, self.correction)

    def test_adds_up_when_asked_for(self):
        twice = p2p.bake(self.once, self.correction, again=True)
        change = twice.intercept_ - self.model.intercept_
        np.testing.assert_allclose(change, 2 * self.correction.delta, rtol=1e-12)

    def test_is_taken_out_at_once(self):
        twice = p2p.bake(self.once, self.correction, again=True)
        np.testing.assert_array_equal(p2p.unbake(twice).intercept_, self.model.intercept_)

    def test_is_no_question_for_a_clone_or_a_model_that_was_fitted_anew(self):
        X, y = DATA[3]
        for fresh in (clone(self.once).fit(X, y), self.once.fit(X, y)):
            baked = p2p.bake(fresh, self.correction)
            change = baked.intercept_ - self.model.intercept_
            np.testing.assert_allclose(change, self.correction.delta, rtol=1e-9)


class TestUnbaking:
    def test_refuses_a_model_with_nothing_in_it(self):
        with pytest.raises(p2p.Error, match="nothing is baked into this LogisticRegression"):
            p2p.unbake(fit(LogisticRegression(), 3)[0])

    def test_refuses_a_model_that_was_fitted_anew(self):
        model, X = fit(LogisticRegression(), 3)
        baked = p2p.bake(model, correction_of(model, X)).fit(*DATA[3])
        with pytest.raises(p2p.Error, match="not there any more: its intercept_ changed since"):
            p2p.unbake(baked)

    def test_notices_training_that_goes_on_in_place(self):
        model, X = fit(MLPClassifier(8, solver="adam", max_iter=15, random_state=0), 3)
        baked = p2p.bake(model, correction_of(model, X)).partial_fit(*DATA[3])
        with pytest.raises(p2p.Error, match="its intercepts_ changed since"):
            p2p.unbake(baked)


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(3, random_state=0),
        OneVsRestClassifier(LogisticRegression()),
        SGDClassifier(loss="log_loss"),
        SGDClassifier(loss="modified_huber"),
        ComplementNB(),
        SVC(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_models_whose_probabilities_are_no_softmax_are_refused(model):
    softmax, X = fit(LogisticRegression(), 3)
    with pytest.raises(p2p.Error, match=f"{type(model).__name__} with 3 classes cannot take a"):
        p2p.bake(fit(model, 3)[0], correction_of(softmax, X))


def test_a_perceptron_of_several_labels_a_row_is_refused():
    softmax, X = fit(LogisticRegression(), 3)
    several = np.eye(3, dtype=int)[[0, 1, 2] * 10] | [1, 0, 0]
    model = MLPClassifier(4, solver="lbfgs", alpha=10).fit(X[:30], several)
    with pytest.raises(p2p.Error, match="MLPClassifier with 3 classes cannot take a correction"):
        p2p.bake(model, correction_of(softmax, X))


def test_scales_of_single_classes_are_refused():
    model, X = fit(LogisticRegression(), 3)
    scores = model.decision_function(X)
    correction = p2p.make_correction(
        p2p.estimate_prior(scores),
        method="vector-scaling",
        holdout=scores,
        holdout_labels=DATA[3][1],
    )
    with pytest.raises(p2p.Error, match="'vector-scaling' scales single classes"):
        p2p.bake(model, correction)


def test_unfitted_models_are_refused():
    model, X = fit(LogisticRegression(), 3)
    with pytest.raises(NotFittedError):
        p2p.bake(LogisticRegression(), correction_of(model, X))


class TestClasses:
    def test_of_another_number_are_refused(self):
        model, _ = fit(LogisticRegression(), 3)
        other = correction_of(*fit(LogisticRegression(), 2))
        with pytest.raises(p2p.Error, match="has 3 classes, but the correction has 2"):
            p2p.bake(model, other)

    def test_in_another_order_are_refused(self):
        X, y = DATA[3]
        model = LogisticRegression().fit(X, np.array(["ant", "bee", "cat"])[y])
        prior = p2p.estimate_prior(model.predict_proba(X), classes=["cat", "bee", "ant"])
        with pytest.raises(p2p.Error, match="cat"):
            p2p.bake(model, prior)

    def test_with_numbers_for_names_take_a_correction_that_names_them(self):
        model, X = fit(LogisticRegression(), 3)
        prior = p2p.estimate_prior(model.predict_proba(X), classes=["ant", "bee", "cat"])
        assert not np.array_equal(p2p.bake(model, prior).intercept_, model.intercept_)
