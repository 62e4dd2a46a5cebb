"""rlls against the oracle and abstention, on posteriors calibrated by the oracle."""

import numpy as np
import oracle
from abstention.label_shift import RLLSImbalanceAdapter
from comparison import CONFUSIONS, TARGETS, Calibrated, check, estimate_target, one_hot
from reference import softmax


@TARGETS
@CONFUSIONS
class TestRlls:
    def test_it_is_the_oracle(self, split, target, confusion):
        rows = getattr(split, target)
        model = Calibrated(split.tail, rows)
        weights = oracle.rlls_weights(
            model.held, split.tail.labels, model.target, confusion == "hard"
        )
        t = oracle.importance_target(weights, split.tail.shares)
        found = estimate_target(split, "rlls", split.tail, rows, "--confusion", confusion)
        check(found, t, model.delta(t))

    def test_abstention_stops_short_of_the_minimum(self, split, target, confusion):
        """The conic solver behind abstention ends within 1e-8 of the least objective, which is so
        flat that the weights are up to 1.2e-3 off (1.7e-4 in t): the oracle lies lower."""
        rows = getattr(split, target)
        model = Calibrated(split.tail, rows)
        hard = confusion == "hard"
        theirs = RLLSImbalanceAdapter(soft=not hard)(
            one_hot(split.tail.labels), softmax(model.target), softmax(model.held)
        ).multipliers
        ours = oracle.rlls_weights(model.held, split.tail.labels, model.target, hard)
        m = oracle.joint(model.held, split.tail.labels, hard)
        mu = oracle.predictions(model.target, hard).mean(axis=0)
        radius = oracle.rlls_radius(10, len(split.tail.labels))

        def objective(weights):
            return np.linalg.norm(m @ weights - mu) + radius * np.linalg.norm(weights - 1)

        assert objective(theirs) - 1e-8 < objective(ours) < objective(theirs)
        found = estimate_target(split, "rlls", split.tail, rows, "--confusion", confusion)
        t = oracle.importance_target(theirs, split.tail.shares)
        assert 1e-6 < np.abs(found["target_prior"] - t).max() < 1e-3
