"""p2p estimate against the reference: how the model was trained, temperature, smoothing, floor,
weights, excluded classes, parts."""

import json

import numpy as np
import pytest
import reference
from harness import attempt, estimate, p2p, refuse

KEYS = {
    "format", "version", "tool_version", "n_classes", "n_rows", "classes", "rows", "input_kind",
    "temperature", "effective", "residual", "empirical", "training_offset", "log_q_stderr",
    "floored", "inputs",
}  # fmt: skip


def close(values, rel=2e-6):
    """Posteriors are computed in float32."""
    return pytest.approx(np.asarray(values).tolist(), rel=rel)


def test_the_prior_file_has_every_promised_key(prior):
    assert KEYS <= prior.keys()
    assert prior["format"] == "p2p-prior"
    assert prior["version"] == 1
    assert {"name", "shape", "sha256", "part"} <= prior["inputs"][0].keys()


def test_effective_prior(toy, prior):
    assert prior["effective"] == close(reference.effective_prior(toy.logits))
    assert sum(prior["effective"]) == pytest.approx(1, abs=1e-12)


def test_empirical_prior(toy, prior):
    assert prior["empirical"] == close(reference.normalised(toy.counts), 1e-15)


def test_no_counts_no_empirical_prior(toy):
    assert estimate("logits.npy", cwd=toy.folder)["empirical"] is None


def test_standard_errors_of_log_q(toy, prior):
    assert prior["log_q_stderr"] == close(reference.log_q_stderr(toy.logits), 1e-4)


@pytest.mark.parametrize("loss", ["ce", "la", "la:0.5", "la:2", "la:0", "balanced-softmax"])
def test_training_with_counts(toy, loss):
    found = estimate("logits.npy", "--counts", "counts.npy", "--trained-with", loss, cwd=toy.folder)
    b = reference.training_offset(loss, 5, counts=toy.counts)
    q = reference.effective_prior(toy.logits, b)
    assert found["training_offset"] == close(b, 1e-14)
    assert found["effective"] == close(q)
    assert found["residual"] == close(reference.residual_prior(q, b))


@pytest.mark.parametrize("loss", ["weights", "offset"])
def test_training_with_a_file(toy, loss):
    values = np.array([0.25, 0.5, 1, 2, 4.0])
    toy.save("v.npy", values)
    found = estimate("logits.npy", "--trained-with", f"{loss}:v.npy", cwd=toy.folder)
    b = reference.training_offset(loss, 5, values=values)
    q = reference.effective_prior(toy.logits, b)
    assert found["training_offset"] == close(b, 1e-14)
    assert found["residual"] == close(reference.residual_prior(q, b))


@pytest.mark.parametrize("loss", ["la", "la:1.5", "balanced-softmax"])
def test_losses_that_need_counts_are_refused_without(toy, loss):
    refuse(toy.folder, "estimate", "logits.npy", "--trained-with", loss, "-o", "x.json", code=2,
           words=["--trained-with", "--counts", "--labels"])  # fmt: skip


@pytest.mark.parametrize("loss", ["la", "balanced-softmax"])
def test_labels_stand_in_for_counts(toy, loss):
    by_labels = estimate(
        "logits.npy", "--labels", "labels.npy", "--trained-with", loss, cwd=toy.folder
    )
    by_counts = estimate(
        "logits.npy", "--counts", "counts.npy", "--trained-with", loss, cwd=toy.folder
    )
    assert by_labels["residual"] == by_counts["residual"]


@pytest.mark.parametrize(
    "loss", ["focal", "la:x", "la:", "weights", "weights:", "offset:", "ce:1", ""]
)
def test_an_unknown_loss_is_a_usage_error(toy, loss):
    refuse(toy.folder, "estimate", "logits.npy", "--counts", "counts.npy", "--trained-with", loss,
           "-o", "x.json", code=2, words=["--trained-with"])  # fmt: skip


@pytest.mark.parametrize("values", [[1, 2, 3], [1, 1, 0, 1, 1], [1, 1, -1, 1, 1]])
def test_bad_weights_are_refused(toy, values):
    toy.save("w.npy", np.array(values, float))
    refuse(toy.folder, "estimate", "logits.npy", "--trained-with", "weights:w.npy", "-o", "x.json",
           words=["w.npy", "5 classes" if len(values) == 3 else "class 2"])  # fmt: skip


def test_the_file_of_a_bad_offset_is_named(toy):
    toy.save("b.npy", np.array([0, -np.inf, 0, 0, 0]))
    refuse(toy.folder, "estimate", "logits.npy", "--trained-with", "offset:b.npy", "-o", "x.json",
           words=["--trained-with offset:b.npy", "class 1", "-inf"])  # fmt: skip


