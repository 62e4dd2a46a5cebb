"""What the functions return: pickles, copies, equality, text, names."""

import copy
import pickle

import numpy as np
import prior2posterior as p2p
import pytest


@pytest.fixture(scope="module")
def results(toy):
    prior = p2p.estimate_prior(toy.logits, counts=toy.counts, classes=toy.names)
    return {
        "ClassPrior": prior,
        "matched ClassPrior": p2p.estimate_prior(toy.logits, counts=toy.counts, iterate=True),
        "Correction": p2p.make_correction(prior, target=[1, 2, 3, 4, 0, 6, 7]),
        "iterative Correction": p2p.make_correction(prior, method="em", unlabelled=toy.logits),
        "chosen Correction": p2p.make_correction(
            prior, method="auto", holdout=toy.logits, holdout_labels=toy.labels
        ),
        "Metrics": p2p.evaluate(toy.logits, toy.labels, counts=prior),
        "Metrics with intervals": p2p.evaluate(toy.logits, toy.labels, bootstrap=20),
        "Inspection": p2p.inspect(prior),
        "Inspection with scores": p2p.inspect(prior, toy.logits, toy.labels),
    }


KINDS = [
    "ClassPrior", "matched ClassPrior", "Correction", "iterative Correction", "chosen Correction",
    "Metrics", "Metrics with intervals", "Inspection", "Inspection with scores",
]  # fmt: skip


def facts(result):
    return result.to_json() if isinstance(result, p2p.ClassPrior) else result.to_dict()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "way", [lambda r: pickle.loads(pickle.dumps(r)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)  # fmt: skip
def test_pickles_and_copies_are_the_same(results, kind, way):
    result = results[kind]
    other = way(result)
    assert type(other) is type(result)
    assert facts(other) == facts(result)
    assert str(other) == str(result)
    if isinstance(result, (p2p.ClassPrior, p2p.Correction)):
        assert other == result
        assert hash(other) == hash(result)
        assert other != 3


@pytest.mark.parametrize("kind", KINDS)
def test_reprs_name_their_class_on_one_line(results, kind):
    text = repr(results[kind])
    assert text.startswith(type(results[kind]).__name__ + "(")
    assert "\n" not in text


def test_corrections_that_differ_are_not_equal(results):
    prior = results["ClassPrior"]
    assert p2p.make_correction(prior) == p2p.make_correction(prior)
    assert p2p.make_correction(prior) != p2p.make_correction(prior, strength=0.5)


def test_arrays_of_results_cannot_be_changed(results):
    with pytest.raises(ValueError, match="read-only"):
        results["ClassPrior"].effective[0] = 1


def test_priors_of_two_halves_merge(toy, results):
    a = p2p.estimate_prior(toy.logits[:4096], counts=toy.counts, classes=toy.names)
    b = p2p.estimate_prior(toy.logits[4096:], counts=toy.counts, classes=toy.names)
    merged = a.merge(b)
    np.testing.assert_array_equal(merged.effective, results["ClassPrior"].effective)
    assert merged.n_rows == 9000


def test_parts_for_other_libraries_are_found_by_name():
    assert p2p.sklearn.PriorCorrector.__name__ == "PriorCorrector"
    with pytest.raises(AttributeError, match="nonsense"):
        p2p.nonsense  # noqa: B018


def test_damaged_pickles_are_refused(results):
    for kind, state in {
        "ClassPrior": "{}",
        "Metrics": (0, 0, 0, 0, [], [], [], []),
        "Inspection": ("{}", None),
    }.items():
        damaged = type(results[kind]).__new__(type(results[kind]))
        with pytest.raises(p2p.Error):
            damaged.__setstate__(state)
