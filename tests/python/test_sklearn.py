"""PriorCorrectedClassifier: a classifier with its prior divided out."""

import pickle

import numpy as np
import prior2posterior as p2p
import pytest

pytest.importorskip("sklearn")

from prior2posterior.sklearn import PriorCorrectedClassifier
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

NAMES = np.array(["ant", "bee", "cat"])


def draw(sizes, seed=0):
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(len(sizes)), sizes)
    centres = 1.5 * np.eye(4)[: len(sizes)]
    return rng.normal(centres[y], 1), y


X, y = draw([300, 60, 15])
X_TEST, Y_TEST = draw([200, 200, 200], seed=1)


def fitted(estimator=None, **parameters):
    return PriorCorrectedClassifier(estimator or GaussianNB(), **parameters).fit(X, y)


def posteriors_divided_by(q, posteriors, target=1.0):
    product = posteriors / q * target
    return product / product.sum(axis=1, keepdims=True)


class TestProbabilities:
    def test_are_those_of_the_estimator_divided_by_their_mean_over_training_rows(self):
        model = fitted()
        plain = GaussianNB().fit(X, y)
        expected = posteriors_divided_by(
            plain.predict_proba(X).mean(axis=0), plain.predict_proba(X_TEST)
        )
        np.testing.assert_allclose(model.predict_proba(X_TEST), expected, rtol=1e-12)

    def test_have_logarithms_that_agree(self):
        model = fitted()
        np.testing.assert_allclose(
            np.exp(model.predict_log_proba(X_TEST)), model.predict_proba(X_TEST), rtol=1e-12
        )

    def test_decide_what_predict_says(self):
        model = PriorCorrectedClassifier(GaussianNB()).fit(X, NAMES[y])
        best = model.predict_proba(X_TEST).argmax(axis=1)
        np.testing.assert_array_equal(model.predict(X_TEST), NAMES[best])

    def test_are_fairer_to_rare_classes(self):
        model = fitted()
        before, after = (m.score(X_TEST, Y_TEST) for m in (model.estimator_, model))
        assert after > before + 0.1

    def test_aim_at_the_target(self):
        model = fitted(target={0: 1, 1: 1, 2: 2})
        plain = model.estimator_
        expected = posteriors_divided_by(
            plain.predict_proba(X).mean(axis=0), plain.predict_proba(X_TEST), [1, 1, 2]
        )
        np.testing.assert_allclose(model.predict_proba(X_TEST), expected, rtol=1e-12)

    def test_stay_as_they_are_at_strength_0(self):
        model = fitted(strength=0)
        np.testing.assert_allclose(
            model.predict_proba(X_TEST), model.estimator_.predict_proba(X_TEST), rtol=1e-12
        )

    def test_of_two_classes_are_corrected_too(self):
        two, labels = draw([300, 20])
        model = PriorCorrectedClassifier(LogisticRegression()).fit(two, labels)
        plain = model.estimator_.predict_proba(two)
        expected = posteriors_divided_by(plain.mean(axis=0), plain)
        np.testing.assert_allclose(model.predict_proba(two), expected, rtol=1e-12)

    def test_of_a_model_trained_with_class_weights_go_back_to_the_population(self):
        weights = y.size / (3 * np.bincount(y))
        weighted = LogisticRegression(class_weight="balanced")
        model = fitted(weighted, trained_with=("weights", weights), target="empirical")
        believed = model.predict_proba(X).mean(axis=0)
        pi = np.bincount(y) / y.size
        assert (
            np.abs(believed - pi).max()
            < 0.01
            < np.abs(model.estimator_.predict_proba(X).mean(axis=0) - pi).max()
        )


class TestPrior:
    def test_knows_the_training_counts_and_the_class_labels(self):
        prior = PriorCorrectedClassifier(GaussianNB()).fit(X, NAMES[y]).prior_
        np.testing.assert_array_equal(prior.counts, [300, 60, 15])
        assert prior.classes == ["ant", "bee", "cat"]

    def test_is_measured_on_out_of_fold_posteriors_with_cv(self):
        model = fitted(cv=3)
        expected = cross_val_predict(GaussianNB(), X, y, cv=3, method="predict_proba")
        np.testing.assert_allclose(model.prior_.effective, expected.mean(axis=0), rtol=1e-12)
        assert model.prior_.rows == "holdout"

    def test_takes_a_splitter_for_cv(self):
        folds = StratifiedKFold(4, shuffle=True, random_state=0)
        expected = cross_val_predict(GaussianNB(), X, y, cv=folds, method="predict_proba")
        np.testing.assert_allclose(
            fitted(cv=folds).prior_.effective, expected.mean(axis=0), rtol=1e-12
        )

    def test_with_cv_leaves_the_estimator_fitted_on_all_rows(self):
        np.testing.assert_array_equal(fitted(cv=3).estimator_.theta_, GaussianNB().fit(X, y).theta_)

    def test_of_weighted_rows_is_that_of_repeated_rows(self):
        times = np.random.default_rng(0).integers(0, 4, y.size)
        weighted = PriorCorrectedClassifier(GaussianNB()).fit(X, y, sample_weight=times)
        repeated = PriorCorrectedClassifier(GaussianNB()).fit(X.repeat(times, 0), y.repeat(times))
        np.testing.assert_allclose(weighted.prior_.effective, repeated.prior_.effective, rtol=1e-9)
        np.testing.assert_array_equal(weighted.prior_.counts, repeated.prior_.counts)

    def test_of_balanced_rows_is_weighted_to_the_counts_that_are_given(self):
        frozen = pytest.importorskip("sklearn.frozen").FrozenEstimator(GaussianNB().fit(X, y))
        model = PriorCorrectedClassifier(frozen, counts=[300, 60, 15]).fit(X_TEST, Y_TEST)
        share = np.array([300, 60, 15]) / 375
        of_class = [frozen.predict_proba(X_TEST[c == Y_TEST]).mean(axis=0) for c in range(3)]
        np.testing.assert_allclose(model.prior_.effective, share @ of_class, rtol=1e-12)


