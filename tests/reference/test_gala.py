"""gala, of which no package is on PyPI, against the oracle and the published numbers."""

import numpy as np
import oracle
from comparison import CLOSE, check_published
from oracle import centred


class TestGala:
    def test_it_divides_by_the_mean_posterior_of_the_target_rows(self, split):
        expected = centred(-np.log(oracle.mean_posterior(split.target.scores)))
        found = split.correct("gala", "--unlabelled", split.target.file)
        np.testing.assert_allclose(found["delta"], expected, **CLOSE)

    def test_it_gives_the_published_accuracy(self, split):
        check_published(split, "gala", ["--unlabelled", "test"], ("66.92", "0.9473"))
