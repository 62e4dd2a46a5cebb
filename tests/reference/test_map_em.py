"""map-em, of which no package is on PyPI, against the oracle."""

import numpy as np
import oracle
from comparison import TARGETS, Calibrated, check, estimate_target
from oracle import centred


@TARGETS
class TestMapEm:
    def test_uncalibrated_it_is_the_oracle(self, split, target):
        rows = getattr(split, target)
        t = oracle.map_em(rows.scores, split.q)
        check(estimate_target(split, "map-em", None, rows), t, centred(np.log(t) - np.log(split.q)))

    def test_calibrated_it_is_the_oracle(self, split, target):
        rows = getattr(split, target)
        model = Calibrated(split.tail, rows)
        t = oracle.map_em(model.target, model.prior)
        check(estimate_target(split, "map-em", split.tail, rows), t, model.delta(t))
