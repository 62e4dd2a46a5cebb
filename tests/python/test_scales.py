"""Scales of the classes are for scores of the kind that they were learned from."""

import pickle

import numpy as np
import prior2posterior as p2p
import pytest
from conftest import softmax


@pytest.fixture(scope="module")
def prior(toy):
    return p2p.estimate_prior(toy.logits, counts=toy.counts)


def scaling(prior, toy, holdout):
    return p2p.make_correction(
        prior, method="vector-scaling", holdout=holdout, holdout_labels=toy.labels
    )


@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_a_correction_says_what_its_scales_were_learned_from(prior, toy, kind):
    found = scaling(prior, toy, toy.logits if kind == "logits" else softmax(toy.logits))
    assert found.scale_kind == kind
    assert pickle.loads(pickle.dumps(found)).scale_kind == kind
    assert p2p.make_correction(prior).scale_kind is None


def test_scales_of_one_kind_do_not_go_onto_scores_of_another(prior, toy):
    of_probs = scaling(prior, toy, softmax(toy.logits))
    with pytest.raises(p2p.Error, match=r"learned from probs, but .* holds logits"):
        p2p.correct(toy.logits, of_probs)
    with pytest.raises(p2p.Error, match=r"learned from logits, but .* holds probs"):
        p2p.correct(softmax(toy.logits), scaling(prior, toy, toy.logits))


def test_scales_of_probabilities_multiply_their_logarithms(prior, toy):
    of_probs = scaling(prior, toy, softmax(toy.logits))
    found = p2p.correct(softmax(toy.logits), of_probs, output="log-probs")
    z = of_probs.scale * np.log(softmax(toy.logits)) + of_probs.delta
    np.testing.assert_allclose(found, np.log(softmax(z)), rtol=1e-5, atol=1e-5)


def test_auto_leaves_out_scales_that_would_not_fit(prior, toy):
    with pytest.warns(p2p.PriorWarning, match="vector-scaling was left out"):
        found = p2p.make_correction(
            prior, method="auto", holdout=softmax(toy.logits), holdout_labels=toy.labels,
            applied_to="logits",
        )  # fmt: skip
    assert "vector-scaling" not in [c["method"] for c in found.selection["candidates"]]


def test_a_kind_that_does_not_exist_is_refused(prior, toy):
    with pytest.raises(p2p.Error, match="applied_to"):
        p2p.make_correction(
            prior, method="auto", holdout=toy.logits, holdout_labels=toy.labels, applied_to="odds"
        )
