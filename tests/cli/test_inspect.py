"""p2p inspect: distances, verdicts and their sentences."""

import numpy as np
import pytest
import reference
from harness import attempt, estimate, p2p, refuse


def inspect(toy, *args):
    return p2p("inspect", "prior.json", *args, "--json", cwd=toy.folder).json


def test_json_has_every_promised_key(toy, prior):
    found = inspect(toy, "--scores", "logits.npy", "--labels", "labels.npy")
    promised = {"tv", "kl", "spearman", "max_ratio", "gap", "residual_slope", "balance"}
    assert promised <= found.keys()
    assert {"value", "ci95"} <= found["residual_slope"].keys()
    assert len(found["residual_slope"]["ci95"]) == 2
    assert "verdict" in found["gap"] and "verdict" in found["balance"]


def test_distances_agree_with_the_reference(toy, prior):
    found = inspect(toy)
    q, pi = np.array(prior["effective"]), np.array(prior["empirical"])
    for name, value in reference.distances(q, pi).items():
        assert found[name] == pytest.approx(value, rel=1e-9), name


def test_the_interval_of_tv_agrees_with_the_reference(toy, prior):
    q, pi, n = np.array(prior["effective"]), np.array(prior["empirical"]), prior["n_rows"]
    expected = reference.tv_interval(q, pi, q * np.array(prior["log_q_stderr"]), n)
    assert inspect(toy)["tv_ci95"] == pytest.approx(expected, abs=1e-7)


def test_few_rows_cannot_tell_a_gap(toy):
    """200 rows that are drawn from pi itself are off by more than 0.02, by chance alone."""
    rng = np.random.default_rng(3)
    pi = np.array([0.5, 0.2, 0.15, 0.1, 0.05])
    toy.save("few.npy", (9 * np.eye(5)[rng.choice(5, 200, p=pi)]).astype("f4"))
    toy.save("n.npy", 1000 * pi)
    estimate("few.npy", "--counts", "n.npy", "--input", "logits", cwd=toy.folder)
    found = inspect(toy)
    assert found["tv"] > 0.02
    assert found["tv_ci95"][0] == 0
    assert found["gap"]["verdict"] == "unknown"
    assert "too few rows" in found["gap"]["explanation"]


def test_no_gap_below_the_threshold(toy):
    q = estimate("logits.npy", cwd=toy.folder)["effective"]
    toy.save("n.npy", np.array(q))
    estimate("logits.npy", "--counts", "n.npy", cwd=toy.folder)
    found = inspect(toy)
    assert found["tv"] < 0.02
    assert found["gap"]["verdict"] == "no-gap"


def test_a_gap_above_the_threshold(toy):
    toy.save("n.npy", np.array([100, 100, 100, 100, 100]))
    estimate("logits.npy", "--counts", "n.npy", cwd=toy.folder)
    assert inspect(toy)["gap"]["verdict"] == "gap"


def test_the_gap_is_unknown_without_counts(toy):
    estimate("logits.npy", cwd=toy.folder)
    found = inspect(toy)
    assert found["gap"]["verdict"] == "unknown"
    assert found["tv"] is None


def test_the_residual_slope_agrees_with_the_reference(toy, prior):
    found = inspect(toy, "--scores", "logits.npy", "--labels", "labels.npy")["residual_slope"]
    assert found["value"] == pytest.approx(
        reference.residual_slope(toy.logits, toy.labels, toy.counts), abs=1e-6
    )
    assert found["ci95"][0] < found["value"] < found["ci95"][1]


def test_raw_scores_of_a_long_tail_are_head_biased(toy, prior):
    found = inspect(toy, "--scores", "logits.npy", "--labels", "labels.npy")
    assert found["balance"]["verdict"] == "head-biased"


def test_balance_is_unknown_without_counts(toy):
    estimate("logits.npy", cwd=toy.folder)
    found = inspect(toy, "--scores", "logits.npy", "--labels", "labels.npy")
    assert found["balance"]["verdict"] == "unknown"


def test_balance_is_unknown_when_all_counts_are_equal(toy):
    toy.save("n.npy", np.full(5, 60))
    estimate("logits.npy", "--counts", "n.npy", cwd=toy.folder)
    found = inspect(toy, "--scores", "logits.npy", "--labels", "labels.npy")
    assert found["balance"]["verdict"] == "unknown"


def test_without_scores_there_is_no_balance(toy, prior):
    assert "balance" not in inspect(toy)


@pytest.mark.parametrize("given", [["--scores", "logits.npy"], ["--labels", "labels.npy"]])
def test_scores_and_labels_go_together(toy, prior, given):
    refuse(toy.folder, "inspect", "prior.json", *given, code=2, words=["--scores", "--labels"])


def test_the_temperature_of_the_prior_is_used(toy):
    estimate("logits.npy", "--counts", "counts.npy", "--temperature", 2, cwd=toy.folder)
    found = inspect(toy, "--scores", "logits.npy", "--labels", "labels.npy")
    expected = reference.residual_slope(toy.logits / 2, toy.labels, toy.counts)
    assert found["residual_slope"]["value"] == pytest.approx(expected, abs=1e-6)


def test_the_interval_depends_on_the_seed_alone(toy, prior):
    scores = ("--scores", "logits.npy", "--labels", "labels.npy")
    runs = [inspect(toy, *scores, "--seed", seed, "--threads", threads)["residual_slope"]
            for seed, threads in ((0, 1), (0, 2), (0, 7), (1, 1))]  # fmt: skip
    assert runs[0] == runs[1] == runs[2]
    assert runs[0]["ci95"] != runs[3]["ci95"]


def test_the_most_over_and_under_believed_classes_are_named(toy):
    (toy.folder / "names.txt").write_text("ant\nbee\ncat\ndog\neel\n")
    prior = estimate(
        "logits.npy", "--classes", "names.txt", "--counts", "counts.npy", cwd=toy.folder
    )
    ratio = np.array(prior["effective"]) / prior["empirical"]
    found = inspect(toy)
    assert found["over_believed"][0]["class"] == ratio.argmax()
    assert found["over_believed"][0]["name"] == prior["classes"][ratio.argmax()]
    assert found["under_believed"][0]["class"] == ratio.argmin()


def test_each_verdict_has_a_sentence_for_people(toy, prior):
    text = p2p("inspect", "prior.json", "--scores", "logits.npy", "--labels", "labels.npy",
               cwd=toy.folder).out  # fmt: skip
    assert "gap: " in text and "total variation" in text
    assert "balance: head-biased" in text and "favour frequent classes" in text


def test_scores_of_another_width_are_refused(toy, prior):
    toy.save("z.npy", toy.logits[:, :4])
    refuse(toy.folder, "inspect", "prior.json", "--scores", "z.npy", "--labels", "labels.npy",
           words=["prior.json", "5 classes", "4"])  # fmt: skip


def test_labels_are_looked_at_even_without_counts(toy):
    estimate("logits.npy", cwd=toy.folder)
    outcome = attempt("inspect", "prior.json", "--scores", "logits.npy", "--labels", "no.npy",
                      cwd=toy.folder)  # fmt: skip
    assert outcome.code == 3
    assert "no.npy" in outcome.err
