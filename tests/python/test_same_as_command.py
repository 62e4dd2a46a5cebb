"""The package gives the numbers of the command, bit for bit."""

import json

import numpy as np
import prior2posterior as p2p
import pytest


def same_prior(prior, path):
    """All that the two prior files hold but the names of the inputs."""
    ours = json.loads(prior.to_json())
    theirs = json.loads(path.read_text())
    assert len(ours["inputs"]) == len(theirs["inputs"]) == 1
    del ours["inputs"], theirs["inputs"]
    assert ours == theirs


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_estimate(command, toy, dtype):
    scores = toy.logits.astype(dtype)
    command("estimate", "z.npy", "--counts", "n.npy", "-o", "p.json", z=scores, n=toy.counts)
    same_prior(p2p.estimate_prior(scores, counts=toy.counts), command.folder / "p.json")


def probabilities(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


READINGS = {
    "normalise": (lambda p: 100 * p, {"normalise": True}, ["--normalise"]),
    "log_base": (np.log10, {"log_base": 10}, ["--log-base", "10"]),
    "binary": (lambda p: p[:, 1], {"binary": True}, ["--binary"]),
}


@pytest.mark.parametrize("name", READINGS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_that_are_read(command, toy, name, dtype):
    make, options, arguments = READINGS[name]
    scores = make(probabilities(toy.logits.astype(np.float64))).astype(dtype)
    command("estimate", "z.npy", *arguments, "-o", "p.json", z=scores)
    prior = p2p.estimate_prior(scores, **options)
    same_prior(prior, command.folder / "p.json")
    command("correct", "z.npy", *arguments, "--prior", "p.json", "-o", "o.npy", z=scores)
    corrected = p2p.correct(scores, prior, **options)
    theirs = np.load(command.folder / "o.npy")
    assert corrected.shape == theirs.shape
    assert corrected.dtype == dtype
    np.testing.assert_array_equal(corrected, theirs)


@pytest.mark.parametrize("name", READINGS)
def test_numbers_that_are_read_in_blocks(toy, name):
    make, options, _ = READINGS[name]
    scores = make(probabilities(toy.logits.astype(np.float64)))
    stated = {"input": "probs"} if name == "binary" else {}
    whole = p2p.estimate_prior(scores, **stated, **options)
    blocks = p2p.estimate_prior(iter(np.array_split(scores, 3)), **stated, **options)
    np.testing.assert_array_equal(blocks.effective, whole.effective)
    corrected = list(p2p.correct(iter(np.array_split(scores, 3)), whole, **stated, **options))
    np.testing.assert_array_equal(
        np.concatenate(corrected), p2p.correct(scores, whole, **stated, **options)
    )


@pytest.mark.parametrize("name", READINGS)
def test_labelled_numbers_that_are_read(toy, name):
    make, options, _ = READINGS[name]
    p = probabilities(toy.logits.astype(np.float64))
    plain = np.column_stack([1 - p[:, 1], p[:, 1]]) if name == "binary" else p
    labels = (toy.labels == 1).astype(int) if name == "binary" else toy.labels
    found = p2p.evaluate(make(p), labels, **options)
    assert found.nll == pytest.approx(p2p.evaluate(plain, labels).nll, rel=1e-12)
    prior = p2p.estimate_prior(plain, labels=labels)
    held = {"holdout_labels": labels, "method": "bias"}
    delta = p2p.make_correction(prior, holdout=make(p), **held, **options).delta
    np.testing.assert_allclose(
        delta, p2p.make_correction(prior, holdout=plain, **held).delta, atol=1e-6
    )


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ({"trained_with": "la:0.5"}, ["--trained-with", "la:0.5"]),
        ({"trained_with": "balanced-softmax"}, ["--trained-with", "balanced-softmax"]),
        ({"temperature": 1.7, "smoothing": 3.0}, ["--temperature", "1.7", "--smoothing", "3"]),
        (
            {"floor": 1e-3, "exclude": [2, 5]},
            ["--floor", "1e-3", "--exclude", "2", "--exclude", "5"],
        ),
        ({"input": "logits", "rows": "holdout"}, ["--input", "logits", "--rows", "holdout"]),
        ({"iterate": True}, ["--iterate"]),
        ({"pool": True}, ["--pool"]),
    ],
)
def test_estimate_with_options(command, toy, options, arguments):
    command(
        "estimate", "z.npy", "--counts", "n.npy", "-o", "p.json", *arguments,
        z=toy.logits, n=toy.counts,
    )  # fmt: skip
    prior = p2p.estimate_prior(toy.logits, counts=toy.counts, **options)
    same_prior(prior, command.folder / "p.json")


