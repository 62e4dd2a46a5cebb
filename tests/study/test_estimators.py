"""What the study makes of a network's rows."""

import cells
import numpy as np
import pytest
from affine_fits import Correction, best_temperature, judged, p2p_at_temperature, vector_scaling
from estimators import measure_network, population_log_q
from gaussian_networks import network
from linear_head import fit_head
from main import is_left_out
from network import Rows, of_head
from toy import CLASSES, rows


@pytest.fixture(scope="module")
def toy():
    x, y = rows()
    parts = {"train": (x[::2], y[::2]), "holdout": (x[1::4], y[1::4]), "test": (x[3::4], y[3::4])}
    return of_head(parts, fit_head(*parts["train"], CLASSES, 1.0), np.zeros(CLASSES), 0.01)


def test_classes_are_judged_alike():
    scores = np.log([[0.8, 0.2], [0.6, 0.4], [0.9, 0.1], [0.3, 0.7]])
    found = judged(Correction(np.zeros(2)), Rows(scores, scores, np.array([0, 0, 0, 1])))
    assert found["accuracy"] == 1
    expected = -(np.log([0.8, 0.6, 0.9]).mean() + np.log(0.7)) / 2
    assert found["nll"] == pytest.approx(expected)


def drawn(scores, seed):
    """Labels with the posterior softmax(scores), and that posterior."""
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    below = p.cumsum(axis=1) < np.random.default_rng(seed).random((len(p), 1))
    return below.sum(axis=1), p


def test_scores_stretched_by_t_have_the_temperature_t():
    scores = np.random.default_rng(0).normal(size=(20000, 4))
    labels, p = drawn(scores, 1)
    assert best_temperature(3 * scores, labels) == pytest.approx(3, rel=0.05)
    correction = p2p_at_temperature(3 * scores, labels, np.zeros(4))
    assert correction.scale == pytest.approx(1 / 3, rel=0.05)
    np.testing.assert_allclose(correction.delta, -np.log(p.mean(axis=0)), atol=0.02)


def test_vector_scaling_finds_the_scale_of_each_class_and_takes_its_frequency_away():
    scores = np.random.default_rng(0).normal(size=(100000, 3))
    centred = scores - scores.mean(axis=1, keepdims=True)
    scale, tilt = np.array([0.5, 1.0, 2.0]), np.array([1.0, 0.0, -1.0])
    labels, _ = drawn(scale * centred + tilt, 1)
    counts = np.bincount(labels)
    found = vector_scaling(scores, labels, np.zeros(3), counts)
    np.testing.assert_allclose(found.scale, scale, atol=0.06)
    expected = tilt - np.log(counts)
    np.testing.assert_allclose(
        found.delta - found.delta.mean(), expected - expected.mean(), atol=0.06
    )


def test_test_rows_weighted_to_the_training_prior_are_rows_of_it(toy):
    p = np.exp(toy.test.scores) / np.exp(toy.test.scores).sum(axis=1, keepdims=True)
    pi = np.bincount(toy.train.labels) / len(toy.train.labels)
    expected = sum(pi[c] * p[toy.test.labels == c].mean(axis=0) for c in range(CLASSES))
    np.testing.assert_allclose(np.exp(population_log_q(toy)), expected)


def test_a_network_is_measured_by_the_same_names_as_every_other(toy):
    one, other = measure_network(toy), measure_network(network(4, 3, 100, 1e-3, True, 0))
    assert one.keys() == other.keys()
    assert one["estimators"].keys() == other["estimators"].keys()
    assert one["few_rows"] == {"5": 10, "20": 10, "100": 50}


def test_quick_measures_the_first_seed_of_what_needs_no_images():
    left = [cell.name for cell in cells.estimator_cells() if not is_left_out(cell.options)]
    assert left == ["estimators-linear-text-s0", "estimators-gaussian-s0"]
