"""match, of which no package is on PyPI, against the oracle and the published numbers."""

import numpy as np
import oracle
import pytest
from comparison import CLOSE, check_published
from oracle import centred


class TestMatch:
    def test_source_rows_are_matched_to_the_training_prior(self, split):
        f = oracle.match(split.train.scores, split.pi)
        found = split.correct("match", "--holdout", split.train.file, prior=split.counted)
        np.testing.assert_allclose(found["delta"], centred(f - np.log(split.pi)), **CLOSE)

    def test_labelled_source_rows_are_weighted_to_the_training_prior(self, split):
        rows = split.balanced
        weights = oracle.weights_towards(split.pi, rows.labels)
        f = np.zeros(10)
        for _ in range(1000):
            mean = oracle.mean_posterior(rows.scores + f, weights)
            f = centred(f + np.log(split.pi) - np.log(mean))
        found = split.correct("match", *rows.holdout, prior=split.counted)
        np.testing.assert_allclose(found["delta"], centred(f - np.log(split.pi)), **CLOSE)

    def test_target_rows_are_matched_to_the_target(self, split):
        f = oracle.match(split.target.scores, oracle.uniform(10))
        found = split.correct("match", "--match-to", "target", "--unlabelled", split.target.file)
        np.testing.assert_allclose(found["delta"], f, **CLOSE)

    @pytest.mark.parametrize(
        "options, expected",
        [
            (["--match-to", "source", "--holdout", "train"], ("72.16", "0.8236")),
            (["--match-to", "target", "--unlabelled", "test"], ("72.13", "0.8222")),
        ],
    )
    def test_it_gives_the_published_numbers(self, split, options, expected):
        check_published(split, "match", options, expected)
