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
    assert all(np.isfinite(c["objectives"]["nll"]["value"]) for c in candidates)


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


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def macro_f1(labels, predicted, weight):
    """Over classes in labels or predictions, rows counting `weight` times."""
    scores = []
    for c in np.union1d(labels, predicted):
        hits = weight[(labels == c) & (predicted == c)].sum()
        scores.append(2 * hits / (weight[labels == c].sum() + weight[predicted == c].sum()))
    return np.mean(scores)


def measures(z, labels):
    """What each objective says of every row, so that the mean in each class, weighted by its class
    weights, is the objective (macro-F1: to first order, by finite differences)."""
    predicted = z.argmax(1)
    hit = (predicted == labels).astype(float)
    ones, n, step = np.ones(len(labels)), len(labels), 1e-6
    f1 = macro_f1(labels, predicted, ones)
    influence = np.empty(n)
    groups = {}  # rows of the same label and prediction have the same influence
    for i, pair in enumerate(zip(labels, predicted, strict=True)):
        if pair not in groups:
            moved = ones.copy()
            moved[i] += step
            groups[pair] = n * (macro_f1(labels, predicted, moved) - f1) / step
        influence[i] = groups[pair]
    return {"nll": np.log(softmax(z)[np.arange(n), labels]), "accuracy": hit,
            "balanced-accuracy": hit, "macro-f1": f1 + influence}  # fmt: skip


def stratified(values, labels, weights):
    """Weighted mean of class means and its standard error."""
    weights = weights / weights.sum()
    parts = [values[labels == c] for c in range(len(weights))]
    return (sum(w * part.mean() for w, part in zip(weights, parts, strict=True)),
            np.sqrt(sum(w * w * part.var(ddof=1) / len(part)
                        for w, part in zip(weights, parts, strict=True))))  # fmt: skip


