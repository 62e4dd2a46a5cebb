"""p2p estimate --iterate: the rounds, what it refuses, and the prior it leaves to correct and merge."""

import json

import numpy as np
import pytest
import reference
from harness import SAMPLE, attempt, estimate, p2p


def softmax_mean(scores, offset):
    x = scores.astype(float) + offset
    p = np.exp(x - x.max(axis=1, keepdims=True))
    return (p / p.sum(axis=1, keepdims=True)).mean(axis=0)


def test_the_mean_posterior_becomes_the_class_frequencies(tmp_path):
    prior = estimate(
        f"{SAMPLE}:train_logits", "--counts", f"{SAMPLE}:counts", "--iterate", cwd=tmp_path
    )
    data = np.load(SAMPLE)
    pi = reference.normalised(data["counts"].astype(float))
    mean = softmax_mean(data["train_logits"], np.asarray(prior["match"]["offset"]))
    assert np.abs(np.log(mean) - np.log(pi)).max() < 2e-6
    assert prior["match"]["converged"] is True
    assert prior["version"] == 2


def test_json_shows_the_rounds(tmp_path):
    out = p2p(
        "estimate", f"{SAMPLE}:train_logits", "--counts", f"{SAMPLE}:counts", "--iterate",
        "--json", "-o", "prior.json", cwd=tmp_path,
    ).json  # fmt: skip
    changes = out["match"]["changes"]
    assert out["match"]["converged"] is True
    assert changes[0] == pytest.approx(0.25075514, rel=1e-5)  # max |log pi - log q|
    assert changes[-1] <= 1e-6 < changes[-2]


def test_without_iterate_there_is_no_match(tmp_path):
    out = p2p(
        "estimate", f"{SAMPLE}:train_logits", "--counts", f"{SAMPLE}:counts", "--json",
        "-o", "prior.json", cwd=tmp_path,
    ).json  # fmt: skip
    assert "match" not in out


def test_a_cap_that_is_too_low_is_bad_data_with_the_trace(tmp_path):
    args = ["estimate", f"{SAMPLE}:train_logits", "--counts", f"{SAMPLE}:counts", "--iterate"]
    outcome = attempt(*args, "--max-rounds", 3, "-o", "prior.json", cwd=tmp_path)
    assert outcome.code == 3
    assert "did not converge in 3 rounds" in outcome.err and "3: " in outcome.err
    assert not (tmp_path / "prior.json").exists()
    allowed = p2p(*args, "--max-rounds", 3, "--allow-unconverged", "-o", "prior.json", cwd=tmp_path)
    assert "the last round was taken" in allowed.err
    assert json.loads((tmp_path / "prior.json").read_text())["match"]["converged"] is False


def test_scores_that_are_read_once_cannot_be_iterated(toy):
    stream = (toy.folder / "logits.npy").read_bytes()
    (toy.folder / "n.txt").write_text("\n".join(str(n) for n in toy.counts))
    outcome = attempt(
        "estimate", "-", "--counts", "n.txt", "--iterate", "-o", "it.json",
        cwd=toy.folder, stdin=stream,
    )  # fmt: skip
    assert outcome.code == 3
    assert "only once" in outcome.err and "give a file" in outcome.err


@pytest.mark.parametrize("option", ["--max-rounds=5", "--allow-unconverged"])
def test_options_of_iterate_need_it(tmp_path, option):
    outcome = attempt("estimate", f"{SAMPLE}:train_logits", option, "-o", "p.json", cwd=tmp_path)
    assert outcome.code == 2
    assert "--iterate" in outcome.err


def test_iterated_priors_are_not_merged(tmp_path):
    for name in ("train", "test"):
        p2p(
            "estimate", f"{SAMPLE}:{name}_logits", "--counts", f"{SAMPLE}:counts", "--iterate",
            "-o", f"{name}.json", cwd=tmp_path,
        )  # fmt: skip
    outcome = attempt("merge", "train.json", "test.json", "-o", "both.json", cwd=tmp_path)
    assert outcome.code == 3
    assert "--iterate" in outcome.err and "estimate from all files at once" in outcome.err


def test_correct_uses_the_match_and_p2p_alike(tmp_path):
    p2p(
        "estimate", f"{SAMPLE}:train_logits", "--counts", f"{SAMPLE}:counts", "--iterate",
        "-o", "prior.json", cwd=tmp_path,
    )  # fmt: skip
    deltas = [
        p2p(
            "correct", f"{SAMPLE}:test_logits", "--prior", "prior.json", "--method", method,
            "--json", "-o", f"{method}.npy", cwd=tmp_path,
        ).json["delta"]
        for method in ("match", "p2p")
    ]  # fmt: skip
    assert deltas[0] == pytest.approx(deltas[1], abs=1e-12)
