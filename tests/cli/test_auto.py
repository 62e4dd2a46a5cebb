"""p2p correct --method auto and --strength auto."""

import numpy as np
import pytest
from harness import SAMPLE, estimate, p2p, refuse


@pytest.fixture
def halves(tmp_path, sample):
    """The sample: its prior, half of the test rows held out, the other half to correct."""
    order = np.random.default_rng(0).permutation(len(sample["test_labels"]))
    for name, rows in (("held", order[:5000]), ("few", order[:8]), ("new", order[5000:])):
        np.save(tmp_path / f"{name}.npy", sample["test_logits"][rows])
        np.save(tmp_path / f"{name}-labels.npy", sample["test_labels"][rows])
    estimate(f"{SAMPLE}:train_logits", "--counts", f"{SAMPLE}:counts", cwd=tmp_path)
    return tmp_path


def choose(folder, *args):
    return p2p("correct", "new.npy", "--prior", "prior.json", "-o", "out.npy", "--json", *args,
               cwd=folder)  # fmt: skip


HELD = ["--holdout", "held.npy", "--holdout-labels", "held-labels.npy"]


def test_auto_says_what_it_chose_and_why(halves):
    outcome = choose(halves, "--method", "auto", *HELD)
    selection = outcome.json["selection"]
    assert selection["verdict"] == "correct"
    assert outcome.json["method"] in selection["explanation"]
    assert selection["explanation"] in outcome.err


def test_auto_lowers_the_loss_of_rows_it_has_not_seen(halves):
    def nll(scores):
        return p2p("evaluate", scores, "--labels", "new-labels.npy", "--json",
                   cwd=halves).json["nll"]  # fmt: skip

    choose(halves, "--method", "auto", *HELD)
    assert nll("out.npy") < nll("new.npy") - 0.4


def test_every_candidate_is_listed_with_its_loss(halves):
    candidates = choose(halves, "--method", "auto", *HELD).json["selection"]["candidates"]
    names = [c["method"] for c in candidates]
    assert names[:4] == ["none", "empirical", "p2p", "p2p (held-out)"]
    assert all(np.isfinite(c["loss"]) for c in candidates)


def test_strength_auto_tries_shares_of_the_method(halves):
    outcome = choose(halves, "--method", "empirical", "--strength", "auto", *HELD)
    tried = [(c["method"], c["strength"]) for c in outcome.json["selection"]["candidates"]]
    assert tried == [("none", 1), *(("empirical", s) for s in (0.25, 0.5, 0.75, 1, 1.25, 1.5))]
    assert outcome.json["strength"] == 1


def test_too_few_rows_leave_the_scores_as_they_are(halves):
    outcome = choose(halves, "--method", "auto", "--holdout", "few.npy", "--holdout-labels",
                     "few-labels.npy")  # fmt: skip
    assert outcome.json["selection"]["verdict"] == "too-few-rows"
    assert outcome.json["method"] == "none"
    assert "too few rows to tell" in outcome.err
    np.testing.assert_array_equal(np.load(halves / "out.npy"), np.load(halves / "new.npy"))


def test_without_labels_it_is_p2p_and_nothing_was_checked(halves):
    outcome = choose(halves, "--method", "auto")
    assert outcome.json["method"] == "p2p"
    assert "no labelled held-out rows" in outcome.err


def test_a_strength_cannot_be_chosen_without_labels(halves):
    refuse(halves, "correct", "new.npy", "--prior", "prior.json", "-o", "out.npy", "--strength", "auto",
           code=2, words=["--strength auto needs labelled held-out scores"])  # fmt: skip


def test_a_strength_is_a_number_or_auto(halves):
    refuse(halves, "correct", "new.npy", "--prior", "prior.json", "-o", "out.npy", "--strength", "much",
           code=2, words=["--strength 'much' is neither a number nor auto"])  # fmt: skip


def test_labels_of_held_out_rows_need_their_scores(halves):
    refuse(halves, "correct", "new.npy", "--prior", "prior.json", "-o", "out.npy", "--holdout-labels",
           "held-labels.npy", code=2, words=["--holdout"])  # fmt: skip


def test_evidence_cannot_come_from_standard_input(halves):
    refuse(halves, "correct", "new.npy", "--prior", "prior.json", "-o", "out.npy", "--method", "gala",
           "--unlabelled", "-", code=2, words=["--unlabelled -"])  # fmt: skip


def test_files_that_a_method_does_not_look_at_are_named(halves):
    outcome = choose(halves, "--method", "p2p", *HELD, "--second", "new.npy")
    assert "--method p2p does not look at --holdout" in outcome.err
    assert "--method p2p does not look at --second" in outcome.err


def test_only_four_methods_estimate_a_target_for_others(halves):
    refuse(halves, "correct", "new.npy", "--prior", "prior.json", "-o", "out.npy", "--target",
           "estimated:gala", code=2, words=["estimated:em, map-em, bbse or rlls"])  # fmt: skip