class LongTail:
    """Scores that carry the long tail, of training rows and of held-out rows that follow it too."""

    counts = np.array([4000, 1500, 500, 150])

    def __init__(self, folder):
        self.folder = folder
        self.random = np.random.default_rng(7)
        np.save(folder / "train.npy", self.draw(self.counts)[0])
        self.scores, self.labels = self.draw(self.counts // 2)
        np.save(folder / "held.npy", self.scores)
        np.save(folder / "held-labels.npy", self.labels)
        np.save(folder / "new.npy", self.scores[:50])
        np.save(folder / "counts.npy", self.counts)

    def draw(self, rows):
        labels = np.repeat(np.arange(len(rows)), rows)
        x = 1.5 * np.eye(len(rows))[labels] + self.random.normal(size=(len(labels), len(rows)))
        return 1.5 * x + np.log(self.counts / self.counts.sum()), labels

    def estimate(self, *args):
        return estimate("train.npy", "--counts", "counts.npy", *args, cwd=self.folder)


@pytest.fixture
def long_tail(tmp_path):
    return LongTail(tmp_path)


def test_every_objective_has_its_value_and_paired_error(long_tail):
    r = np.asarray(long_tail.estimate()["residual"])
    selection = choose(long_tail.folder, "--method", "auto", "--max-group-loss", 1,
                       *HELD).json["selection"]  # fmt: skip
    judged = next(c for c in selection["candidates"] if c["method"] == "p2p")["objectives"]
    z, y = long_tail.scores, long_tail.labels
    before, after = measures(z, y), measures(z - np.log(r), y)
    rows = np.bincount(y)
    weights = {"nll": np.ones(4), "accuracy": rows, "balanced-accuracy": np.ones(4),
               "macro-f1": rows}  # fmt: skip
    for name, found in judged.items():
        value, _ = stratified(after[name], y, weights[name])
        gain, error = stratified(after[name] - before[name], y, weights[name])
        sign = -1 if name == "nll" else 1
        assert found["value"] == pytest.approx(sign * value, abs=1e-6), name
        assert found["gain"] == pytest.approx(gain, abs=1e-6), name
        assert found["gain_stderr"] == pytest.approx(error, abs=1e-6), name


def test_the_error_of_macro_f1_is_that_of_drawing_rows_anew(long_tail):
    r = np.asarray(long_tail.estimate()["residual"])
    selection = choose(long_tail.folder, "--method", "auto", *HELD).json["selection"]
    judged = next(c for c in selection["candidates"] if c["method"] == "p2p")["objectives"]
    z, y = long_tail.scores, long_tail.labels
    differences = []
    for _ in range(400):  # stratified bootstrap
        weight = np.concatenate([
            np.bincount(long_tail.random.integers(0, m, m), minlength=m).astype(float)
            for m in np.bincount(y)
        ])  # fmt: skip
        differences.append(macro_f1(y, (z - np.log(r)).argmax(1), weight)
                           - macro_f1(y, z.argmax(1), weight))  # fmt: skip
    assert judged["macro-f1"]["gain_stderr"] == pytest.approx(np.std(differences), rel=0.15)


def test_nll_and_accuracy_that_disagree_are_said(long_tail):
    long_tail.estimate()
    outcome = choose(long_tail.folder, "--method", "auto", "--max-group-loss", 1, *HELD)
    assert outcome.json["selection"]["verdict"] == "correct"
    z, y = long_tail.scores, long_tail.labels
    assert f"the accuracy of the rows as they are goes from {np.mean(z.argmax(1) == y):.4g}" in outcome.err
    assert "objectives disagree" in outcome.err


def test_an_objective_that_every_correction_lowers_leaves_the_scores_alone(long_tail):
    long_tail.estimate()
    outcome = choose(long_tail.folder, "--method", "p2p", "--strength", "auto", "--objective", "accuracy",
                     "--max-group-loss", 1, *HELD)  # fmt: skip
    assert outcome.json["selection"]["objective"] == "accuracy"
    assert outcome.json["method"] == "none"


def test_the_strength_is_that_of_the_best_macro_f1(long_tail):
    r = np.asarray(long_tail.estimate()["residual"])
    outcome = choose(long_tail.folder, "--method", "p2p", "--strength", "auto", "--objective", "macro-f1",
                     "--max-group-loss", 1, *HELD)  # fmt: skip
    y = long_tail.labels
    f1 = {a: macro_f1(y, (long_tail.scores - a * np.log(r)).argmax(1), np.ones(len(y)))
          for a in (0, 0.25, 0.5, 0.75, 1, 1.25, 1.5)}  # fmt: skip
    assert f1[1] < f1[0] < f1[outcome.json["strength"]]
    for c in outcome.json["selection"]["candidates"][1:]:
        assert c["objectives"]["macro-f1"]["value"] == pytest.approx(f1[c["strength"]], abs=1e-9)


def test_a_group_may_lose_five_points_unless_more_is_asked_for(long_tail):
    r = np.asarray(long_tail.estimate()["residual"])
    z, y = long_tail.scores, long_tail.labels
    recalls = [np.mean(x.argmax(1)[y == c] == c)
               for c in range(4) for x in (z, z - np.log(r))]  # fmt: skip
    many = [np.mean(recalls[k::2]) for k in (0, 1)]  # all classes have more than 100 images
    assert many[1] > many[0]
    outcome = choose(long_tail.folder, "--method", "auto", *HELD)
    assert outcome.json["method"] != "none"
    np.save(long_tail.folder / "counts.npy", [4000, 50, 50, 50])  # only class 0 is many
    long_tail.estimate()
    refused = choose(long_tail.folder, "--method", "p2p", "--strength", "auto", *HELD)
    full = next(c for c in refused.json["selection"]["candidates"] if c["strength"] == 1
                and c["method"] == "p2p")  # fmt: skip
    assert recalls[0] - 0.05 > full["many"]
    assert "the recall of many falls" in full["excluded"]
    assert "the best was left out" in refused.err


def test_towards_the_training_prior_class_weights_are_undone(tmp_path):
    # A binary model with class weights 1 / n_c: its scores are the balanced posterior.
    random = np.random.default_rng(3)
    rows = np.array([3600, 400])
    y = np.repeat([0, 1], rows)
    z = 1.5 * (1.5 * np.eye(2)[y] + random.normal(size=(len(y), 2)))
    np.save(tmp_path / "held.npy", z)
    np.save(tmp_path / "held-labels.npy", y)
    np.save(tmp_path / "new.npy", z)
    np.save(tmp_path / "counts.npy", rows)
    np.save(tmp_path / "w.npy", 1 / rows)
    estimate("held.npy", "--counts", "counts.npy", "--trained-with", "weights:w.npy", cwd=tmp_path)

    def nll(scores):
        return -np.mean(np.log(softmax(scores)[np.arange(len(y)), y]))

    full = p2p("correct", "new.npy", "--prior", "prior.json", "--target", "empirical", "-o", "full.npy",
               "--json", cwd=tmp_path)  # fmt: skip
    assert full.json["method"] == "p2p"
    for args in (["--method", "auto"], ["--strength", "auto"]):
        choose(tmp_path, *args, "--target", "empirical", *HELD)
        assert nll(np.load(tmp_path / "out.npy")) <= nll(np.load(tmp_path / "full.npy")) + 0.005
    # Nearly the Bayes posterior softmax(z + log pi).
    assert nll(np.load(tmp_path / "full.npy")) == pytest.approx(nll(z + np.log(rows)), abs=0.01)


def test_bad_data_of_a_candidate_is_bad_data(halves):
    rows = np.load(halves / "new.npy")[:20]
    rows[7, 2] = np.nan
    np.save(halves / "target.npy", rows)
    for args in (["--method", "auto", *HELD], ["--method", "match", "--match-to", "target"]):
        refuse(halves, "correct", "new.npy", "--prior", "prior.json", "-o", "out.npy", *args,
               "--unlabelled", "target.npy", code=3, words=["target.npy", "row 7", "NaN"])  # fmt: skip
    refuse(halves, "compare", "--prior", "prior.json", "--unlabelled", "target.npy", "--test", "new.npy",
           "--test-labels", "new-labels.npy", "--bootstrap", "0", code=3,
           words=["target.npy", "row 7", "NaN"])  # fmt: skip


def test_strength_zero_is_the_identity_for_auto_too(halves):
    outcome = choose(halves, "--method", "auto", "--strength", "0", *HELD)
    assert outcome.json["method"] == "none" and outcome.json["temperature"] == 1
    assert outcome.json["selection"]["candidates"] == []
    assert "--strength 0, the identity, does not look at --holdout" in outcome.err
    np.testing.assert_array_equal(np.load(halves / "out.npy"), np.load(halves / "new.npy"))


def test_a_match_of_the_estimate_says_that_it_leaves_held_out_rows_aside(long_tail):
    long_tail.estimate("--iterate")
    outcome = choose(long_tail.folder, "--method", "match", *HELD)
    assert "--method match does not look at --holdout" in outcome.err
    assert "iterated" in outcome.err


@pytest.mark.parametrize("args, words", [
    (["--tau", 2], "--method p2p does not look at --tau"),
    (["--eps", 0.1], "--method p2p does not look at --eps"),
    (["--confusion", "hard"], "--method p2p does not look at --confusion"),
    (["--match-to", "target"], "--method p2p does not look at --match-to"),
    (["--max-rounds", 7], "--method p2p does not look at --max-rounds"),
    (["--allow-unconverged"], "--method p2p does not look at --allow-unconverged"),
    (["--folds", 3], "--folds"),
    (["--max-group-loss", 0.2], "--max-group-loss"),
    (["--objective", "accuracy"], "--objective"),
    (["--method", "none", "--target", "empirical"], "--method none does not look at --target"),
    (["--method", "auto", "--unlabelled", "new.npy"], "--method auto does not look at --unlabelled"),
    (["--method", "auto", "--objective", "accuracy"], "labelled held-out rows"),
    (["--ignore-index", 255], "--ignore-index is a value of labels"),
])  # fmt: skip
def test_what_is_given_and_not_looked_at_is_said(long_tail, args, words):
    long_tail.estimate()
    assert words in choose(long_tail.folder, *args).err


def test_nothing_is_said_of_what_is_looked_at(long_tail):
    long_tail.estimate()
    for args in (["--method", "auto", *HELD, "--unlabelled", "new.npy", "--tau", 2, "--folds", 3],
                 ["--method", "em", "--unlabelled", "new.npy", *HELD, "--max-rounds", 900],
                 ["--method", "match", "--holdout", "held.npy"]):  # fmt: skip
        assert "look" not in choose(long_tail.folder, *args).err


def test_an_objective_is_one_of_four(long_tail):
    long_tail.estimate()
    refuse(long_tail.folder, "correct", "new.npy", "--prior", "prior.json", "-o", "out.npy", "--objective",
           "f1", code=2, words=["'f1'", "nll, accuracy, balanced-accuracy or macro-f1"])  # fmt: skip
