"""gla, of which no package is on PyPI, against the oracle."""

import numpy as np
import oracle
import pytest
from comparison import CLOSE
from oracle import centred


class TestGla:
    def test_it_is_the_oracle(self, split, tmp_path):
        rng = np.random.default_rng(2)
        tilt = rng.normal(0, 1, 10)

        def second_model(rows):
            return 0.7 * rows.scores + rng.normal(0, 1.5, rows.scores.shape) + tilt

        held, target = second_model(split.balanced), second_model(split.target)
        np.save(tmp_path / "held.npy", held)
        np.save(tmp_path / "target.npy", target)
        first_t, second_t, q = oracle.gla(
            split.balanced.scores, held, split.balanced.labels, split.pi
        )
        found = split.correct("gla", *split.balanced.holdout, "--holdout-second",
                              tmp_path / "held.npy", "--second", tmp_path / "target.npy",
                              prior=split.counted)  # fmt: skip
        assert found["temperature"] == pytest.approx(first_t, abs=1e-6)
        assert found["second_temperature"] == pytest.approx(second_t, abs=1e-6)
        delta = centred(-np.log(q) - np.log(split.pi))
        np.testing.assert_allclose(found["delta"], delta, **CLOSE)
        blended = np.load(split.folder / "out.npy")
        expected = split.target.scores / first_t + target / second_t + delta
        np.testing.assert_allclose(blended, expected, rtol=0, atol=1e-4)
