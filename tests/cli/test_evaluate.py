"""p2p evaluate against the reference, and its options."""

import numpy as np
import pytest
import reference
from harness import attempt, estimate, p2p, refuse

METRICS = ["accuracy", "balanced_accuracy", "macro_f1", "nll", "brier", "ece", "ece_equal_mass",
           "ece_classwise", "worst_recall", "geometric_mean"]  # fmt: skip


def evaluate(toy, *args, scores="logits.npy", labels="labels.npy"):
    return p2p("evaluate", scores, "--labels", labels, *args, "--json", cwd=toy.folder).json


def agree(found, expected):
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-6), name


def test_json_has_every_promised_key(toy):
    found = evaluate(toy, "--counts", "counts.npy")
    assert {"n_rows", "n_classes", "groups", *METRICS} <= found.keys()


def test_every_metric_agrees_with_the_reference(toy):
    agree(evaluate(toy, "--counts", "counts.npy"),
          reference.metrics(toy.logits, toy.labels, toy.counts))  # fmt: skip


@pytest.mark.parametrize("kind", ["probs", "log-probs"])
def test_metrics_do_not_depend_on_the_kind_of_scores(toy, kind):
    p = reference.softmax(toy.logits)
    toy.save("p.npy", p if kind == "probs" else np.log(p))
    agree(evaluate(toy, scores="p.npy"), reference.metrics(toy.logits, toy.labels))


def test_a_class_without_rows_is_left_out_of_the_means(toy):
    kept = toy.labels != 4
    toy.save("z.npy", toy.logits[kept])
    toy.save("y.npy", toy.labels[kept])
    found = evaluate(toy, scores="z.npy", labels="y.npy")
    agree(found, reference.metrics(toy.logits[kept], toy.labels[kept]))


def test_no_counts_no_groups(toy):
    found = evaluate(toy)
    assert found["groups"] == {}
    assert "residual_slope" not in found


def test_groups_that_are_empty_are_absent(toy):
    toy.save("n.npy", np.array([500, 400, 300, 200, 101]))
    assert evaluate(toy, "--counts", "n.npy")["groups"].keys() == {"many"}


def test_the_cut_offs_of_groups_are_as_published(toy):
    toy.save("n.npy", np.array([101, 100, 20, 19, 0]))
    found = evaluate(toy, "--counts", "n.npy")["groups"]
    recall = reference.recalls(toy.logits.argmax(1), toy.labels, 5)
    assert found["many"] == pytest.approx(recall[0])
    assert found["medium"] == pytest.approx(recall[1:3].mean())
    assert found["few"] == pytest.approx(recall[3:].mean())


def test_the_cut_offs_of_groups_can_be_moved(toy):
    found = evaluate(toy, "--counts", "counts.npy", "--many", 30, "--few", 12)["groups"]
    expected = reference.metrics(toy.logits, toy.labels, toy.counts, many=30, few=12)["groups"]
    assert found == pytest.approx(expected)


def test_cut_offs_that_overlap_are_a_usage_error(toy):
    refuse(toy.folder, "evaluate", "logits.npy", "--labels", "labels.npy", "--counts", "counts.npy",
           "--many", 5, "--few", 9, code=2, words=["few", "many"])  # fmt: skip


def test_counts_may_come_from_a_prior(toy, prior):
    assert evaluate(toy, "--prior", "prior.json") == evaluate(toy, "--counts", "counts.npy")


def test_a_prior_without_counts_is_refused(toy):
    estimate("logits.npy", cwd=toy.folder)
    refuse(toy.folder, "evaluate", "logits.npy", "--labels", "labels.npy", "--prior", "prior.json",
           words=["prior.json", "counts"])  # fmt: skip


def test_a_prior_of_another_width_is_refused_and_named(toy, prior):
    toy.save("z.npy", toy.logits[:, :4])
    toy.save("y.npy", np.minimum(toy.labels, 3))
    refuse(toy.folder, "evaluate", "z.npy", "--labels", "y.npy", "--prior", "prior.json",
           words=["prior.json", "5", "4"])  # fmt: skip


def test_counts_and_prior_together_are_a_usage_error(toy, prior):
    outcome = attempt("evaluate", "logits.npy", "--labels", "labels.npy", "--prior", "prior.json",
                      "--counts", "counts.npy", cwd=toy.folder)  # fmt: skip
    assert outcome.code == 2


def test_bootstrap_intervals_have_the_names_of_the_metrics(toy):
    found = evaluate(toy, "--counts", "counts.npy", "--bootstrap", 50)
    ci95 = found["ci95"]
    assert {*METRICS, "groups"} <= ci95.keys()
    assert ci95["groups"].keys() == found["groups"].keys()
    for name in ("accuracy", "nll", "brier"):
        low, high = ci95[name]
        assert low < found[name] < high, name


