"""The numbers of the shipped sample, through the command: to the printed digit, and to 1e-6
against the reference."""

import json

import numpy as np
import pytest
import reference
from harness import SAMPLE, estimate, p2p

# accuracy, many, medium in percent; NLL, ECE, residual slope.
PUBLISHED = {
    "none": ("58.62", "70.175", "12.40", "1.326256", "0.147741", "0.533"),
    "empirical": ("72.14", "72.8125", "69.45", "0.828383", "0.025062", "0.007"),
    "p2p": ("72.22", "72.275", "72.00", "0.824747", "0.026207", "-0.005"),
}


def as_printed(value, text):
    return f"{value:.{len(text.partition('.')[2])}f}"


def corrected_and_evaluated(folder, method):
    estimate(f"{SAMPLE}:train_logits", "--counts", f"{SAMPLE}:counts", cwd=folder)
    p2p("correct", f"{SAMPLE}:test_logits", "--prior", "prior.json", "--method", method,
        "-o", "out.npy", cwd=folder)  # fmt: skip
    return p2p("evaluate", "out.npy", "--labels", f"{SAMPLE}:test_labels",
               "--counts", f"{SAMPLE}:counts", "--json", cwd=folder).json  # fmt: skip


@pytest.mark.parametrize("method", PUBLISHED)
def test_evaluation_prints_the_published_digits(tmp_path, method):
    found = corrected_and_evaluated(tmp_path, method)
    groups = found["groups"]
    values = (
        100 * found["accuracy"],
        100 * groups["many"],
        100 * groups["medium"],
        found["nll"],
        found["ece"],
        found["residual_slope"],
    )
    printed = tuple(map(as_printed, values, PUBLISHED[method]))
    assert printed == PUBLISHED[method]


@pytest.mark.parametrize("method", PUBLISHED)
def test_evaluation_agrees_with_the_reference(tmp_path, sample, method):
    found = corrected_and_evaluated(tmp_path, method)
    residual = {
        "none": None,
        "empirical": reference.empirical_residual(sample["counts"]),
        "p2p": reference.effective_prior(sample["train_logits"]),
    }[method]
    delta = 0 if residual is None else reference.log_offset(residual)
    z = sample["test_logits"].astype(np.float64) + delta
    expected = reference.metrics(z, sample["test_labels"], sample["counts"])
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-6), name


def test_total_variation_of_the_sample(tmp_path):
    estimate(f"{SAMPLE}:train_logits", "--counts", f"{SAMPLE}:counts", cwd=tmp_path)
    found = p2p("inspect", "prior.json", "--json", cwd=tmp_path).json
    assert f"{found['tv']:.6f}" == "0.009176"


def test_training_accuracy_of_the_sample():
    found = p2p(
        "evaluate", f"{SAMPLE}:train_logits", "--labels", f"{SAMPLE}:train_labels", "--json"
    )
    assert f"{found.json['accuracy']:.6f}" == "0.911172"


def test_residual_slopes_of_the_sample_have_their_verdicts(tmp_path):
    prior = estimate(f"{SAMPLE}:train_logits", "--counts", f"{SAMPLE}:counts", cwd=tmp_path)
    labelled = ("--labels", f"{SAMPLE}:test_labels")
    twice = {"none": "head-biased", "p2p": "balanced"}
    for method, verdict in twice.items():
        p2p("correct", f"{SAMPLE}:test_logits", "--prior", "prior.json", "--method", method,
            "-o", f"{method}.npy", cwd=tmp_path)  # fmt: skip
        found = p2p("inspect", "prior.json", "--scores", f"{method}.npy", *labelled, "--json",
                    cwd=tmp_path).json  # fmt: skip
        assert found["balance"]["verdict"] == verdict
    assert json.loads((tmp_path / "prior.json").read_text()) == prior


def test_a_doubled_correction_is_called_over_corrected(tmp_path):
    estimate(f"{SAMPLE}:train_logits", "--counts", f"{SAMPLE}:counts", cwd=tmp_path)
    p2p("correct", f"{SAMPLE}:test_logits", "--prior", "prior.json", "--strength", 2,
        "-o", "twice.npy", cwd=tmp_path)  # fmt: skip
    found = p2p("inspect", "prior.json", "--scores", "twice.npy",
                "--labels", f"{SAMPLE}:test_labels", "--json", cwd=tmp_path).json  # fmt: skip
    assert found["balance"]["verdict"] == "over-corrected"
