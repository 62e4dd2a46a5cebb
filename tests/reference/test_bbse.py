"""bbse against abstention and QuaPy, on posteriors calibrated by the oracle."""

import numpy as np
import oracle
import quapy.method.aggregative
from abstention.label_shift import BBSEImbalanceAdapter
from comparison import CONFUSIONS, TARGETS, Calibrated, check, estimate_target, one_hot
from reference import softmax


@TARGETS
@CONFUSIONS
class TestBbse:
    def test_it_is_bbse_of_abstention(self, split, target, confusion):
        rows = getattr(split, target)
        model = Calibrated(split.tail, rows)
        weights = BBSEImbalanceAdapter(soft=confusion == "soft")(
            one_hot(split.tail.labels), softmax(model.target), softmax(model.held)
        ).multipliers
        t = oracle.importance_target(weights, split.tail.shares)
        found = estimate_target(split, "bbse", split.tail, rows, "--confusion", confusion)
        check(found, t, model.delta(t))

    def test_it_solves_the_system_of_quapy(self, split, target, confusion):
        rows = getattr(split, target)
        model = Calibrated(split.tail, rows)
        held = oracle.predictions(model.held, confusion == "hard")
        weights = quapy.method.aggregative.BBSEhard.solve_importance_weights(
            quapy.method.aggregative.BBSEsoft.getConfusionJointProb(
                np.arange(10), split.tail.labels, held
            ),
            oracle.predictions(model.target, confusion == "hard").mean(axis=0),
            solver="exact-raise",
        )
        t = oracle.importance_target(weights, split.tail.shares)
        found = estimate_target(split, "bbse", split.tail, rows, "--confusion", confusion)
        check(found, t, model.delta(t))


@CONFUSIONS
class TestNegativeWeights:
    """Rows that follow the counts backwards."""

    def test_they_are_0_in_abstention_and_bounded_here(self, split, confusion):
        rows = split.reverse
        model = Calibrated(split.tail, rows)
        weights = BBSEImbalanceAdapter(soft=confusion == "soft")(
            one_hot(split.tail.labels), softmax(model.target), softmax(model.held)
        ).multipliers
        found = estimate_target(split, "bbse", split.tail, rows, "--confusion", confusion)
        assert weights.min() == 0
        assert (found["target_prior"] / split.tail.shares).min() > 0.9e-3