def test_estimate_with_class_weights(command, toy):
    weights = np.arange(1.0, 8.0)
    command(
        "estimate", "z.npy", "--counts", "n.npy", "--trained-with", "weights:w.npy", "-o", "p.json",
        z=toy.logits, n=toy.counts, w=weights,
    )  # fmt: skip
    prior = p2p.estimate_prior(toy.logits, counts=toy.counts, trained_with=("weights", weights))
    same_prior(prior, command.folder / "p.json")


@pytest.mark.parametrize("with_counts", [False, True])
def test_estimate_with_labels(command, toy, with_counts):
    labels = toy.labels.copy()
    labels[::10] = 255
    counts = toy.counts[::-1].copy() if with_counts else None
    arguments = ["--counts", "n.npy"] if with_counts else []
    command(
        "estimate", "z.npy", "--labels", "y.npy", "--ignore-index", "255", *arguments, "-o",
        "p.json", z=toy.logits, y=labels, n=toy.counts[::-1],
    )  # fmt: skip
    prior = p2p.estimate_prior(toy.logits, labels=labels, counts=counts, ignore_index=255)
    same_prior(prior, command.folder / "p.json")


def test_the_prior_file_is_read_by_the_command(command, toy):
    p2p.save(p2p.estimate_prior(toy.logits, counts=toy.counts), command.folder / "p.json")
    report = command("inspect", "p.json", "--json")
    assert report == p2p.inspect(p2p.load_prior(command.folder / "p.json")).to_dict()


