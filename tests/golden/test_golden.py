"""The command prints what was approved; scripts/approve shows what changed and rewrites it."""

import difflib
import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import golden  # noqa: E402


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    return golden.run_all(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize("name", golden.CASES)
def test_the_command_prints_what_was_approved(printed, name):
    path = golden.EXPECTED / name
    expected = path.read_text() if path.exists() else ""
    difference = "".join(
        difflib.unified_diff(expected.splitlines(True), printed[name].splitlines(True))
    )
    assert golden.agrees(name, printed[name]), (
        "run scripts/approve if this is meant:\n" + difference
    )


def test_every_approved_file_has_a_case():
    assert {path.name for path in golden.EXPECTED.iterdir()} == set(golden.CASES)


def test_a_number_that_differs_in_the_ninth_digit_is_seen():
    value = json.loads(next(iter(golden.EXPECTED.glob("evaluate.json"))).read_text())
    other = {**value, "nll": value["nll"] * (1 + 2e-9)}
    assert golden.same(value, value) and not golden.same(value, other)