class TestSelection:
    def test_strength_auto_is_chosen_on_out_of_fold_posteriors(self):
        model = fitted(strength="auto", cv=5)
        posteriors = cross_val_predict(GaussianNB(), X, y, cv=5, method="predict_proba")
        expected = p2p.make_correction(
            model.prior_, strength="auto", holdout=posteriors, holdout_labels=y, input="probs"
        )
        assert model.correction_.selection == expected.selection
        assert model.correction_.strength > 0

    def test_a_method_that_learns_from_labelled_rows_gets_them_from_cv(self):
        model = fitted(method="bias", cv=5)
        assert model.score(X_TEST, Y_TEST) > model.estimator_.score(X_TEST, Y_TEST) + 0.1

    @pytest.mark.parametrize("parameters", [{"strength": "auto"}, {"method": "auto"}])
    def test_auto_without_cv_is_refused(self, parameters):
        with pytest.raises(p2p.Error, match=r"'auto' chooses on out-of-fold .* cv=5"):
            fitted(**parameters)


class TestFrozen:
    @pytest.fixture(autouse=True)
    def frozen(self):
        frozen = pytest.importorskip("sklearn.frozen")
        self.inner = GaussianNB().fit(X, y)
        self.model = frozen.FrozenEstimator(self.inner)

    def test_estimators_are_used_as_they_are(self):
        model = PriorCorrectedClassifier(self.model).fit(X[::2], y[::2])
        assert model.estimator_.estimator is self.inner
        np.testing.assert_allclose(
            model.prior_.effective, self.inner.predict_proba(X[::2]).mean(axis=0), rtol=1e-12
        )

    def test_estimators_go_with_weights_of_the_rows(self):
        weights = np.arange(1.0, y.size + 1)
        model = PriorCorrectedClassifier(self.model).fit(X, y, sample_weight=weights)
        expected = np.average(self.inner.predict_proba(X), axis=0, weights=weights)
        np.testing.assert_allclose(model.prior_.effective, expected, rtol=1e-12)

    def test_estimators_cannot_be_fitted_on_folds(self):
        with pytest.raises(p2p.Error, match="it is frozen; leave cv out"):
            PriorCorrectedClassifier(self.model, cv=3).fit(X, y)

    def test_estimators_refuse_labels_they_do_not_know(self):
        with pytest.raises(p2p.Error, match="'y' holds 3, which is none of the 3 classes"):
            PriorCorrectedClassifier(self.model).fit(X, y + 1)


class TestComposition:
    def test_search_over_strength_target_and_the_estimator(self):
        grid = {"strength": [0, 1], "estimator__var_smoothing": [1e-9, 1.0]}
        search = GridSearchCV(
            PriorCorrectedClassifier(GaussianNB()), grid, scoring="balanced_accuracy", cv=3
        ).fit(X, y)
        assert search.best_params_["strength"] == 1

    def test_as_the_last_step_of_a_pipeline_with_weights(self):
        model = make_pipeline(StandardScaler(), PriorCorrectedClassifier(LogisticRegression()))
        model.fit(X, y, priorcorrectedclassifier__sample_weight=np.ones(y.size))
        assert model.score(X_TEST, Y_TEST) > model[-1].estimator_.score(
            model[:-1].transform(X_TEST), Y_TEST
        )

    def test_around_a_pipeline(self):
        model = fitted(make_pipeline(StandardScaler(), LogisticRegression()))
        assert model.n_features_in_ == 4
        assert model.predict_proba(X_TEST).shape == (600, 3)

    def test_a_clone_is_unfitted_with_the_same_parameters(self):
        copy = clone(fitted(target=[1, 2, 3], strength=0.5))
        assert (copy.target, copy.strength) == ([1, 2, 3], 0.5)
        assert not hasattr(copy, "prior_")

    def test_a_pickle_predicts_the_same_bits(self):
        model = fitted()
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.predict_proba(X_TEST), model.predict_proba(X_TEST))
        assert again.prior_ == model.prior_

    def test_feature_names_are_those_of_the_estimator(self):
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame(X, columns=list("abcd"))
        model = PriorCorrectedClassifier(GaussianNB()).fit(frame, y)
        assert list(model.feature_names_in_) == list("abcd")


class TestRefusals:
    def test_predicting_before_fitting(self):
        with pytest.raises(NotFittedError):
            PriorCorrectedClassifier(GaussianNB()).predict(X)

    def test_estimators_without_probabilities(self):
        with pytest.raises(p2p.Error, match="RidgeClassifier has no predict_proba; wrap it in"):
            fitted(RidgeClassifier())
        assert not hasattr(PriorCorrectedClassifier(RidgeClassifier()), "predict_proba")

    def test_counts_of_another_number_of_classes(self):
        with pytest.raises(p2p.Error, match=r"counts have 2 values, but .* 3 classes"):
            fitted(counts=[1, 2])

    def test_weights_that_the_estimator_cannot_take(self):
        model = PriorCorrectedClassifier(make_pipeline(StandardScaler(), GaussianNB()))
        with pytest.raises(p2p.Error, match=r"Pipeline takes no sample_weight .* its last step"):
            model.fit(X, y, sample_weight=np.ones(y.size))

    def test_weights_beside_counts(self):
        model = PriorCorrectedClassifier(GaussianNB(), counts=[3, 2, 1])
        with pytest.raises(p2p.Error, match="both weigh the classes; leave one of them out"):
            model.fit(X, y, sample_weight=np.ones(y.size))
