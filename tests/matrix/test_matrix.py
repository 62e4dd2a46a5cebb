"""Pairwise combinations of options, by both faces, against an independent NumPy program."""

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
    assert compared > 0.4 * number  # most combinations have numbers to compare


@pytest.mark.filterwarnings("ignore")
def test_python_gives_the_numbers_of_the_documents():
    check("python", range(1, 21))


@pytest.mark.filterwarnings("ignore")
def test_the_command_gives_the_numbers_of_the_documents():
    check("command", range(101, 110))
