"""drops, of which no package is on PyPI, against the oracle."""

import numpy as np
import oracle
import pytest
from comparison import CLOSE
from oracle import centred


class TestDrops:
    @pytest.mark.parametrize(
        "eps, tolerance", [(0.0, 1e-6), (0.02, 1e-6), (0.1, 1e-5), (0.5, 2e-4), (1.0, 2e-4)]
    )
    def test_it_is_the_oracle(self, split, eps, tolerance):
        """The method ends after 25 rounds at a g whose loss is within 0.1 % of the worst in the
        ball. Where the ball is small it has settled by then; where all losses can be made equal
        inside it, g is still 1e-4 from the root that the oracle solves for."""
        rows = split.tail
        g = oracle.drops(rows.scores, rows.labels, np.log(split.q), eps)
        found = split.correct("drops", *rows.holdout, "--eps", eps)
        np.testing.assert_allclose(found["target_prior"], g, rtol=0, atol=tolerance)
        expected = centred(np.log(found["target_prior"]) - np.log(split.q))
        np.testing.assert_allclose(found["delta"], expected, **CLOSE)

    def test_the_worst_prior_beats_every_other_in_the_ball(self):
        """The oracle itself, against random priors within the same distance of uniform."""
        rng = np.random.default_rng(1)
        losses = rng.exponential(size=10)
        u = oracle.uniform(10)
        worst = oracle.worst_prior(losses, 0.2)
        assert oracle.kl(worst, u) == pytest.approx(0.2, abs=1e-9)
        others = rng.dirichlet(np.ones(10), size=5000)
        inside = [g for g in others if oracle.kl(g, u) <= 0.2]
        assert len(inside) > 100
        assert max(g @ losses for g in inside) < worst @ losses
