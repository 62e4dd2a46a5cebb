"""Few held-out rows drawn towards a line."""

import numpy as np
import pytest
from pooling import pool


def test_pooling_draws_towards_the_line_by_the_shares_of_the_variances():
    generator = np.random.default_rng(3)
    x = np.linspace(-6, -1, 400)
    truth = 0.5 + 0.8 * x + generator.normal(0, 0.3, 400)
    error = np.where(np.arange(400) % 2 == 0, 0.05, 0.9)
    pooled = pool(x, truth + generator.normal(0, error), error)
    assert pooled.slope == pytest.approx(0.8, abs=0.03)
    assert pooled.variance == pytest.approx(0.09, rel=0.35)
    off = pooled.log_q - truth
    spread = (off - off.mean())[1::2].std()
    assert spread == pytest.approx(0.9 * 0.3 / np.hypot(0.9, 0.3), rel=0.15)


def test_with_errors_far_beyond_the_spread_only_the_line_is_left():
    x = np.linspace(-6, -1, 50)
    y = x + np.where(np.arange(50) % 2 == 0, 0.1, -0.1)
    pooled = pool(x, y, np.full(50, 2.0), slope=1.0)
    np.testing.assert_allclose(np.diff(pooled.log_q), np.diff(x), atol=1e-4)
