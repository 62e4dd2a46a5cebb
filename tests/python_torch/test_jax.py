"""JAX arrays in the functions of the package."""

import numpy as np
import prior2posterior as p2p
import pytest

jax = pytest.importorskip("jax", reason="JAX is not installed (scripts/torch2-python has it)")
jnp = jax.numpy


@pytest.fixture(params=["float16", "bfloat16", "float32"])
def scores(request, logits):
    return jnp.asarray(logits.numpy()).astype(request.param)


def test_the_prior_of_a_jax_array_is_that_of_its_values(scores, counts):
    prior = p2p.estimate_prior(scores, counts=counts)
    expected = p2p.estimate_prior(np.asarray(scores, dtype=np.float64), counts=counts)
    np.testing.assert_allclose(prior.effective, expected.effective, rtol=1e-6)
    assert prior.n_rows == len(scores)


def test_the_prior_of_float32_has_the_bits_of_the_numpy_array(logits, counts):
    scores = logits.float().numpy()
    assert p2p.estimate_prior(jnp.asarray(scores), counts=counts) == p2p.estimate_prior(
        scores, counts=counts
    )


def test_corrected_scores_are_a_jax_array_of_the_same_dtype(scores, prior):
    corrected = p2p.correct(scores, prior, input="logits")
    assert isinstance(corrected, jax.Array)
    assert (corrected.dtype, corrected.devices()) == (scores.dtype, scores.devices())
    exact = np.asarray(scores, dtype=np.float64) + p2p.make_correction(prior).delta
    ulp = float(jnp.finfo(scores.dtype).eps)
    np.testing.assert_allclose(np.asarray(corrected, dtype=np.float64), exact, rtol=ulp, atol=ulp)


def test_corrected_labels_are_a_jax_array(scores, prior):
    labels = p2p.correct(scores, prior, input="logits", output="labels")
    assert isinstance(labels, jax.Array)
    assert jnp.issubdtype(labels.dtype, jnp.integer)
    scores_of = p2p.correct(scores, prior, input="logits")
    assert (np.asarray(labels) == np.asarray(scores_of, dtype=np.float64).argmax(1)).mean() > 0.99


def test_metrics_of_jax_arrays_are_those_of_their_values(logits, labels, counts):
    scores = logits.float().numpy()
    of_jax = p2p.evaluate(jnp.asarray(scores), jnp.asarray(labels.numpy()), counts=counts)
    assert of_jax.to_dict() == p2p.evaluate(scores, labels.numpy(), counts=counts).to_dict()


def test_batches_of_jax_arrays_add_up(scores, counts):
    total = p2p.PosteriorSum(counts=counts)
    for batch in jnp.array_split(scores, 7):
        total.update(batch)
    assert total.compute() == p2p.estimate_prior(scores, counts=counts)