def test_labels_and_counts_weight_rows_to_the_training_prior(toy):
    counts = np.array([900, 500, 40, 30, 5])
    toy.save("n.npy", counts)
    found = estimate("logits.npy", "--labels", "labels.npy", "--counts", "n.npy", cwd=toy.folder)
    weights = reference.row_weights(toy.labels, counts)
    assert found["effective"] == close(reference.effective_prior(toy.logits, weights=weights))
    assert found["weighted"] is True


def test_classes_without_rows_are_listed(toy):
    kept = toy.labels != 3
    toy.save("some.npy", toy.logits[kept])
    toy.save("y.npy", toy.labels[kept])
    outcome = p2p("estimate", "some.npy", "--labels", "y.npy", "--counts", "counts.npy",
                  "-o", "x.json", "--json", cwd=toy.folder)  # fmt: skip
    assert outcome.json["uncovered"] == [3]
    assert "no row here: 3" in outcome.err


def test_a_class_without_training_images_is_left_alone_and_said(toy):
    counts = toy.counts.copy()
    counts[2] = 0
    toy.save("n.npy", counts)
    outcome = p2p("estimate", "logits.npy", "--counts", "n.npy", "-o", "x.json", cwd=toy.folder)
    assert "no training images" in outcome.err
    assert json.loads((toy.folder / "x.json").read_text())["residual"][2] is None
    found = p2p(
        "correct", "logits.npy", "--prior", "x.json", "-o", "o.npy", "--json", cwd=toy.folder
    )
    assert found.json["delta"][2] == 0


def test_a_gross_mismatch_with_the_counts_is_warned_of(toy):
    toy.save("n.npy", toy.counts[::-1].copy())
    outcome = p2p("estimate", "logits.npy", "--counts", "n.npy", "-o", "x.json", cwd=toy.folder)
    assert "warning" in outcome.err and "--labels" in outcome.err


def test_rows_that_fit_the_counts_are_not_warned_of(toy):
    outcome = p2p(
        "estimate", "logits.npy", "--counts", "counts.npy", "-o", "x.json", cwd=toy.folder
    )
    assert "warning" not in outcome.err


@pytest.mark.parametrize("temperature", [0.5, 2, 3.7])
def test_temperature(toy, temperature):
    found = estimate("logits.npy", "--temperature", temperature, cwd=toy.folder)
    assert found["temperature"] == temperature
    assert found["effective"] == close(
        reference.effective_prior(toy.logits, temperature=temperature)
    )


@pytest.mark.parametrize("smoothing", [1, 50, 1e6])
def test_smoothing_pulls_towards_the_counts(toy, smoothing):
    counts = np.array([10, 20, 30, 40, 50])
    toy.save("n.npy", counts)
    found = estimate("logits.npy", "--counts", "n.npy", "--smoothing", smoothing, cwd=toy.folder)
    q = reference.effective_prior(toy.logits, smoothing=smoothing, counts=counts)
    assert found["effective"] == close(q)


def test_smoothing_without_counts_is_a_usage_error(toy):
    refuse(toy.folder, "estimate", "logits.npy", "--smoothing", 3, "-o", "x.json", code=2,
           words=["--smoothing", "--counts"])  # fmt: skip


def test_the_floor_raises_and_lists_classes(toy):
    outcome = p2p("estimate", "logits.npy", "--floor", 0.1, "-o", "x.json", cwd=toy.folder)
    found = json.loads((toy.folder / "x.json").read_text())
    assert found["effective"] == close(reference.effective_prior(toy.logits, floor=0.1))
    assert found["floored"] == np.flatnonzero(reference.effective_prior(toy.logits) < 0.1).tolist()
    assert "floor" in outcome.err


def test_a_class_without_posterior_mass_gets_the_default_floor(toy):
    z = toy.logits.copy()
    z[:, 4] = -np.inf
    toy.save("z.npy", z)
    found = estimate("z.npy", cwd=toy.folder)
    assert found["floored"] == [4]
    assert found["effective"][4] == pytest.approx(1 / (100 * 300 * 5), rel=1e-3)
    assert found["log_q_stderr"][4] is None


@pytest.mark.parametrize(
    "option, value",
    [("--temperature", 0), ("--temperature", -1), ("--temperature", "nan"), ("--temperature", "inf"),
     ("--smoothing", -1), ("--floor", 0), ("--floor", 0.5), ("--floor", -1),
     ("--part", "0/2"), ("--part", "3/2"), ("--part", "1"), ("--part", "a/b"), ("--part", "1/0"),
     ("--rows", "test"), ("--threads", 0), ("--threads", "x"), ("--input", "scores"),
     ("--exclude", "9"), ("--exclude", "ant"), ("--class-axis", "x"), ("--ignore-index", "x")],
)  # fmt: skip
def test_an_option_out_of_range_is_a_usage_error(toy, option, value):
    outcome = attempt("estimate", "logits.npy", option, value, "--counts", "counts.npy", "-o", "x.json",
                      cwd=toy.folder)  # fmt: skip
    assert outcome.code == 2, outcome
    assert option in outcome.err or str(value) in outcome.err
    assert not (toy.folder / "x.json").exists()


