"""Cells: when one counts as measured, and how kept numbers are compared with new ones."""

import json

import cell
import pytest
from cell import Cell, rounded
from main import compared, differing


@pytest.fixture
def one(tmp_path, monkeypatch):
    monkeypatch.setattr(cell, "RESULTS", tmp_path)
    return Cell("one", {"seed": 1}, lambda bench, options: {"value": options["seed"] / 3})


class Bench:
    @staticmethod
    def version():
        return "1.0"


def test_a_cell_is_done_for_its_options_and_the_version_of_the_program(one):
    assert not one.is_done("1.0")
    one.keep(one.run(Bench))
    assert one.is_done("1.0")
    assert not one.is_done("1.1")
    assert not Cell("one", {"seed": 2}, one.measure).is_done("1.0")


def test_its_file_says_what_was_measured_how(one):
    one.keep(one.run(Bench))
    kept = json.loads(one.file.read_text())
    assert kept["results"] == {"value": 0.333333}
    assert (kept["cell"], kept["version"], kept["options"]) == ("one", "1.0", {"seed": 1})


def test_numbers_are_rounded_wherever_they_are():
    assert rounded({"a": [1 / 3, {"b": 2 / 3}], "c": 1, "d": "x"}) == {
        "a": [0.333333, {"b": 0.666667}],
        "c": 1,
        "d": "x",
    }


def test_only_what_both_have_is_compared_and_counted():
    kept = {"a": {"b": [1.0, 2.0]}, "c": 3, "only": 1}
    assert compared(kept, {"a": {"b": [1.0, 2.0]}, "c": 3}) == 3
    assert compared(kept, kept) == 4


def test_what_differs_is_named_with_both_values():
    kept = {"a": {"b": [1.0, 2.0]}, "c": 3, "d": "x", "only": 1}
    assert list(differing(kept, {"a": {"b": [1.0, 2.0005]}, "c": 3, "d": "x"})) == []
    assert list(differing(kept, {"a": {"b": [1.0, 2.1]}})) == ["/a/b/1: kept 2.0, now 2.1"]
    assert sorted(differing(kept, {"c": 4, "d": "y"})) == [
        "/c: kept 3, now 4",
        "/d: kept x, now y",
    ]
    assert list(differing({"a": None}, {"a": 1.0})) == ["/a: kept None, now 1.0"]
