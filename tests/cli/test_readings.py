"""Numbers that are scores only once one says how to read them."""

import json

import numpy as np
import pytest
import reference
from harness import estimate, p2p, refuse

ROWS, CLASSES = 400, 5
COUNTS = np.array([200, 100, 60, 30, 10])


@pytest.fixture
def probs():
    z = np.random.default_rng(5).normal(0, 1.5, (ROWS, CLASSES)) + np.log(COUNTS)
    return reference.softmax(z)


@pytest.fixture
def labels(probs):
    rng = np.random.default_rng(6)
    return np.array([rng.choice(CLASSES, p=p) for p in probs])


@pytest.fixture
def folder(tmp_path, labels):
    np.save(tmp_path / "counts.npy", COUNTS)
    np.save(tmp_path / "y.npy", labels)
    return tmp_path


def only_the_largest(p, k):
    kept = np.where(p >= np.sort(p, axis=1)[:, [-k]], p, 0)
    return kept


SHAPES = {
    "each third": lambda p: p / 3,
    "percent": lambda p: 100 * p,
    "rounded percent": lambda p: np.round(100 * p),
    "votes of 500 trees": lambda p: np.round(500 * p) + [0.5, 0, 0, 0, 0],
    "rounded to two decimals": lambda p: np.round(p, 2) + 0.004 * (p == p.max(1, keepdims=True)),
    "the top 2": lambda p: only_the_largest(p, 2),
    "the top 2 in percent": lambda p: 100 * only_the_largest(p, 2),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_scaled_and_rounded_probabilities_are_asked_about_and_normalised(
    folder, probs, shape, dtype
):
    stored = SHAPES[shape](probs).astype(dtype)
    np.save(folder / "z.npy", stored)
    text = refuse(folder, "estimate", "z.npy", "-o", "x.json", words=["z.npy", "--normalise"])
    assert "percent" not in shape or "logits" not in text
    found = estimate("z.npy", "--normalise", cwd=folder)
    exact = stored.astype("f8")
    expected = (exact / exact.sum(axis=1, keepdims=True)).mean(axis=0)
    assert found["effective"] == pytest.approx(expected.tolist(), rel=1e-6)
    assert found["input_kind"] == "probs" and found["normalise"] is True


def test_probabilities_with_three_decimals_of_a_thousand_classes_are_asked_about(tmp_path):
    z = np.random.default_rng(0).normal(0, 2, (50, 1000))
    p = np.round(reference.softmax(z), 3)
    np.save(tmp_path / "z.npy", p)
    refuse(tmp_path, "estimate", "z.npy", "-o", "x.json", words=["--normalise"])
    refuse(
        tmp_path, "estimate", "z.npy", "--input", "probs", "-o", "x.json", words=["--normalise"]
    )
    found = estimate("z.npy", "--normalise", "--floor", "1e-9", cwd=tmp_path)
    expected = (p / p.sum(axis=1, keepdims=True)).mean(axis=0)
    kept = expected > 0
    assert np.array(found["effective"])[kept] == pytest.approx(expected[kept], rel=1e-5)


def test_sigmoids_are_asked_about_and_stay_free_to_be_logits(folder):
    s = 1 / (1 + np.exp(-np.random.default_rng(1).normal(0, 2, (ROWS, CLASSES))))
    np.save(folder / "s.npy", s)
    refuse(
        folder, "estimate", "s.npy", "-o", "x.json", words=["[0, 1]", "--normalise", "--input logits"]
    )
    found = estimate("s.npy", "--input", "logits", cwd=folder)
    expected = reference.effective_prior(s).tolist()
    assert found["effective"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("base", [10, 2])
@pytest.mark.parametrize("decimals", [12, 3])
def test_logarithms_to_another_base_are_asked_about_and_read(folder, probs, base, decimals):
    np.save(folder / "z.npy", np.round(np.log(probs) / np.log(base), decimals))
    refuse(folder, "estimate", "z.npy", "-o", "x.json", words=[f"--log-base {base}"])
    kind = ["--input", "logits"] if decimals < 4 else []
    found = estimate("z.npy", "--log-base", str(base), *kind, cwd=folder)
    assert found["log_base"] == base
    expected = probs.mean(axis=0).tolist()
    assert found["effective"] == pytest.approx(expected, rel=1e-2 if kind else 1e-9)


def test_a_row_that_sums_to_zero_is_named(folder, probs):
    probs[7] = 0
    np.save(folder / "z.npy", probs)
    refuse(
        folder, "estimate", "z.npy", "--normalise", "-o", "x.json", words=["z.npy", "row 7", "to 0"]
    )


def test_corrected_rows_that_were_normalised_are_probabilities(folder, probs):
    np.save(folder / "z.npy", 100 * probs)
    estimate("z.npy", "--normalise", "--counts", "counts.npy", cwd=folder)
    p2p("correct", "z.npy", "--normalise", "--prior", "prior.json", "-o", "o.npy", cwd=folder)
    q = probs.mean(axis=0)
    expected = probs / q / (probs / q).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.load(folder / "o.npy"), expected, rtol=1e-9)


READERS = [
    ("estimate", ["SCORES", "-o", "again.json"]),
    ("inspect", ["prior.json", "--scores", "SCORES", "--labels", "y.npy"]),
    ("evaluate", ["SCORES", "--labels", "y.npy", "--counts", "counts.npy"]),
    ("correct", ["SCORES", "--prior", "prior.json", "-o", "o.npy"]),
    (
        "correct",
        ["SCORES", "--prior", "prior.json", "-o", "o.npy", "--method", "bias", "--holdout"]
        + ["SCORES", "--holdout-labels", "y.npy"],
    ),
    (
        "compare",
        ["--prior", "prior.json", "--test", "SCORES", "--test-labels", "y.npy", "--bootstrap", "5"],
    ),
    ("sweep", ["SCORES", "--labels", "y.npy", "--prior", "prior.json"]),
    ("track", ["SCORES", "--prior", "prior.json"]),
]


@pytest.mark.parametrize("verb, arguments", READERS)
@pytest.mark.parametrize("how", ["--normalise", "--log-base"])
def test_every_verb_reads_them(folder, probs, verb, arguments, how):
    np.save(folder / "p.npy", probs)
    estimate("p.npy", "--counts", "counts.npy", cwd=folder)
    np.save(folder / "z.npy", 100 * probs if how == "--normalise" else np.log10(probs))
    option = [how] if how == "--normalise" else [how, "10"]
    plain = probs if how == "--normalise" else np.log(probs)
    np.save(folder / "plain.npy", plain)

    def said(scores, *options):
        args = [scores if a == "SCORES" else a for a in arguments]
        outcome = p2p(verb, *args, *options, cwd=folder)
        written = folder / "o.npy"
        return outcome.out, np.load(written) if written.exists() else None

    extra = ["--input", "probs" if how == "--normalise" else "log-probs"]
    text, scores = said("plain.npy", *extra)
    found, corrected = said("z.npy", *option)
    assert [w for w in found.split() if w.isalpha()] == [w for w in text.split() if w.isalpha()]
    if scores is not None:
        np.testing.assert_allclose(corrected, scores, rtol=1e-9, atol=1e-12)


def test_track_reads_as_the_prior_was_read(folder, probs):
    np.save(folder / "z.npy", 100 * probs)
    estimate("z.npy", "--normalise", cwd=folder)
    line = json.loads(p2p("track", "z.npy", "--prior", "prior.json", cwd=folder).out)
    assert line["rows"] == ROWS


def test_parts_that_were_read_differently_are_not_merged(folder, probs):
    np.save(folder / "z.npy", probs)
    estimate("z.npy", "--normalise", output="a.json", cwd=folder)
    np.save(folder / "w.npy", probs[::-1])
    estimate("w.npy", output="b.json", cwd=folder)
    refuse(folder, "merge", "a.json", "b.json", "-o", "m.json", words=["--normalise"])


@pytest.mark.parametrize("shape", [(ROWS,), (ROWS, 1)])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_one_column_of_probabilities_is_class_1_of_two(folder, shape, dtype):
    p = np.random.default_rng(2).random(ROWS).astype(dtype)
    np.save(folder / "p.npy", p.reshape(shape))
    refuse(folder, "estimate", "p.npy", "-o", "x.json", words=["p.npy", "--binary"])
    found = estimate("p.npy", "--binary", cwd=folder)
    q = p.astype("f8").mean()
    assert found["effective"] == pytest.approx([1 - q, q], rel=1e-6)
    p2p("correct", "p.npy", "--binary", "--prior", "prior.json", "-o", "o.npy", cwd=folder)
    two = np.column_stack([1 - p, p]) / [1 - q, q]
    np.testing.assert_allclose(
        np.load(folder / "o.npy"), two / two.sum(axis=1, keepdims=True), rtol=1e-5
    )


def test_what_a_column_was_taken_for_is_said(folder):
    np.save(folder / "p.npy", np.linspace(0, 1, 50))
    outcome = p2p("estimate", "p.npy", "--binary", "-o", "x.json", cwd=folder)
    assert "taken for probs" in outcome.err


@pytest.mark.parametrize("ending", ["npy", "csv", "stdin"])
def test_one_column_of_logits_is_class_1_of_two(folder, ending):
    s = np.random.default_rng(2).normal(-1, 2, ROWS)
    name = "-" if ending == "stdin" else f"s.{ending}"
    np.save(folder / "s.npy", s)
    np.savetxt(folder / "s.csv", s, fmt="%.17g")
    stdin = (folder / "s.npy").read_bytes() if ending == "stdin" else b""
    refuse(folder, "estimate", name, "-o", "x.json", words=["--binary"], stdin=stdin)
    found = estimate(name, "--binary", cwd=folder, stdin=stdin)
    q = (1 / (1 + np.exp(-s))).mean()
    assert found["input_kind"] == "logits"
    assert found["effective"] == pytest.approx([1 - q, q], rel=1e-9)


@pytest.mark.parametrize("header", ["id,p\n", ""])
def test_one_column_beside_an_id_is_class_1_of_two(folder, header):
    p = np.random.default_rng(2).random(50)
    lines = "".join(f"{i + 100},{x:.17g}\n" for i, x in enumerate(p))
    (folder / "p.csv").write_text(header + lines)
    refuse(folder, "estimate", "p.csv", "--binary", "-o", "x.json", words=["--skip-columns"])
    found = estimate("p.csv", "--binary", "--skip-columns", "1", cwd=folder)
    assert found["effective"] == pytest.approx([1 - p.mean(), p.mean()], rel=1e-9)


@pytest.mark.parametrize("first", ["0", "1", "7"])
def test_a_first_number_of_one_column_is_a_row(folder, first):
    (folder / "s.csv").write_text(f"{first}\n0.25\n0.5\n")
    found = estimate("s.csv", "--binary", "--input", "logits", cwd=folder)
    s = np.array([float(first), 0.25, 0.5])
    q = (1 / (1 + np.exp(-s))).mean()
    assert found["n_rows"] == 3
    assert found["effective"] == pytest.approx([1 - q, q], rel=1e-9)


def test_a_column_of_binary_logits_is_tracked(folder):
    s = np.random.default_rng(2).normal(-1, 2, ROWS).astype("f4")
    np.save(folder / "s.npy", s)
    estimate("s.npy", "--binary", cwd=folder)
    assert json.loads(p2p("track", "s.npy", "--prior", "prior.json", cwd=folder).out)["rows"] == ROWS


def test_binary_takes_one_column_only(folder, probs):
    np.save(folder / "z.npy", probs)
    refuse(folder, "estimate", "z.npy", "--binary", "-o", "x.json", words=["5 columns"])


@pytest.mark.parametrize(
    "options, words",
    [
        (["--normalise", "--log-base", "10"], ["--normalise", "--log-base"]),
        (["--normalise", "--input", "logits"], ["--normalise", "logits"]),
        (["--log-base", "1"], ["--log-base"]),
        (["--log-base", "10", "--input", "probs"], ["--log-base", "probs"]),
    ],
)
def test_readings_that_contradict_each_other_are_refused(folder, probs, options, words):
    np.save(folder / "z.npy", probs)
    refuse(folder, "estimate", "z.npy", *options, "-o", "x.json", words=words, code=2)
