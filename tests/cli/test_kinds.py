"""What the scores are taken for, and mixtures."""

import numpy as np
import pytest
import reference
from harness import estimate, p2p, refuse, refuse_twice

ROWS, BLOCK = 9000, 4096


@pytest.fixture
def scores(tmp_path):
    """Rows of each kind, over more than two blocks."""
    z = np.random.default_rng(3).normal(1, 2, (ROWS, 6))
    p = reference.softmax(z)
    return tmp_path, {"logits": z, "probs": p, "log-probs": np.log(p)}


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("kind", ["logits", "probs", "log-probs"])
def test_each_kind_is_recognised_in_each_type(scores, kind, dtype):
    folder, of = scores
    np.save(folder / "z.npy", of[kind].astype(dtype))
    assert estimate("z.npy", cwd=folder)["input_kind"] == kind


@pytest.mark.parametrize("kind", ["logits", "probs", "log-probs"])
def test_what_was_assumed_is_said_in_one_line(scores, kind):
    folder, of = scores
    np.save(folder / "z.npy", of[kind])
    outcome = p2p("estimate", "z.npy", "-o", "x.json", cwd=folder)
    said = [line for line in outcome.err.splitlines() if kind in line and "--input" in line]
    assert len(said) == 1


@pytest.mark.parametrize("kind", ["logits", "probs", "log-probs"])
def test_what_was_stated_is_not_said_again(scores, kind):
    folder, of = scores
    np.save(folder / "z.npy", of[kind])
    outcome = p2p("estimate", "z.npy", "--input", kind, "-o", "x.json", cwd=folder)
    assert "--input" not in outcome.err


@pytest.mark.parametrize("kind", ["probs", "log-probs"])
def test_what_was_stated_is_believed(scores, kind):
    folder, of = scores
    np.save(folder / "z.npy", of[kind])
    found = estimate("z.npy", "--input", "logits", cwd=folder)
    expected = reference.effective_prior(of[kind]).tolist()
    assert found["effective"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("stated", ["probs", "log-probs"])
def test_logits_stated_to_be_something_else_are_refused(scores, stated):
    folder, of = scores
    np.save(folder / "z.npy", of["logits"])
    refuse(folder, "estimate", "z.npy", "--input", stated, "-o", "x.json", words=["z.npy", "row 0"])


MIXTURES = [
    (a, b)
    for a in ("logits", "probs", "log-probs")
    for b in ("logits", "probs", "log-probs")
    if a != b
]


@pytest.mark.parametrize("at", [BLOCK // 2, BLOCK, 2 * BLOCK])
@pytest.mark.parametrize("first, second", MIXTURES)
@pytest.mark.parametrize("verb", ["estimate", "correct"])
def test_mixtures_are_refused(scores, verb, first, second, at):
    folder, of = scores
    estimate_from = folder / "logits.npy"
    np.save(estimate_from, of["logits"])
    estimate("logits.npy", cwd=folder)
    np.save(folder / "z.npy", np.vstack([of[first][:at], of[second][at:]]).astype("f4"))
    args, output = {"estimate": ([], "x.json"), "correct": (["--prior", "prior.json"], "o.npy")}[
        verb
    ]
    refuse_twice(folder, verb, "z.npy", *args, output=output, words=["z.npy", "row"])


@pytest.mark.parametrize("first, second", [("logits", "probs"), ("probs", "logits")])
def test_mixtures_between_files_are_refused(scores, first, second):
    folder, of = scores
    np.save(folder / "a.npy", of[first])
    np.save(folder / "b.npy", of[second])
    refuse(folder, "estimate", "a.npy", "b.npy", "-o", "x.json", words=["b.npy"])


@pytest.mark.parametrize("verb", ["estimate", "evaluate"])
def test_one_stray_row_of_logits_among_probabilities_is_named(scores, verb):
    folder, of = scores
    z = of["probs"].copy()
    z[8500] = of["logits"][8500]
    np.save(folder / "z.npy", z)
    np.save(folder / "y.npy", np.zeros(ROWS, int))
    args = {"estimate": ["-o", "x.json"], "evaluate": ["--labels", "y.npy"]}[verb]
    refuse(folder, verb, "z.npy", *args, words=["z.npy", "row 8500"])


def test_the_tolerance_of_sums_is_wider_for_float16(scores):
    folder, of = scores
    p = of["probs"] * 1.01
    np.save(folder / "z16.npy", p.astype("f2"))
    np.save(folder / "z32.npy", p.astype("f4"))
    assert estimate("z16.npy", cwd=folder)["input_kind"] == "probs"
    refuse(folder, "estimate", "z32.npy", "-o", "x.json", words=["z32.npy", "--normalise"])


def test_probabilities_of_standard_input_are_recognised(scores):
    folder, of = scores
    np.save(folder / "z.npy", of["probs"])
    found = estimate("-", cwd=folder, stdin=(folder / "z.npy").read_bytes())
    assert found["input_kind"] == "probs"


def test_zero_is_a_probability(scores):
    folder, of = scores
    p = of["probs"].copy()
    p[:, 0] = 0
    p /= p.sum(axis=1, keepdims=True)
    np.save(folder / "z.npy", p)
    found = estimate("z.npy", cwd=folder)
    assert found["input_kind"] == "probs" and found["floored"] == [0]


@pytest.mark.parametrize("kind", ["probs", "log-probs"])
def test_one_hot_rows_survive_correction(scores, kind):
    folder, of = scores
    np.save(folder / "train.npy", of["logits"])
    estimate("train.npy", cwd=folder)
    p = np.eye(6)[np.arange(ROWS) % 6]
    with np.errstate(divide="ignore"):
        np.save(folder / "z.npy", p if kind == "probs" else np.log(p))
    p2p("correct", "z.npy", "--prior", "prior.json", "--output", "probs", "-o", "o.npy", cwd=folder)
    np.testing.assert_array_equal(np.load(folder / "o.npy"), p)