def test_no_bootstrap_no_intervals(toy):
    assert "ci95" not in evaluate(toy)


def test_bootstrap_depends_on_the_seed_alone(toy):
    runs = [evaluate(toy, "--bootstrap", 30, "--seed", seed, "--threads", threads)["ci95"]
            for seed, threads in ((0, 1), (0, 2), (0, 7), (1, 2))]  # fmt: skip
    assert runs[0] == runs[1] == runs[2] != runs[3]


def test_bootstrap_of_accuracy_is_about_as_wide_as_theory_says(toy):
    low, high = evaluate(toy, "--bootstrap", 400)["ci95"]["accuracy"]
    right = toy.logits.argmax(1) == toy.labels
    strata = [np.sum(toy.labels == c) * np.var(right[toy.labels == c]) for c in range(5)]
    width = 2 * 1.96 * np.sqrt(sum(strata)) / 300
    assert high - low == pytest.approx(width, rel=0.25)


def test_intervals_are_those_of_drawing_rows_with_replacement(toy):
    names = [*METRICS, "residual_slope"]
    rng = np.random.default_rng(3)
    of_class = [np.flatnonzero(toy.labels == c) for c in range(5)]
    drawn = []
    for _ in range(1000):
        rows = np.concatenate([rng.choice(rows, len(rows)) for rows in of_class])
        drawn.append(reference.metrics(toy.logits[rows], toy.labels[rows], toy.counts))
    found = evaluate(toy, "--counts", "counts.npy", "--bootstrap", 1000)["ci95"]
    for name in names:
        low, high = np.percentile([metrics[name] for metrics in drawn], [2.5, 97.5])
        assert found[name][1] - found[name][0] == pytest.approx(high - low, rel=0.25), name
        assert np.mean(found[name]) == pytest.approx((low + high) / 2, abs=0.2 * (high - low)), name


def test_scores_from_a_pipe_have_intervals(toy):
    piped = p2p("evaluate", "-", "--labels", "labels.npy", "--bootstrap", 30, "--json",
                cwd=toy.folder, stdin=(toy.folder / "logits.npy").read_bytes()).json  # fmt: skip
    assert piped == evaluate(toy, "--bootstrap", 30)


def test_json_has_the_same_bytes_on_any_number_of_threads(tmp_path):
    rng = np.random.default_rng(1)
    np.save(tmp_path / "z.npy", rng.normal(size=(30_000, 12)).astype("f4"))
    np.save(tmp_path / "y.npy", rng.integers(0, 12, 30_000))
    found = {p2p("evaluate", "z.npy", "--labels", "y.npy", "--threads", threads, "--json",
                 cwd=tmp_path).bytes for threads in (1, 2, 7)}  # fmt: skip
    assert len(found) == 1


def test_excluded_classes_and_their_rows_are_left_out(toy):
    found = evaluate(toy, "--exclude", 0)
    kept = toy.labels != 0
    z = toy.logits.astype("f8").copy()
    z[:, 0] = -np.inf
    assert found["n_rows"] == kept.sum()
    assert found["accuracy"] == pytest.approx(np.mean(z[kept].argmax(1) == toy.labels[kept]))


def test_confidence_one_is_in_the_last_bin(toy):
    toy.save("z.npy", np.array([[0, 1], [1, 0], [1, 0]], "f4"))
    toy.save("y.npy", np.array([1, 0, 1]))
    found = evaluate(toy, "--input", "probs", scores="z.npy", labels="y.npy")
    assert found["ece"] == pytest.approx(1 / 3)


def test_clipped_rows_are_counted(toy):
    toy.save("z.npy", np.array([[0, 1000], [0, 1000], [0, 1]], "f4"))
    toy.save("y.npy", np.array([0, 1, 0]))
    found = evaluate(toy, scores="z.npy", labels="y.npy")
    assert found["n_clipped"] == 1
    assert found["nll"] == pytest.approx((-np.log(1e-38) + np.log(1 + np.e)) / 3, rel=1e-6)


def test_people_get_a_table_in_percent(toy):
    text = p2p("evaluate", "logits.npy", "--labels", "labels.npy", cwd=toy.folder).out
    accuracy = 100 * np.mean(toy.logits.argmax(1) == toy.labels)
    line = next(line for line in text.splitlines() if line.startswith("accuracy"))
    assert line.split() == ["accuracy", f"{accuracy:.2f}", "%"]


def test_labels_are_required(toy):
    outcome = attempt("evaluate", "logits.npy", cwd=toy.folder)
    assert outcome.code == 2 and "--labels" in outcome.err
