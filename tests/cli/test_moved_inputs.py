"""p2p inspect --unlabelled: whether the inputs have moved, or a label shift explains the rows."""

import json

import numpy as np
import pytest
import reference
import reference_inputs
from harness import attempt, estimate, p2p, refuse

PI = np.array([0.6, 0.25, 0.1, 0.05])


def score(labels, rng, sharpness=1.0):
    """Logits of four Gaussian classes; sharpness below 1: inputs that were pulled together."""
    x = sharpness * (2 * np.eye(4)[labels] + rng.normal(size=(len(labels), 4)))
    return 2 * x + np.log(PI)


class Rows:
    """A prior of 2,000 training rows, 400 labelled held-out rows, and unlabelled rows."""

    def __init__(self, toy, seed=0):
        self.toy, self.rng = toy, np.random.default_rng(seed)
        toy.save("train.npy", score(self.draw(2000, PI), self.rng))
        toy.save("n.npy", 2000 * PI)
        self.held_out = np.repeat(np.arange(4), [240, 100, 40, 20])
        toy.save("h.npy", score(self.held_out, self.rng))
        toy.save("h-labels.npy", self.held_out)
        estimate("train.npy", "--counts", "n.npy", cwd=toy.folder)

    def draw(self, rows, shares):
        return self.rng.choice(4, rows, p=shares)

    def unlabelled(self, rows=2000, shares=(0.25, 0.25, 0.25, 0.25), sharpness=1.0):
        scores = score(self.draw(rows, shares), self.rng, sharpness)
        self.toy.save("u.npy", scores)
        return scores

    def inspect(self, *args):
        return p2p("inspect", "prior.json", "--unlabelled", "u.npy", *args, "--json",
                   cwd=self.toy.folder).json["inputs"]  # fmt: skip

    def judged(self, *args):
        return self.inspect("--holdout", "h.npy", "--holdout-labels", "h-labels.npy", *args)


@pytest.fixture
def rows(toy):
    return Rows(toy)


def agree(found, expected):
    for name, (measured, difference, low, high) in zip(("confidence", "entropy"), expected):
        statistic = found[name]
        assert statistic["measured"] == pytest.approx(measured, abs=1e-6), name
        assert statistic["difference"] == pytest.approx(difference, abs=1e-5), name
        assert statistic["expected"] == pytest.approx(measured - difference, abs=1e-5), name
        assert statistic["ci95"] == pytest.approx([low, high], abs=1e-4), name


@pytest.mark.parametrize("sharpness", [1.0, 0.8])
def test_statistics_and_intervals_agree_with_the_reference(rows, sharpness):
    u = rows.unlabelled(700, sharpness=sharpness)
    found = rows.judged()
    agree(found, reference_inputs.compare(rows.toy.load("h.npy"), rows.held_out, u,
                                          np.array(found["label_shift"])))  # fmt: skip
    assert (found["n_rows"], found["n_held_out"]) == (700, 400)


def test_classes_of_few_rows_are_judged_together(rows):
    u = rows.unlabelled(500)
    kept = np.r_[0:350, 380:382, 340:343]  # 240, 100, 13 and 2 rows; the last joins the third
    labels = rows.held_out[kept]
    rows.toy.save("h-labels.npy", labels)
    rows.toy.save("h.npy", rows.toy.load("h.npy")[kept])
    found = rows.judged()
    agree(found, reference_inputs.compare(rows.toy.load("h.npy"), labels, u,
                                          np.array(found["label_shift"])))  # fmt: skip


def test_the_offset_and_the_temperature_of_the_prior_are_used(rows):
    estimate("train.npy", "--counts", "n.npy", "--trained-with", "la:0.5", "--temperature", "1.3",
             cwd=rows.toy.folder)  # fmt: skip
    u = rows.unlabelled(300)
    found = rows.judged()
    agree(found, reference_inputs.compare(
        rows.toy.load("h.npy"), rows.held_out, u, np.array(found["label_shift"]),
        0.5 * np.log(PI), 1.3))  # fmt: skip


def test_a_label_shift_is_no_move(rows):
    for shares in ([0.25] * 4, PI, [0, 0.5, 0.5, 0]):
        rows.unlabelled(shares=shares)
        found = rows.judged()
        assert found["verdict"] == "label-shift-explains", found
        low, high = found["confidence"]["ci95"]
        said = f"change the confidence by {(high - low) / 2:.3f} would show in half of the cases"
        assert said in found["explanation"]
        assert np.abs(np.array(found["label_shift"]) - shares).sum() / 2 < 0.06


