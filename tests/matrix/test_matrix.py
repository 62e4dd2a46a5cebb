"""Pairwise combinations of options, by both faces, against an independent NumPy program."""

import re
import subprocess
import sys

import faces
import matrix
import pytest


def check(face, seeds):
    number, compared, wrong = 0, 0, []
    for seed in seeds:
        cases, words, differences = matrix.run(face, str(seed))
        number += cases
        compared += words["compared"]
        wrong += differences
    print(f"{number} cases of seeds {seeds}")
    assert not wrong, f"{len(wrong)} cases differ\n" + "\n".join(wrong)
    assert compared > 0.7 * number  # the rest is refused, rightly


@pytest.mark.filterwarnings("ignore")
def test_python_gives_the_numbers_of_the_documents():
    check("python", range(1, 22))


@pytest.mark.filterwarnings("ignore")
def test_the_command_gives_the_numbers_of_the_documents():
    check("command", range(101, 108))


def named_numbers(text):
    """Names in quotes, each with the numbers after it."""
    parts = re.split(r'\{"(.*?)",', text)
    number = r"-?\d+\.?\d*(?:e-?\d+)?"
    return {
        name: [float(x) for x in re.findall(number, after)]
        for name, after in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_the_numbers_of_unit_tests_are_what_the_program_prints():
    program = faces.SOURCE / "scripts" / "reference_corrections.py"
    printed = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, check=True
    ).stdout
    printed = named_numbers(printed)
    stored = named_numbers((faces.SOURCE / "tests/support/reference_numbers.hpp").read_text())
    assert len(printed) > 40
    assert stored.keys() == printed.keys()
    for name, numbers in printed.items():
        assert stored[name] == pytest.approx(numbers, rel=1e-8, abs=1e-9), name
