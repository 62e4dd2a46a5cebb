"""Intervals of the study: by hand, and by their coverage."""

import math

import numpy as np
from intervals import T975, pooled, quantile
from scipy import stats


def test_quantiles_are_those_of_students_t():
    for freedom, value in enumerate(T975, start=1):
        assert abs(value - stats.t.ppf(0.975, freedom)) < 6e-4
    assert quantile(1000) == 1.960


def test_seeds_are_pooled_over_cells():
    # Cell means 2 and 5; squares 2 and 2 over 1 + 1 degrees of freedom: s^2 = 2; half = t_2 sqrt(2
    # (1/2 + 1/2) / 4).
    mean = pooled({"a": [1, 3], "b": [4, 6]})
    assert mean.value == 3.5
    assert math.isclose(mean.half, 4.303 * math.sqrt(0.5))


def test_a_cell_counts_once_however_many_seeds_it_has():
    assert pooled({"a": [1, 1, 1], "b": [5]}).value == 3


def test_single_seeds_are_cells_drawn_at_random():
    # Values 1, 2, 3, 4: squares 5 over 3 degrees of freedom; variance of the mean 5 / 3 / 4.
    mean = pooled({"a": [1], "b": [2], "c": [3], "d": [4]})
    assert math.isclose(mean.half, 3.182 * math.sqrt(5 / 12))


def test_a_few_single_values_have_no_interval():
    mean = pooled({"a": [1], "b": [2], "c": [6]})
    assert math.isnan(mean.half)
    assert mean.text() == "+3.00"


def test_nothing_has_no_mean():
    assert math.isnan(pooled({}).value)
    assert pooled({}).text() == ""


def test_the_interval_over_seeds_covers_the_mean_of_its_cells_in_95_percent():
    rng = np.random.default_rng(0)
    effects = [0.3, -1.0, 2.5, 0.1]
    covered = 0
    for _ in range(4000):
        cells = {str(k): list(rng.normal(e, 0.7, 3)) for k, e in enumerate(effects)}
        mean = pooled(cells)
        covered += abs(mean.value - np.mean(effects)) <= mean.half
    assert 0.94 < covered / 4000 < 0.96


def test_the_interval_over_cells_covers_the_mean_of_all_cells_in_95_percent():
    rng = np.random.default_rng(1)
    means = [
        pooled({str(k): [d] for k, d in enumerate(rng.normal(0.4, 1, 6))}) for _ in range(4000)
    ]
    covered = np.mean([abs(m.value - 0.4) <= m.half for m in means])
    assert 0.94 < covered < 0.96
