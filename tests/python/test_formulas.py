"""Results agree with the formulas, written in float64 NumPy, on data that hypothesis makes."""

import hypothesis.extra.numpy as arrays
import numpy as np
import prior2posterior as p2p
import pytest
from conftest import softmax
from hypothesis import given, settings
from hypothesis import strategies as st

# Bounds of the library (kSoftmaxTolerance, kSoftmaxToleranceF64), with room for float64 rounding.
TOLERANCE = {np.float32: 2e-6, np.float64: 1e-12}


@st.composite
def scores(draw, dtype=None):
    dtype = dtype or draw(st.sampled_from([np.float32, np.float64]))
    rows = draw(st.integers(2, 40))
    classes = draw(st.integers(2, 40))
    width = 32 if dtype == np.float32 else 64
    return draw(
        arrays.arrays(
            dtype, (rows, classes), elements=st.floats(-30, 30, width=width), fill=st.nothing()
        )
    )


def counts_for(classes, seed):
    return np.random.default_rng(seed).integers(1, 1000, classes)


@settings(max_examples=60, deadline=None)
@given(z=scores(), temperature=st.floats(0.3, 4))
def test_the_effective_prior_is_the_mean_posterior(z, temperature):
    prior = p2p.estimate_prior(z, input="logits", temperature=temperature)
    q = softmax(z.astype(np.float64) / temperature).mean(0)
    floor = 0.01 / z.size
    q = np.maximum(q, floor)
    np.testing.assert_allclose(prior.effective, q / q.sum(), rtol=TOLERANCE[z.dtype.type] * 10)


