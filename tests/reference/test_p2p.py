"""p2p against the mean posterior of QuaPy."""

import numpy as np
import quapy.functional
from comparison import CLOSE
from oracle import centred
from reference import softmax


class TestP2p:
    def test_the_residual_is_the_mean_posterior_of_quapy(self, split):
        expected = quapy.functional.prevalence_from_probabilities(softmax(split.train.scores))
        found = split.correct("p2p")
        np.testing.assert_allclose(np.log(found["residual"]), np.log(expected), **CLOSE)
        np.testing.assert_allclose(found["delta"], centred(-np.log(expected)), **CLOSE)