@pytest.mark.parametrize("sharpness", [0.6, 1.4])
def test_moved_inputs_are_found_and_what_to_do_is_said(rows, sharpness):
    rows.unlabelled(sharpness=sharpness)
    found = rows.judged()
    assert found["verdict"] == "inputs-moved"
    assert (found["confidence"]["difference"] < 0) == (sharpness < 1)
    assert (found["entropy"]["difference"] > 0) == (sharpness < 1)
    assert "--match-to target" in found["explanation"]


def test_false_alarms_are_at_most_five_in_a_hundred(toy):
    rows, alarms = Rows(toy), 0
    for _ in range(60):
        toy.save("h.npy", score(rows.held_out, rows.rng))
        rows.unlabelled(400, shares=rows.rng.dirichlet(np.ones(4)))
        alarms += rows.judged()["verdict"] == "inputs-moved"
    assert alarms <= 7  # of 60: beyond it with a probability below 1 % if the rate is 5 %


def test_without_labels_nobody_can_tell(rows):
    rows.unlabelled(sharpness=0.6)
    found = rows.inspect()
    assert found["verdict"] == "unknown"
    assert found["confidence"] is None and found["entropy"] is None and found["n_held_out"] == 0
    assert "label shift" in found["explanation"] and "--holdout" in found["explanation"]


def test_the_distance_from_the_prior_has_an_interval_with_the_noise_of_both(rows):
    u = rows.unlabelled(500)
    found = rows.inspect()
    stored = json.loads((rows.toy.folder / "prior.json").read_text())
    q = np.array(stored["effective"])
    p = reference.softmax(u)
    mean = p.mean(axis=0)
    assert found["mean_posterior"] == pytest.approx(mean.tolist(), abs=1e-7)
    assert found["tv"] == pytest.approx(abs(mean - q).sum() / 2, abs=1e-7)
    own = mean * reference.log_q_stderr(u)
    error = np.hypot(own, q * np.array(stored["log_q_stderr"]))
    expected = reference.tv_interval(mean, q, error, 500)
    assert found["tv_ci95"] == pytest.approx(expected, abs=1e-6)


def test_the_label_shift_is_that_of_em(rows):
    u = rows.unlabelled(500)
    shift = rows.inspect()["label_shift"]
    q = np.array(json.loads((rows.toy.folder / "prior.json").read_text())["effective"])
    expected = reference_inputs.expectation_maximisation(reference.softmax(u), q)
    assert rows.inspect()["label_shift_converged"] is True
    assert shift == pytest.approx(expected.tolist(), abs=1e-5)


def test_a_label_shift_that_em_did_not_settle_on_is_said(toy):
    """Ten classes, some of which hardly differ from one another: p2p correct refuses this em."""
    rng = np.random.default_rng(1)
    scale = np.geomspace(0.003, 3, 10)
    labels = rng.choice(10, 1000, p=rng.dirichlet(np.ones(10)))
    known = rng.choice(10, 600)
    for name, y in (("u.npy", labels), ("h.npy", known)):
        toy.save(name, scale**2 * np.eye(10)[y] + scale * rng.normal(size=(len(y), 10)))
    toy.save("n.npy", np.full(10, 60))
    estimate("h.npy", "--input", "logits", "--counts", "n.npy", cwd=toy.folder)
    given = ("--input", "logits", "--unlabelled", "u.npy")
    refuse(toy.folder, "correct", "u.npy", "--prior", "prior.json", "--method", "em", *given,
           "-o", "c.npy", words=["did not converge"])  # fmt: skip
    outcome = p2p("inspect", "prior.json", *given, "--json", cwd=toy.folder)
    assert outcome.json["inputs"]["label_shift_converged"] is False
    (sentence,) = [w for w in outcome.json["inputs"]["warnings"] if "converge" in w]
    assert f"the label shift: {sentence}" in outcome.err


def test_a_label_shift_no_better_than_chance_is_said(rows):
    rows.toy.save("u.npy", rows.toy.load("train.npy"))  # q is that of these very rows
    assert any("source prior" in warning for warning in rows.inspect()["warnings"])
    rows.unlabelled()
    assert not any("source prior" in warning for warning in rows.inspect()["warnings"])


def test_few_held_out_rows_of_the_classes_that_matter_are_said(rows):
    rows.unlabelled(shares=PI[::-1])  # 60 % are of a class with 20 held-out rows
    found = rows.judged()
    assert found["verdict"] == "unknown" and "labelled held-out rows" in found["explanation"]


def test_few_rows_are_said(rows):
    rows.unlabelled(4)
    found = rows.judged()
    assert found["verdict"] == "unknown" and "too few" in found["explanation"]
    rows.unlabelled(12)
    found = rows.judged()
    assert found["verdict"] == "unknown" and "Too few rows" in found["explanation"]