@settings(max_examples=60, deadline=None)
@given(z=scores(np.float64), seed=st.integers(0, 1000), tau=st.floats(0, 2))
def test_a_logit_adjusted_model_is_measured_with_its_offset(z, seed, tau):
    counts = counts_for(z.shape[1], seed)
    pi = counts / counts.sum()
    prior = p2p.estimate_prior(z, input="logits", counts=counts, trained_with=f"la:{tau}")
    q = np.maximum(softmax(z + tau * np.log(pi)).mean(0), 0.01 / z.size)
    q /= q.sum()
    r = q / pi**tau
    np.testing.assert_allclose(prior.effective, q, rtol=1e-10)
    np.testing.assert_allclose(prior.residual, r / r.sum(), rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(z=scores(), strength=st.floats(0, 2), seed=st.integers(0, 1000))
def test_corrected_scores_are_scores_plus_log_target_less_log_residual(z, strength, seed):
    prior = p2p.estimate_prior(z, input="logits", floor=0.5 / z.size)
    target = counts_for(z.shape[1], seed)
    correction = p2p.make_correction(prior, target=target, strength=strength)
    if correction.capped.size:
        return
    delta = strength * (np.log(target) - np.log(prior.residual))
    np.testing.assert_allclose(correction.delta, delta - delta.mean(), atol=1e-9)
    corrected = p2p.correct(z, correction, input="logits")
    expected = z.astype(np.float64) + correction.delta
    np.testing.assert_allclose(corrected, expected, rtol=1e-6, atol=1e-5)
    labels = p2p.correct(z.astype(np.float64), correction, input="logits", output="labels")
    np.testing.assert_array_equal(labels, expected.argmax(1))


@settings(max_examples=60, deadline=None)
@given(z=scores())
def test_probabilities_and_their_logarithms_are_the_softmax_of_corrected_logits(z):
    prior = p2p.estimate_prior(z, input="logits")
    correction = p2p.make_correction(prior)
    expected = softmax(z.astype(np.float64) + correction.delta)
    probs = p2p.correct(z, correction, input="logits", output="probs")
    logs = p2p.correct(z, correction, input="logits", output="log-probs")
    tolerance = TOLERANCE[z.dtype.type] * 10
    np.testing.assert_allclose(probs, expected, rtol=tolerance, atol=1e-38)
    np.testing.assert_allclose(logs, np.log(expected), rtol=tolerance, atol=tolerance)


@settings(max_examples=40, deadline=None)
@given(z=scores(np.float64), seed=st.integers(0, 1000))
def test_metrics_are_their_definitions(z, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, z.shape[1], z.shape[0])
    metrics = p2p.evaluate(z, labels, input="logits")
    p = softmax(z)
    hit = z.argmax(1) == labels
    present = np.unique(labels)
    recall = np.array([hit[labels == c].mean() for c in present])
    own = p[np.arange(len(labels)), labels]
    one_hot = np.eye(z.shape[1])[labels]
    np.testing.assert_allclose(metrics.accuracy, hit.mean())
    np.testing.assert_allclose(metrics.balanced_accuracy, recall.mean())
    np.testing.assert_allclose(metrics.nll, -np.log(np.maximum(own, 1e-38)).mean(), rtol=1e-9)
    np.testing.assert_allclose(metrics.brier, ((p - one_hot) ** 2).sum(1).mean(), atol=1e-12)
    np.testing.assert_allclose(metrics.recall[present], recall)
    np.testing.assert_array_equal(metrics.label_counts, np.bincount(labels, minlength=z.shape[1]))


@settings(max_examples=40, deadline=None)
@given(z=scores(np.float64), seed=st.integers(0, 1000))
def test_weighted_rows_count_as_often_as_their_weight(z, seed):
    weights = np.random.default_rng(seed).integers(0, 4, z.shape[0])
    if not weights.any():
        return
    weighted = p2p.PosteriorSum(input="logits", floor=1e-12).update(z, weights=weights).compute()
    repeated = p2p.estimate_prior(np.repeat(z, weights, axis=0), input="logits", floor=1e-12)
    np.testing.assert_allclose(weighted.effective, repeated.effective, rtol=1e-12)


def drawn_together(q, error, pi):
    """Posterior mean of log q on a line in log pi, its variance the likeliest of 201 (REML)."""
    known = np.isfinite(error)
    every = np.column_stack([np.ones(len(q)), np.log(pi)])
    x, y = every[known], np.log(q[known])
    least = np.inf
    for variance in np.exp(-16 + np.arange(201) / 10):
        covariance = np.diag(variance + error[known] ** 2)
        information = x.T @ np.linalg.solve(covariance, x)
        line = every @ np.linalg.solve(information, x.T @ np.linalg.solve(covariance, y))
        off = np.linalg.solve(covariance, y - line[known])
        cost = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]
        cost += (y - line[known]) @ off
        if cost < least:
            least, best = cost, line
            best[known] += variance * off
    drawn = np.exp(best)
    return drawn / drawn.sum()


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("first", [0, 60, 120, 180])
def test_a_pooled_prior_is_a_posterior_mean(toy, first, labelled):
    z, y = (rows[first : first + 60] for rows in (toy.logits.astype(np.float64), toy.labels))
    p = softmax(z)
    pi = toy.counts / toy.counts.sum()
    if labelled:
        # Strata: the rows of the class against the rest, the former weighted to follow the counts.
        p = (pi * len(z) / np.maximum(np.bincount(y, minlength=7), 1))[y, None] * p
        m = np.bincount(y, minlength=7)
        own = np.array([p[y == c, c].sum() for c in range(7)])
        squares = own**2 / np.maximum(m, 1) + (p.sum(0) - own) ** 2 / (len(y) - m)
        scale = len(y) / (len(y) - 1)
        error = np.sqrt(((p**2).sum(0) - squares) * scale) / p.sum(0)
        # One or two rows do not tell how those of their class vary, and without one it is unknown.
        alike = np.sqrt(((p**2).sum(0) - p.sum(0) ** 2 / len(y)) * scale) / p.sum(0)
        for_pooling = np.where(m == 0, np.nan, np.where(m < 3, alike, error))
    else:
        error = for_pooling = p.std(0) / np.sqrt(len(z) - 1) / p.mean(0)
    q = p.sum(0) / p.sum()
    prior = p2p.estimate_prior(
        z, counts=toy.counts, labels=y if labelled else None, rows="holdout", pool=True
    )
    assert prior.pool
    np.testing.assert_allclose(prior.log_q_stderr, error, rtol=1e-9)
    np.testing.assert_allclose(prior.effective, drawn_together(q, for_pooling, pi), rtol=1e-9)
