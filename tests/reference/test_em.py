"""em against abstention and QuaPy.

Posteriors are calibrated by the oracle before they are handed to a package; test_calibration.py
compares the calibration itself. (The calibrator_factory of abstention's EMImbalanceAdapter reaches
the source prior but not the rows that EM runs on.)
"""

import numpy as np
import oracle
import pytest
import quapy.method.aggregative
from abstention.label_shift import EMImbalanceAdapter
from comparison import TARGETS, Calibrated, check, check_published, estimate_target
from oracle import centred
from reference import softmax


@TARGETS
class TestEm:
    def test_uncalibrated_it_is_em_of_abstention(self, split, target):
        rows = getattr(split, target)
        adapter = EMImbalanceAdapter(tolerance=1e-15, max_iterations=100_000)
        weights = adapter(softmax(rows.scores), softmax(split.train.scores)).multipliers
        found = estimate_target(split, "em", None, rows)
        check(found, weights * split.q, centred(np.log(weights)))

    def test_uncalibrated_it_is_em_of_quapy(self, split, target):
        rows = getattr(split, target)
        t, _ = quapy.method.aggregative.EMQ.EM(split.q, softmax(rows.scores), epsilon=1e-15)
        found = estimate_target(split, "em", None, rows)
        check(found, t, centred(np.log(t) - np.log(split.q)))

    def test_quapy_at_its_own_settings_stops_short(self, split, target):
        """QuaPy stops when a round changes t by less than 1e-4 in the mean."""
        rows = getattr(split, target)
        t, _ = quapy.method.aggregative.EMQ.EM(split.q, softmax(rows.scores))
        found = estimate_target(split, "em", None, rows)
        assert 1e-6 < np.abs(found["target_prior"] - t).max() < 1e-2

    def test_calibrated_it_is_em_of_abstention(self, split, target):
        rows = getattr(split, target)
        model = Calibrated(split.tail, rows)
        adapter = EMImbalanceAdapter(tolerance=1e-15, max_iterations=100_000)
        weights = adapter(softmax(model.target), softmax(model.held)).multipliers
        t = weights * model.prior
        found = estimate_target(split, "em", split.tail, rows)
        assert found["temperature"] == pytest.approx(model.temperature, abs=1e-6)
        check(found, t, model.delta(t))

    def test_rows_are_weighted_to_the_training_prior(self, split, target):
        rows = getattr(split, target)
        weights = oracle.weights_towards(split.pi, split.balanced.labels)
        model = Calibrated(split.balanced, rows, weights)
        t = oracle.em(model.target, model.prior)
        found = estimate_target(split, "em", split.balanced, rows, prior=split.counted)
        check(found, t, model.delta(t))


class TestEmOfTheSample:
    def test_it_gives_the_published_numbers(self, split):
        check_published(split, "em", ["--unlabelled", "test"], ("72.07", "0.8308"))

    def test_it_stays_bounded_where_that_of_abstention_switches_classes_off(self, split):
        """Rows that follow the counts backwards, uncalibrated: the weights of the two most frequent
        classes fall below 1e-14 there, and to 1/1000 here."""
        rows = split.reverse
        adapter = EMImbalanceAdapter(tolerance=1e-15, max_iterations=100_000)
        weights = adapter(softmax(rows.scores), softmax(split.train.scores)).multipliers
        found = estimate_target(split, "em", None, rows)
        assert sorted(weights)[1] < 1e-14
        assert (found["target_prior"] / split.q).min() > 0.9e-3
