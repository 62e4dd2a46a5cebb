"""PriorCorrector: the prior of scores that exist already."""

import pickle

import numpy as np
import prior2posterior as p2p
import pytest

pytest.importorskip("sklearn")

from prior2posterior.sklearn import PriorCorrector
from sklearn.base import clone
from sklearn.exceptions import NotFittedError


def batches(toy):
    return zip(np.split(toy.logits, [1000, 5000]), np.split(toy.labels, [1000, 5000]), strict=True)


class TestFit:
    def test_measures_what_estimate_prior_measures(self, toy):
        prior = PriorCorrector().fit(toy.logits, toy.labels).prior_
        expected = p2p.estimate_prior(toy.logits, labels=toy.labels)
        np.testing.assert_array_equal(prior.effective, expected.effective)
        np.testing.assert_array_equal(prior.counts, toy.counts)

    def test_needs_no_labels(self, toy):
        prior = PriorCorrector().fit(toy.logits).prior_
        assert prior == p2p.estimate_prior(toy.logits)

    def test_weighs_labelled_rows_to_the_counts_that_are_given(self, toy):
        counts = toy.counts[::-1].copy()
        corrector = PriorCorrector(counts=counts).fit(toy.logits, toy.labels)
        assert corrector.prior_ == p2p.estimate_prior(toy.logits, labels=toy.labels, counts=counts)

    def test_counts_a_row_as_often_as_its_weight_says(self, toy):
        times = np.random.default_rng(0).integers(0, 3, toy.labels.size)
        weighted = PriorCorrector().fit(toy.logits, toy.labels, sample_weight=times)
        repeated = PriorCorrector().fit(toy.logits.repeat(times, 0), toy.labels.repeat(times))
        np.testing.assert_allclose(weighted.prior_.effective, repeated.prior_.effective, rtol=1e-12)
        np.testing.assert_array_equal(weighted.prior_.counts, repeated.prior_.counts)

    def test_knows_how_the_model_was_trained(self, toy):
        corrector = PriorCorrector(trained_with="la:0.5", temperature=2.0)
        expected = p2p.estimate_prior(
            toy.logits, labels=toy.labels, counts=toy.counts, trained_with="la:0.5", temperature=2.0
        )
        residual = corrector.fit(toy.logits, toy.labels).prior_.residual
        np.testing.assert_allclose(residual, expected.residual, rtol=1e-12)

    def test_forgets_the_rows_of_earlier_calls(self, toy):
        corrector = PriorCorrector().fit(toy.logits[:100])
        assert corrector.fit(toy.logits).prior_ == PriorCorrector().fit(toy.logits).prior_

    def test_refuses_weights_that_are_all_zero(self, toy):
        with pytest.raises(p2p.Error, match="every sample_weight is zero"):
            PriorCorrector().fit(toy.logits, toy.labels, np.zeros(toy.labels.size))


class TestPartialFit:
    def test_gives_the_bits_of_one_fit(self, toy):
        corrector = PriorCorrector()
        for scores, labels in batches(toy):
            corrector.partial_fit(scores, labels)
        whole = PriorCorrector().fit(toy.logits, toy.labels)
        np.testing.assert_array_equal(corrector.prior_.effective, whole.prior_.effective)
        np.testing.assert_array_equal(corrector.correction_.delta, whole.correction_.delta)
        np.testing.assert_array_equal(corrector.prior_.counts, toy.counts)

    def test_goes_on_after_a_fit(self, toy):
        corrector = PriorCorrector().fit(toy.logits[:4096], toy.labels[:4096])
        corrector.partial_fit(toy.logits[4096:], toy.labels[4096:])
        assert corrector.prior_ == PriorCorrector().fit(toy.logits, toy.labels).prior_

    def test_goes_on_after_a_pickle(self, toy):
        corrector = PriorCorrector().fit(toy.logits[:4096])
        corrector = pickle.loads(pickle.dumps(corrector)).partial_fit(toy.logits[4096:])
        assert corrector.prior_ == PriorCorrector().fit(toy.logits).prior_

    def test_refuses_labels_when_the_counts_are_settled(self, toy):
        given = PriorCorrector(counts=toy.counts)
        weighted = PriorCorrector().fit(toy.logits, toy.labels, np.ones(toy.labels.size))
        adjusted = PriorCorrector(trained_with="la").fit(toy.logits, toy.labels)
        for corrector in (given, weighted, adjusted):
            with pytest.raises(
                p2p.Error, match="the counts are settled, by the parameter or by fit"
            ):
                corrector.partial_fit(toy.logits, toy.labels)

    def test_refuses_another_number_of_columns(self, toy):
        corrector = PriorCorrector().fit(toy.logits)
        with pytest.raises(ValueError, match=r"3 features, but .* 7"):
            corrector.partial_fit(toy.logits[:, :3])