@pytest.mark.parametrize("output", [None, "logits", "probs", "log-probs", "labels"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_correct(command, toy, dtype, output):
    scores = toy.logits.astype(dtype)
    prior = p2p.estimate_prior(scores, counts=toy.counts)
    p2p.save(prior, command.folder / "p.json")
    arguments = [] if output is None else ["--output", output]
    command("correct", "z.npy", "--prior", "p.json", "-o", "c.npy", *arguments, z=scores)
    expected = np.load(command.folder / "c.npy")
    result = p2p.correct(scores, prior, output=output)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("kind", ["probs", "log-probs"])
def test_correct_probabilities(command, toy, kind):
    logits = toy.logits.astype(np.float64)
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    scores = (np.exp(log_p) if kind == "probs" else log_p).astype(np.float32)
    prior = p2p.estimate_prior(scores, counts=toy.counts)
    assert prior.input == kind
    p2p.save(prior, command.folder / "p.json")
    command("correct", "z.npy", "--prior", "p.json", "-o", "c.npy", z=scores)
    np.testing.assert_array_equal(p2p.correct(scores, prior), np.load(command.folder / "c.npy"))


# gla, which takes the scores of a second model, has a test of its own.
@pytest.mark.parametrize("method", [*(m for m in p2p.methods() if m != "gla"), "auto"])
def test_every_method(command, toy, method):
    fit, test = toy.logits[:5000], toy.logits[5000:]
    prior = p2p.estimate_prior(fit, counts=toy.counts)
    p2p.save(prior, command.folder / "p.json")
    evidence = {"holdout": test, "holdout_labels": toy.labels[5000:], "unlabelled": test[::2]}
    report = command(
        "correct", "t.npy", "--prior", "p.json", "--method", method, "--holdout", "t.npy",
        "--holdout-labels", "y.npy", "--unlabelled", "u.npy", "-o", "c.npy", "--json",
        t=test, y=toy.labels[5000:], u=test[::2],
    )  # fmt: skip
    correction = p2p.make_correction(prior, method=method, **evidence)
    for key, value in correction.to_dict().items():
        assert report[key] == value, key
    assert report["method"] == correction.method
    if method == "auto":
        assert report["selection"] == correction.selection
    np.testing.assert_array_equal(p2p.correct(test, correction), np.load(command.folder / "c.npy"))


@pytest.mark.parametrize("scoring", ["accuracy", "balanced-accuracy", "macro-f1"])
def test_every_objective(command, toy, scoring):
    prior = p2p.estimate_prior(toy.logits, counts=toy.counts)
    p2p.save(prior, command.folder / "p.json")
    report = command(
        "correct", "z.npy", "--prior", "p.json", "--method", "auto", "--objective", scoring,
        "--holdout", "z.npy", "--holdout-labels", "y.npy", "-o", "c.npy", "--json",
        z=toy.logits, y=toy.labels,
    )  # fmt: skip
    correction = p2p.make_correction(
        prior, method="auto", scoring=scoring, holdout=toy.logits, holdout_labels=toy.labels
    )
    assert correction.selection == report["selection"]
    assert correction.selection["objective"] == scoring


def test_a_second_model(command, toy):
    rng = np.random.default_rng(1)
    second = rng.normal(size=toy.logits.shape).astype(np.float32)
    second[np.arange(9000), toy.labels] += 1
    prior = p2p.estimate_prior(toy.logits, counts=toy.counts)
    p2p.save(prior, command.folder / "p.json")
    command(
        "correct", "z.npy", "--prior", "p.json", "--method", "gla", "--holdout", "z.npy",
        "--holdout-labels", "y.npy", "--holdout-second", "s.npy", "--second", "s.npy",
        "-o", "c.npy",
        z=toy.logits, y=toy.labels, s=second,
    )  # fmt: skip
    result = p2p.correct(
        toy.logits, prior, method="gla", holdout=toy.logits, holdout_labels=toy.labels,
        holdout_second=second, second=second,
    )  # fmt: skip
    np.testing.assert_array_equal(result, np.load(command.folder / "c.npy"))


@pytest.mark.parametrize(
    ("target", "strength"), [("empirical", 1), ("uniform", 0.5), ("estimated:em", 1), ("file", 1)]
)
def test_targets(command, toy, target, strength):
    shares = np.array([1.0, 2, 3, 4, 0, 6, 7])
    prior = p2p.estimate_prior(toy.logits, counts=toy.counts)
    p2p.save(prior, command.folder / "p.json")
    report = command(
        "correct", "z.npy", "--prior", "p.json",
        "--target", "t.npy" if target == "file" else target,
        "--strength", strength, "--unlabelled", "z.npy", "-o", "c.npy", "--json",
        z=toy.logits, t=shares,
    )  # fmt: skip
    correction = p2p.make_correction(
        prior,
        target=shares if target == "file" else target,
        strength=strength,
        unlabelled=toy.logits if target.startswith("estimated") else None,
    )
    delta = [d if np.isfinite(d) else None for d in correction.delta]
    assert delta == report["delta"]


@pytest.mark.parametrize("bootstrap", [0, 50])
def test_evaluate(command, toy, bootstrap):
    report = command(
        "evaluate", "z.npy", "--labels", "y.npy", "--counts", "n.npy", "--bootstrap", bootstrap,
        "--many", 1000, "--few", 300, "--seed", 3, "--json",
        z=toy.logits, y=toy.labels, n=toy.counts,
    )  # fmt: skip
    metrics = p2p.evaluate(
        toy.logits, toy.labels, counts=toy.counts, many=1000, few=300, bootstrap=bootstrap, seed=3
    )
    assert metrics.to_dict() == report
    assert metrics.ci95 == report.get("ci95")
    assert metrics.accuracy == report["accuracy"]
    assert metrics.many == report["groups"]["many"]


def test_the_text_of_metrics(command, toy):
    text = command(
        "evaluate", "z.npy", "--labels", "y.npy", "--counts", "n.npy", "--quiet",
        z=toy.logits, y=toy.labels, n=toy.counts,
    )  # fmt: skip
    assert str(p2p.evaluate(toy.logits, toy.labels, counts=toy.counts)) == text


def test_inspect_with_scores(command, toy):
    prior = p2p.estimate_prior(toy.logits, counts=toy.counts)
    p2p.save(prior, command.folder / "p.json")
    report = command(
        "inspect", "p.json", "--scores", "z.npy", "--labels", "y.npy", "--json",
        z=toy.logits, y=toy.labels,
    )  # fmt: skip
    inspection = p2p.inspect(prior, toy.logits, toy.labels)
    assert inspection.to_dict() == report
    assert inspection.balance == report["balance"]["verdict"]


def test_the_numbers_of_the_readme(sample):
    prior = p2p.estimate_prior(sample["train_logits"], counts=sample["counts"])
    corrected = p2p.correct(sample["test_logits"], prior)
    metrics = p2p.evaluate(corrected, sample["test_labels"], counts=prior)
    assert round(100 * metrics.accuracy, 2) == 72.22
    assert round(metrics.nll, 6) == 0.824747


def test_judge_inputs(command, toy):
    scores, labels = toy.logits, toy.labels
    moved = 0.5 * scores
    command("estimate", "z.npy", "--counts", "n.npy", "-o", "p.json", z=scores, n=toy.counts)
    report = command(
        "inspect", "p.json", "--unlabelled", "u.npy", "--holdout", "z.npy", "--holdout-labels",
        "l.npy", "--input", "logits", "--json", u=moved, l=labels,
    )  # fmt: skip
    prior = p2p.estimate_prior(scores, counts=toy.counts)
    ours = p2p.judge_inputs(prior, moved, holdout=scores, holdout_labels=labels, input="logits")
    theirs = report["inputs"]
    explanations = [found.pop("explanation") for found in (ours, theirs)]
    assert ours == theirs
    assert "--" not in explanations[0]


def test_judge_inputs_without_held_out_rows(toy):
    prior = p2p.estimate_prior(toy.logits, counts=toy.counts)
    found = p2p.judge_inputs(prior, toy.logits)
    assert found["verdict"] == "unknown"
    assert found["confidence"] is None
    assert found["tv"] == pytest.approx(0, abs=1e-12)
    with pytest.raises(p2p.Error, match="together"):
        p2p.judge_inputs(prior, toy.logits, holdout=toy.logits)