@pytest.mark.parametrize("rows", ["train", "train-augmented", "holdout"])
def test_where_the_rows_come_from_is_kept(toy, rows):
    assert estimate("logits.npy", "--rows", rows, cwd=toy.folder)["rows"] == rows


def test_probabilities_and_log_probabilities_agree_with_logits(toy, prior):
    p = reference.softmax(toy.logits)
    toy.save("p.npy", p)
    toy.save("lp.npy", np.log(p))
    for name, kind in (("p.npy", "probs"), ("lp.npy", "log-probs")):
        found = estimate(name, cwd=toy.folder)
        assert found["input_kind"] == kind
        assert found["effective"] == close(prior["effective"])


@pytest.mark.parametrize("text", ["2", "cat"])
def test_excluded_classes_by_number_and_name(toy, text):
    (toy.folder / "names.txt").write_text("ant\nbee\ncat\ndog\neel\n")
    found = estimate("logits.npy", "--classes", "names.txt", "--counts", "counts.npy",
                     "--exclude", text, cwd=toy.folder)  # fmt: skip
    assert found["excluded"] == [2]
    assert found["residual"][2] is None
    corrected = p2p("correct", "logits.npy", "--prior", "prior.json", "-o", "o.npy", "--json",
                    cwd=toy.folder)  # fmt: skip
    assert corrected.json["delta"][2] == 0
    np.testing.assert_array_equal(toy.load("o.npy")[:, 2], toy.logits[:, 2])


def test_several_classes_are_excluded(toy):
    found = estimate("logits.npy", "--exclude", 3, 0, "--counts", "counts.npy", cwd=toy.folder)
    assert found["excluded"] == [0, 3]


def test_class_names_are_kept(toy):
    (toy.folder / "names.txt").write_text("ant\nbee\ncat\ndog\néléphant\n")
    found = estimate("logits.npy", "--classes", "names.txt", cwd=toy.folder)
    assert found["classes"] == ["ant", "bee", "cat", "dog", "éléphant"]


@pytest.mark.parametrize(
    "content", ["ant\nbee\n", "ant\nant\ncat\ndog\neel\n", "ant\n\ncat\ndog\neel\n"]
)
def test_bad_class_names_are_refused(toy, content):
    (toy.folder / "names.txt").write_text(content)
    refuse(toy.folder, "estimate", "logits.npy", "--classes", "names.txt", "-o", "x.json",
           words=["names.txt"])  # fmt: skip


def test_the_prior_has_the_same_bytes_on_any_number_of_threads(tmp_path):
    rng = np.random.default_rng(1)
    np.save(tmp_path / "z.npy", rng.normal(size=(30_000, 12)).astype("f4"))
    np.save(tmp_path / "y.npy", rng.integers(0, 12, 30_000))
    found = set()
    for threads in (1, 2, 7):
        p2p(
            "estimate",
            "z.npy",
            "--labels",
            "y.npy",
            "--threads",
            threads,
            "-o",
            "q.json",
            cwd=tmp_path,
        )
        found.add((tmp_path / "q.json").read_bytes())
    assert len(found) == 1


def test_the_prior_has_the_same_bytes_whenever_it_is_made(toy):
    estimate("logits.npy", "--counts", "counts.npy", cwd=toy.folder)
    first = (toy.folder / "prior.json").read_bytes()
    estimate("logits.npy", "--counts", "counts.npy", cwd=toy.folder)
    assert (toy.folder / "prior.json").read_bytes() == first


def test_the_prior_can_go_to_standard_output(toy):
    estimate("logits.npy", cwd=toy.folder)
    outcome = p2p("estimate", "logits.npy", "-o", "-", cwd=toy.folder)
    assert outcome.bytes == (toy.folder / "prior.json").read_bytes()


def test_json_names_the_facts_of_the_estimate(toy):
    found = p2p("estimate", "logits.npy", "--counts", "counts.npy", "-o", "x.json", "--json",
                cwd=toy.folder).json  # fmt: skip
    facts = {"output": "x.json", "n_rows": 300, "n_classes": 5, "input_kind": "logits",
             "temperature": 1, "floored": []}  # fmt: skip
    assert facts.items() <= {k: v for k, v in found.items()}.items()


def test_excluding_every_class_is_a_usage_error(toy):
    every = [str(c) for c in range(toy.logits.shape[1])]
    refuse(toy.folder, "estimate", "logits.npy", "-o", "x.json", "--exclude", *every, code=2,
           words=["no class is left to correct"])  # fmt: skip


def test_an_offset_too_wide_for_float64_is_a_usage_error(toy):
    offset = np.zeros(toy.logits.shape[1])
    offset[1] = 800
    np.save(toy.folder / "b.npy", offset)
    refuse(toy.folder, "estimate", "logits.npy", "--trained-with", "offset:b.npy", "-o", "x.json",
           code=2, words=["training offset", "--trained-with"])  # fmt: skip
