"""Rows of --ignore-index are left out wherever labels are read: the same as a file without them."""

import numpy as np
import pytest
from harness import p2p

IGNORED = 255
LABELLED = ["temperature", "vector-scaling", "bias", "drops", "em", "map-em", "bbse", "rlls"]
ESTIMATE_TARGET = ["em", "map-em", "bbse", "rlls"]


@pytest.fixture
def rows(toy):
    """Held-out rows with and without ignored ones, whose scores all say the rarest class."""
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 5, 400)
    scores = rng.normal(0, 1, (400, 5)) + np.log(toy.counts / 300.0)
    scores[np.arange(400), labels] += 2.0
    toy.save("held.npy", scores)
    toy.save("held-labels.npy", labels)
    where = np.sort(rng.integers(0, 400, 150))
    toy.save("held-all.npy", np.insert(scores, where, [0.0, 0.0, 0.0, 0.0, 9.0], axis=0))
    toy.save("held-all-labels.npy", np.insert(labels, where, IGNORED))
    toy.save("new.npy", rng.normal(0, 2, (100, 5)))
    p2p("estimate", "logits.npy", "--counts", "counts.npy", "-o", "with-counts.json", cwd=toy.folder)
    p2p("estimate", "logits.npy", "-o", "without-counts.json", cwd=toy.folder)
    return toy


def held_out(suffix):
    found = ["--holdout", f"held{suffix}.npy", "--holdout-labels", f"held{suffix}-labels.npy"]
    return [*found, "--ignore-index", str(IGNORED)] if suffix else found


def corrected(toy, suffix, prior, *options):
    output = f"out{suffix}.npy"
    p2p("correct", "new.npy", "--prior", f"{prior}.json", *options, *held_out(suffix), "-o", output,
        cwd=toy.folder)  # fmt: skip
    return toy.load(output)


METHODS = [(method, "with-counts") for method in [*LABELLED, "match"]]
METHODS += [(method, "without-counts") for method in LABELLED]


@pytest.mark.parametrize(("method", "prior"), METHODS)
def test_a_method_learns_nothing_from_them(rows, method, prior):
    options = ["--method", method, "--input", "logits"]
    if method in ESTIMATE_TARGET:
        options += ["--unlabelled", "new.npy"]
    with_them = corrected(rows, "-all", prior, *options)
    without = corrected(rows, "", prior, *options)
    np.testing.assert_allclose(with_them, without, rtol=0, atol=1e-6)


@pytest.mark.parametrize("prior", ["with-counts", "without-counts"])
@pytest.mark.parametrize("choice", [["--method", "auto"], ["--method", "p2p", "--strength", "auto"]])
def test_a_choice_is_not_swayed_by_them(rows, choice, prior):
    def candidates(suffix):
        found = p2p("correct", "new.npy", "--prior", f"{prior}.json", *choice, *held_out(suffix),
                    "--input", "logits", "-o", "out.npy", "--json", cwd=rows.folder)  # fmt: skip
        return found.json["selection"]["candidates"]

    pairs = list(zip(candidates("-all"), candidates(""), strict=True))
    assert len(pairs) > 2
    for with_them, without in pairs:
        assert with_them["method"] == without["method"]
        for objective, judged in without["objectives"].items():
            assert with_them["objectives"][objective] == pytest.approx(judged, abs=1e-6), objective