class TestCorrectedScores:
    def test_are_those_of_correct(self, toy):
        corrector = PriorCorrector(target="empirical", strength=0.5)
        scores = corrector.fit(toy.logits, toy.labels).transform(toy.logits)
        expected = p2p.correct(toy.logits, corrector.prior_, target="empirical", strength=0.5)
        np.testing.assert_array_equal(scores, expected)
        assert scores.dtype == np.float32

    def test_are_of_the_kind_that_comes_in(self, toy):
        probs = p2p.correct(toy.logits, p2p.estimate_prior(toy.logits), strength=0, output="probs")
        corrector = PriorCorrector().fit(probs)
        np.testing.assert_allclose(corrector.transform(probs).sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_array_equal(corrector.transform(probs), corrector.predict_proba(probs))

    def test_become_probabilities(self, toy):
        corrector = PriorCorrector().fit(toy.logits)
        expected = p2p.correct(toy.logits, corrector.prior_, output="probs")
        np.testing.assert_array_equal(corrector.predict_proba(toy.logits), expected)

    def test_of_the_sample_reach_the_accuracy_of_the_method(self, sample):
        corrector = PriorCorrector().fit(sample["train_logits"], sample["train_labels"])
        predicted = corrector.predict(sample["test_logits"])
        assert 100 * (predicted == sample["test_labels"]).mean() == pytest.approx(72.22)

    def test_stay_arrays_of_their_library(self, toy):
        library = pytest.importorskip("array_api_strict")
        scores = library.asarray(toy.logits)
        corrected = PriorCorrector().fit(scores).transform(scores)
        assert type(corrected) is type(scores)

    def test_keep_the_columns_of_a_table(self, toy):
        pandas = pytest.importorskip("pandas")
        table = pandas.DataFrame(toy.logits, columns=toy.names)
        corrector = PriorCorrector().fit(table, np.array(toy.names)[toy.labels])
        assert list(corrector.transform(table).columns) == toy.names
        assert list(corrector.get_feature_names_out()) == toy.names

    def test_need_a_fit_first(self, toy):
        for method in ("transform", "predict_proba", "predict"):
            with pytest.raises(NotFittedError):
                getattr(PriorCorrector(), method)(toy.logits)


class TestClasses:
    def test_are_the_sorted_labels(self, toy):
        names = np.array(toy.names)
        corrector = PriorCorrector().fit(toy.logits, names[toy.labels])
        assert corrector.classes_.tolist() == toy.names
        assert corrector.prior_.classes == toy.names
        best = corrector.transform(toy.logits).argmax(axis=1)
        np.testing.assert_array_equal(corrector.predict(toy.logits), names[best])

    def test_follow_the_columns_of_a_table_and_not_the_alphabet(self, toy):
        pandas = pytest.importorskip("pandas")
        names = toy.names[::-1]
        table = pandas.DataFrame(toy.logits, columns=names)
        corrector = PriorCorrector().fit(table, np.array(names)[toy.labels])
        assert corrector.classes_.tolist() == names
        np.testing.assert_array_equal(corrector.prior_.counts, toy.counts)

    def test_follow_the_parameter(self, toy):
        names = toy.names[::-1]
        corrector = PriorCorrector(classes=names).fit(toy.logits, np.array(names)[toy.labels])
        np.testing.assert_array_equal(corrector.prior_.counts, toy.counts)

    def test_without_rows_keep_their_columns(self, toy):
        seen = toy.labels != 4
        corrector = PriorCorrector().fit(toy.logits[seen], toy.labels[seen])
        assert corrector.classes_.tolist() == list(range(7))
        assert corrector.prior_.counts[4] == 0

    def test_key_targets_and_counts(self, toy):
        shares = dict(zip(toy.names, range(1, 8), strict=True))
        by_name = PriorCorrector(classes=toy.names, target=shares).fit(toy.logits)
        by_order = PriorCorrector(target=range(1, 8)).fit(toy.logits)
        np.testing.assert_array_equal(by_name.correction_.delta, by_order.correction_.delta)

    def test_must_be_as_many_as_columns(self, toy):
        with pytest.raises(p2p.Error, match="7 columns, but there are 2 classes; give the label"):
            PriorCorrector().fit(toy.logits, np.where(toy.labels == 0, "ant", "other"))

    def test_must_hold_every_label(self, toy):
        corrector = PriorCorrector(classes=toy.names)
        with pytest.raises(p2p.Error, match="'y' holds 'yak', which is none of the 7 classes"):
            corrector.fit(toy.logits, np.full(toy.labels.size, "yak"))


def test_a_clone_is_unfitted_with_the_same_parameters(toy):
    copy = clone(PriorCorrector(strength=0.5, classes=toy.names).fit(toy.logits))
    assert (copy.strength, copy.classes) == (0.5, toy.names)
    assert not hasattr(copy, "prior_")


def test_tables_with_other_columns_are_refused(toy):
    pandas = pytest.importorskip("pandas")
    corrector = PriorCorrector().fit(pandas.DataFrame(toy.logits, columns=toy.names))
    with pytest.raises(ValueError, match="feature names should match"):
        corrector.transform(pandas.DataFrame(toy.logits, columns=toy.names[::-1]))