def test_a_class_without_held_out_rows_leaves_it_open(rows):
    rows.unlabelled()
    rows.toy.save("h-labels.npy", rows.held_out[:340])  # of classes 0 and 1 alone
    rows.toy.save("h.npy", rows.toy.load("h.npy")[:340])
    found = rows.judged()
    assert found["verdict"] == "unknown" and "2, 3" in found["explanation"]


def test_rows_of_an_ignored_label_are_left_out(rows):
    rows.unlabelled(300)
    plain = rows.judged()
    labels = np.r_[rows.held_out, [255] * 7]
    h = rows.toy.load("h.npy")
    rows.toy.save("h.npy", np.r_[h, 50 * np.eye(4)[[0] * 7]])
    rows.toy.save("h-labels.npy", labels)
    assert rows.judged("--ignore-index", "255")["confidence"] == pytest.approx(plain["confidence"])


def test_probabilities_and_logits_say_the_same(rows):
    rows.unlabelled(300)
    logits = rows.judged()
    for name in ("u", "h"):
        rows.toy.save(f"{name}.npy", reference.softmax(rows.toy.load(f"{name}.npy")))
    probs = rows.judged()
    for key in ("measured", "difference", "ci95"):
        assert probs["entropy"][key] == pytest.approx(logits["entropy"][key], abs=1e-5)


def test_a_prior_without_counts_and_one_with_excluded_classes(rows):
    rows.unlabelled(sharpness=0.6)
    for args in ([], ["--counts", "n.npy", "--exclude", "3"]):
        estimate("train.npy", *args, cwd=rows.toy.folder)
        assert rows.judged()["verdict"] == "inputs-moved"


def test_a_pooled_prior_leaves_the_unlabelled_rows_as_they_are(rows):
    u = rows.unlabelled(300)
    plain = rows.judged()
    stored = estimate("train.npy", "--counts", "n.npy", "--pool", cwd=rows.toy.folder)
    found = rows.judged()
    mean = reference.softmax(u).mean(axis=0)
    assert found["mean_posterior"] == plain["mean_posterior"] == pytest.approx(mean, abs=1e-7)
    tv = np.abs(mean - stored["effective"]).sum() / 2
    assert found["tv"] == pytest.approx(tv, abs=1e-7)
    assert found["tv_ci95"] is None
    alone = rows.inspect()
    assert "no interval, because the stored prior is pooled" in alone["explanation"]


def test_missing_parts_are_warned_of(rows):
    rows.unlabelled(100)
    rows.toy.save("train.npy", np.tile(rows.toy.load("train.npy"), (3, 1)))
    estimate("train.npy", "--counts", "n.npy", "--part", "1/2", cwd=rows.toy.folder)
    outcome = attempt("inspect", "prior.json", "--unlabelled", "u.npy", cwd=rows.toy.folder)
    assert outcome.code == 0 and "the prior is incomplete" in outcome.err


def test_threads_do_not_change_the_result(rows):
    rows.unlabelled(9000)
    assert rows.judged("--threads", "1") == rows.judged("--threads", "4")


def test_the_text_names_verdict_and_label_shift(rows):
    rows.unlabelled()
    text = p2p("inspect", "prior.json", "--unlabelled", "u.npy", "--holdout", "h.npy",
               "--holdout-labels", "h-labels.npy", cwd=rows.toy.folder).out  # fmt: skip
    assert "inputs: label-shift-explains" in text
    assert "2000 unlabelled rows, 400 labelled held-out rows" in text
    assert "class frequencies that fit these rows best" in text


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--holdout", "h.npy", "--holdout-labels", "h-labels.npy"], ["--unlabelled"]),
        (["--unlabelled", "u.npy", "--holdout", "h.npy"], ["--holdout-labels", "together"]),
        (["--unlabelled", "u.npy", "--holdout-labels", "h-labels.npy"], ["--holdout", "together"]),
        (["--unlabelled", "-"], ["--unlabelled", "file"]),
    ],
)
def test_inputs_that_do_not_go_together_are_refused(rows, args, words):
    rows.unlabelled(100)
    refuse(rows.toy.folder, "inspect", "prior.json", *args, code=2, words=words)


def test_scores_of_another_model_are_refused(rows):
    rows.toy.save("u.npy", np.zeros((10, 3)) - [1, 2, 4])
    refuse(
        rows.toy.folder, "inspect", "prior.json", "--unlabelled", "u.npy", words=["3 classes", "4"]
    )


def test_what_the_options_do_not_mean_here_is_said(rows):
    rows.unlabelled(100)
    outcome = attempt("inspect", "prior.json", "--unlabelled", "u.npy", "--ignore-index", "9",
                      "--exclude", "1", cwd=rows.toy.folder)  # fmt: skip
    assert outcome.code == 0
    assert "--ignore-index is not looked at" in outcome.err
    assert "--exclude is not looked at" in outcome.err
