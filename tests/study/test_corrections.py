"""Which rows the study learns from and judges on."""

import numpy as np
from corrections import drawn_to, some_of_each
from judge import halves, mean


def test_halves_share_every_class_and_no_row():
    labels = np.array([2, 0, 0, 1, 2, 0, 1, 2])
    first, second = halves(labels)
    assert sorted([*first, *second]) == list(range(8))
    assert np.bincount(labels[first]).tolist() == [2, 1, 2]
    assert np.bincount(labels[second]).tolist() == [1, 1, 1]


def test_some_of_each_class_are_drawn_without_repeating():
    labels = np.repeat([0, 1, 2], [5, 2, 9])
    rows = some_of_each(labels, 3, np.random.default_rng(0))
    assert len(set(rows)) == len(rows)
    assert np.bincount(labels[rows]).tolist() == [3, 2, 3]


def test_rows_are_drawn_to_a_prior_as_many_as_there_are():
    labels = np.repeat([0, 1, 2], 100)
    rows = drawn_to(labels, np.array([0.5, 0.4, 0.1]))
    assert np.bincount(labels[rows]).tolist() == [100, 80, 20]


def test_the_mean_of_metrics_is_that_of_each_number_or_none():
    metrics = mean([{"a": 1.0, "b": None}, {"a": 2.0, "b": 3.0}])
    assert metrics == {"a": 1.5, "b": None}
