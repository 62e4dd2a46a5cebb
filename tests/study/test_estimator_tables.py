"""Means over networks and shares of a gain, worked out by hand."""

import cell
import cells
import estimator_tables as tables
import numpy as np
import pytest
from cell import Cell


def network(cell_of, name, base, **gains):
    """Numbers of a network whose estimators gain so much accuracy, and lower NLL as much."""
    found = {
        estimator: {"accuracy": base + gain, "nll": 2 - gain}
        for estimator, gain in {"training rows": 0.0, **gains}.items()
    }
    return tables.Measured(cell_of, name, {"estimators": found})


@pytest.fixture
def four():
    one = Cell("one", {}, lambda bench, options: {})
    gains = ((0.02, 0.01), (0.04, 0.03), (0.01, 0.01), (0.05, 0.01))
    return [
        network(one, str(i), 0.3 + i / 10, **{"held-out rows": held, "loo": loo})
        for i, (held, loo) in enumerate(gains)
    ]


def test_a_gain_is_the_mean_over_networks_with_an_interval_over_them(four):
    found = tables.gain(four, "held-out rows", "accuracy")
    gains = np.array([0.02, 0.04, 0.01, 0.05])
    assert found.value == pytest.approx(0.03)
    assert found.half == pytest.approx(3.182 * gains.std(ddof=1) / 2)
    assert tables.gain(four, "held-out rows", "nll").value == pytest.approx(-0.03)


def test_fewer_than_four_networks_have_no_interval(four):
    assert np.isnan(tables.gain(four[:3], "loo", "accuracy").half)


def test_a_share_is_a_ratio_of_means_with_the_interval_of_a_ratio(four):
    found = tables.share(four, "loo", "accuracy")
    held, loo = np.array([0.02, 0.04, 0.01, 0.05]), np.array([0.01, 0.03, 0.01, 0.01])
    assert found.value == pytest.approx(0.5)
    off = (loo - 0.5 * held) / 0.03
    assert found.half == pytest.approx(3.182 * off.std(ddof=1) / 2)


@pytest.mark.parametrize(("gains", "expected"), [
    ((0.02, -0.01, 0.01, 0.0), [None, None]),
    ((0.02, 0.021, 0.022, 0.023), ["0.47", "0.47"]),
])  # fmt: skip
def test_no_share_is_named_of_a_gain_within_chance(gains, expected):
    one = Cell("one", {}, lambda bench, options: {})
    these = [
        network(one, str(i), 0.3, **{"held-out rows": gain, "loo": 0.01})
        for i, gain in enumerate(gains)
    ]
    assert tables.shares(these, "loo") == expected


def test_every_network_of_every_cell_is_in_the_tables(monkeypatch, tmp_path):
    monkeypatch.setattr(cell, "RESULTS", tmp_path)
    measured = network(None, "", 0.4, **dict.fromkeys(tables.WORDS, 0.01)).numbers
    measured |= {
        "train_accuracy": 1.0,
        "few_rows": dict.fromkeys(("5", "20", "100"), 10),
        "few": {
            size: {name: {"accuracy": 0.42, "nll": 1.9} for name in ("held out", *tables.FEW_WORDS)}
            for size in ("5", "20", "100")
        },
    }
    for of_family in tables.FAMILIES.values():
        for one in of_family():
            one.keep({"results": {"networks": {"a": measured, "b": measured}}})
    found = tables.tables()
    assert found["estimators-mlp-networks"] == str(2 * len(cells.mlp_cells()))
    assert found["estimators-mlp-known"] == "100.0 to 100.0"
    assert "| no correction | +1.00 ± 0.00 | -0.0100 ± 0.0000 |  |  |" in found["estimators-mlp"]
    assert "| held-out rows | +1.00 ± 0.00 | -0.0100 ± 0.0000 | 1.00 | 1.00 |" in found[
        "estimators-mlp"
    ]  # fmt: skip
    assert "| 20 % | drawn to a power of n (`--pool`) | +0.00 ± 0.00 |" in found["estimators-few"]
    assert "| 5 % | 10 to 10 | +2.00 ± 0.00 |" in found["estimators-few-training"]
