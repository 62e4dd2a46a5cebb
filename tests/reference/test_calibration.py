"""temperature, bias and vector-scaling against abstention's calibrators.

abstention minimises the same loss by L-BFGS-B from SciPy, which ends where a step no longer changes
the loss in float64. Left at its own settings (relative change 1e-7) it stops 1e-4 to 1e-2 before
the minimum, see the last test; here it is told to go on.
"""

import numpy as np
import oracle
import pytest
from abstention.calibration import TempScaling, VectorScaling
from comparison import CLOSE, one_hot
from oracle import centred
from sklearn.metrics import log_loss

PATIENT = {"options": {"ftol": 0.0, "gtol": 1e-9, "maxiter": 10_000, "maxcor": 50}}


def bcts(rows, **settings):
    return TempScaling(bias_positions="all", **settings)._get_optimal_t_and_biases(
        rows.scores, one_hot(rows.labels)
    )


class TestTemperature:
    def test_it_is_that_of_abstention(self, split):
        rows = split.tail
        expected, _ = TempScaling(lbfgs_kwargs=PATIENT)._get_optimal_t_and_biases(
            rows.scores, one_hot(rows.labels)
        )
        found = split.correct("temperature", *rows.holdout)
        assert found["temperature"] == pytest.approx(expected, abs=1e-6)

    def test_rows_are_weighted_to_the_training_prior(self, split):
        rows = split.balanced
        weights = oracle.weights_towards(split.pi, rows.labels)
        t = oracle.fit_temperature(rows.scores, rows.labels, weights)
        q = oracle.mean_posterior(rows.scores / t, weights)
        found = split.correct("temperature", *rows.holdout, prior=split.counted)
        assert found["temperature"] == pytest.approx(t, abs=1e-6)
        np.testing.assert_allclose(found["delta"], centred(-np.log(q)), **CLOSE)


class TestBias:
    def test_it_is_bcts_of_abstention_on_balanced_rows(self, split):
        t, d = bcts(split.balanced, lbfgs_kwargs=PATIENT)
        found = split.correct("bias", *split.balanced.holdout)
        assert found["temperature"] == pytest.approx(t, abs=1e-6)
        np.testing.assert_allclose(found["delta"], centred(d), **CLOSE)

    def test_rows_are_weighted_to_the_target(self, split):
        rows = split.tail
        t, d = oracle.fit_bias(
            rows.scores, rows.labels, oracle.weights_towards(oracle.uniform(10), rows.labels)
        )
        found = split.correct("bias", *rows.holdout, prior=split.counted)
        assert found["temperature"] == pytest.approx(t, abs=1e-6)
        np.testing.assert_allclose(found["delta"], d, **CLOSE)

    def test_the_last_objective_is_log_loss_of_scikit_learn(self, split):
        rows = split.balanced
        found = split.correct("bias", *rows.holdout)
        x = rows.scores / found["temperature"] + found["delta"]
        expected = log_loss(rows.labels, oracle.softmax(x))
        assert found["rounds"][-1]["objective"] == pytest.approx(expected, abs=1e-9)

    def test_abstention_at_its_own_settings_stops_short(self, split):
        t, d = bcts(split.balanced)
        found = split.correct("bias", *split.balanced.holdout)
        short = np.abs(centred(d) - found["delta"]).max()
        assert 1e-6 < short < 1e-2


class TestVectorScaling:
    def test_it_is_that_of_abstention_on_balanced_rows(self, split):
        scale, d = VectorScaling(lbfgs_kwargs=PATIENT)._get_optimal_ws_and_biases(
            split.balanced.scores, one_hot(split.balanced.labels)
        )
        found = split.correct("vector-scaling", *split.balanced.holdout)
        np.testing.assert_allclose(found["scale"], scale, **CLOSE)
        np.testing.assert_allclose(found["delta"], centred(d), **CLOSE)

    def test_rows_are_weighted_to_the_target(self, split):
        rows = split.tail
        scale, d = oracle.fit_vector_scaling(
            rows.scores, rows.labels, oracle.weights_towards(oracle.uniform(10), rows.labels)
        )
        found = split.correct("vector-scaling", *rows.holdout)
        np.testing.assert_allclose(found["scale"], scale, **CLOSE)
        np.testing.assert_allclose(found["delta"], d, **CLOSE)
