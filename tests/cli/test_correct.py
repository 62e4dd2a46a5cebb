"""p2p correct against the reference: methods, targets, strength, kinds of output."""

import json

import numpy as np
import pytest
import reference
from harness import estimate, p2p, refuse


def correct(toy, *args, output="out.npy", scores="logits.npy"):
    p2p("correct", scores, "--prior", "prior.json", *args, "-o", output, cwd=toy.folder)
    return toy.load(output)


def delta(toy, *args):
    found = p2p("correct", "logits.npy", "--prior", "prior.json", *args, "-o", "out.npy", "--json",
                cwd=toy.folder).json["delta"]  # fmt: skip
    return np.array([-np.inf if d is None else d for d in found])


def q_of(toy):
    return reference.effective_prior(toy.logits)


def test_p2p_divides_the_effective_prior_out(toy, prior):
    expected = toy.logits + reference.log_offset(q_of(toy))
    np.testing.assert_allclose(correct(toy), expected, atol=5e-6)


def test_p2p_is_the_default_method(toy, prior):
    np.testing.assert_array_equal(correct(toy), correct(toy, "--method", "p2p", output="b.npy"))


def test_the_head_class_loses(toy, prior):
    found = delta(toy)
    assert found.argmin() == 0 and found[0] < 0 < found[4]


def test_the_offset_has_mean_zero(toy, prior):
    assert delta(toy).mean() == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("tau", [None, 0.5, 1, 2])
def test_empirical(toy, prior, tau):
    options = [] if tau is None else ["--tau", tau]
    expected = reference.log_offset(reference.empirical_residual(toy.counts, tau=tau or 1))
    np.testing.assert_allclose(delta(toy, "--method", "empirical", *options), expected, atol=1e-12)


@pytest.mark.parametrize("loss", ["la", "la:0.5", "balanced-softmax"])
@pytest.mark.parametrize("method", ["p2p", "empirical"])
def test_the_training_offset_needs_no_further_word(toy, loss, method):
    estimate("logits.npy", "--counts", "counts.npy", "--trained-with", loss, cwd=toy.folder)
    b = reference.training_offset(loss, 5, counts=toy.counts)
    residual = {
        "p2p": reference.residual_prior(reference.effective_prior(toy.logits, b), b),
        "empirical": reference.empirical_residual(toy.counts, b),
    }[method]
    found = delta(toy, "--method", method)
    np.testing.assert_allclose(found, reference.log_offset(residual), atol=3e-6)


def test_empirical_without_counts_is_a_usage_error(toy):
    estimate("logits.npy", cwd=toy.folder)
    refuse(toy.folder, "correct", "logits.npy", "--prior", "prior.json", "--method", "empirical",
           "-o", "out.npy", code=2, words=["--counts"])  # fmt: skip


@pytest.mark.parametrize("strength", [0, 0.5, 1, 1.7])
def test_strength_scales_the_offset(toy, prior, strength):
    expected = reference.log_offset(q_of(toy), strength=strength)
    np.testing.assert_allclose(delta(toy, "--strength", strength), expected, atol=3e-6)


@pytest.mark.parametrize("args", [["--method", "none"], ["--strength", "0"],
                                  ["--method", "none", "--target", "empirical", "--strength", "3"]])  # fmt: skip
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_the_identity_keeps_every_byte(toy, prior, dtype, args):
    odd = toy.logits.astype(dtype)
    odd[0, 0] = -0.0
    odd[1, 1] = np.nextafter(np.array(0, dtype), np.array(1, dtype))
    odd[2, 2] = -np.inf
    toy.save("z.npy", odd)
    found = correct(toy, *args, scores="z.npy")
    assert found.tobytes() == odd.tobytes()
    assert (toy.folder / "out.npy").read_bytes() == (toy.folder / "z.npy").read_bytes()


@pytest.mark.parametrize("kind", ["probs", "log-probs"])
def test_the_identity_keeps_every_byte_of_probabilities(toy, prior, kind):
    p = reference.softmax(toy.logits)
    toy.save("z.npy", (p if kind == "probs" else np.log(p)).astype("f4"))
    found = correct(toy, "--method", "none", scores="z.npy")
    assert found.tobytes() == toy.load("z.npy").tobytes()


def test_target_uniform_is_the_default(toy, prior):
    np.testing.assert_array_equal(delta(toy), delta(toy, "--target", "uniform"))


def test_target_empirical_keeps_the_class_frequencies(toy, prior):
    expected = reference.log_offset(q_of(toy), toy.counts)
    np.testing.assert_allclose(delta(toy, "--target", "empirical"), expected, atol=3e-6)


def test_target_empirical_without_counts_is_a_usage_error(toy):
    estimate("logits.npy", cwd=toy.folder)
    refuse(toy.folder, "correct", "logits.npy", "--prior", "prior.json", "--target", "empirical",
           "-o", "out.npy", code=2, words=["--target empirical", "--counts"])  # fmt: skip


@pytest.mark.parametrize("values", [[10, 20, 30, 20, 20], [0.1, 0.2, 0.3, 0.2, 0.2]])
@pytest.mark.parametrize("ending", ["npy", "txt", "json"])
def test_target_from_a_file_of_counts_or_probabilities(toy, prior, values, ending):
    path = toy.folder / f"t.{ending}"
    if ending == "npy":
        np.save(path, np.array(values))
    else:
        path.write_text(json.dumps(values) if ending == "json" else "\n".join(map(str, values)))
    expected = reference.log_offset(q_of(toy), values)
    np.testing.assert_allclose(delta(toy, "--target", path.name), expected, atol=3e-6)


def test_a_class_of_target_zero_is_never_predicted(toy, prior):
    toy.save("t.npy", np.array([0, 1, 1, 1, 1]))
    found = delta(toy, "--target", "t.npy")
    assert found[0] == -np.inf and np.isfinite(found[1:]).all()
    p = correct(toy, "--target", "t.npy", "--output", "probs")
    assert (p[:, 0] == 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("values", [[1, 2, 3], [0, 0, 0, 0, 0], [1, 1, -1, 1, 1]])
def test_a_bad_target_is_refused_and_named(toy, prior, values):
    toy.save("t.npy", np.array(values))
    refuse(toy.folder, "correct", "logits.npy", "--prior", "prior.json", "--target", "t.npy",
           "-o", "out.npy", words=["t.npy"])  # fmt: skip


@pytest.mark.parametrize("output", ["logits", "probs", "log-probs", "labels"])
@pytest.mark.parametrize("kind", ["logits", "probs", "log-probs"])
def test_each_kind_of_output_from_each_kind_of_input(toy, prior, kind, output):
    p = reference.softmax(toy.logits)
    toy.save("z.npy", {"logits": toy.logits.astype("f8"), "probs": p, "log-probs": np.log(p)}[kind])
    z = toy.logits + reference.log_offset(q_of(toy))
    found = correct(toy, "--output", output, scores="z.npy")
    if output == "labels":
        np.testing.assert_array_equal(found, z.argmax(axis=1))
    elif output == "probs":
        np.testing.assert_allclose(found, reference.softmax(z), atol=2e-6)
    elif output == "log-probs":
        np.testing.assert_allclose(found, reference.log_softmax(z), atol=1e-5)
    else:  # logits are defined up to a constant of each row
        centre = lambda a: a - a.mean(axis=1, keepdims=True)  # noqa: E731
        np.testing.assert_allclose(centre(found), centre(z), atol=1e-5)


@pytest.mark.parametrize("kind", ["logits", "probs", "log-probs"])
def test_the_output_is_of_the_kind_of_the_input_by_default(toy, prior, kind):
    p = reference.softmax(toy.logits)
    toy.save("z.npy", {"logits": toy.logits, "probs": p, "log-probs": np.log(p)}[kind])
    found = p2p("correct", "z.npy", "--prior", "prior.json", "-o", "out.npy", "--json",
                cwd=toy.folder).json  # fmt: skip
    assert found["output_kind"] == found["input_kind"] == kind
    if kind != "logits":
        total = toy.load("out.npy") if kind == "probs" else np.exp(toy.load("out.npy"))
        np.testing.assert_allclose(total.sum(axis=1), 1, atol=1e-6)


def test_labels_are_int64(toy, prior):
    assert correct(toy, "--output", "labels").dtype == np.int64


def test_ties_take_the_lowest_class(toy, prior):
    toy.save("z.npy", np.zeros((4, 5), "f4"))
    found = correct(toy, "--method", "none", "--output", "labels", scores="z.npy")
    assert found.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("temperature", [0.5, 2])
def test_the_temperature_of_the_prior_divides_the_scores(toy, temperature):
    estimate("logits.npy", "--temperature", temperature, cwd=toy.folder)
    q = reference.effective_prior(toy.logits, temperature=temperature)
    expected = toy.logits / temperature + reference.log_offset(q)
    np.testing.assert_allclose(correct(toy), expected, atol=1e-5)


def test_correcting_twice_with_opposite_targets_comes_back(toy, prior):
    toy.save("q.npy", np.array(prior["effective"]))
    np.testing.assert_allclose(delta(toy, "--target", "q.npy"), np.zeros(5), atol=1e-12)


def test_corrected_scores_have_the_same_bytes_on_any_number_of_threads(tmp_path):
    z = np.random.default_rng(1).normal(size=(30_000, 12)).astype("f4")
    np.save(tmp_path / "z.npy", z)
    estimate("z.npy", cwd=tmp_path)
    for output in ("logits", "probs", "labels"):
        found = set()
        for threads in (1, 2, 7):
            p2p("correct", "z.npy", "--prior", "prior.json", "--output", output,
                "--threads", threads, "-o", "out.npy", cwd=tmp_path)  # fmt: skip
            found.add((tmp_path / "out.npy").read_bytes())
        assert len(found) == 1, output


@pytest.mark.parametrize("strength", [-1, "nan", "inf"])
def test_a_senseless_strength_is_a_usage_error(toy, prior, strength):
    refuse(toy.folder, "correct", "logits.npy", "--prior", "prior.json", "--strength", strength,
           "-o", "out.npy", code=2, words=["strength"])  # fmt: skip


def test_a_prior_of_another_width_is_refused(toy, prior):
    toy.save("z.npy", toy.logits[:, :4])
    refuse(toy.folder, "correct", "z.npy", "--prior", "prior.json", "-o", "out.npy",
           words=["z.npy", "4 classes", "5"])  # fmt: skip


def test_class_names_that_disagree_with_the_prior_are_refused(toy):
    (toy.folder / "names.txt").write_text("ant\nbee\ncat\ndog\neel\n")
    (toy.folder / "other.txt").write_text("ant\nbee\ndog\ncat\neel\n")
    estimate("logits.npy", "--classes", "names.txt", cwd=toy.folder)
    refuse(toy.folder, "correct", "logits.npy", "--classes", "other.txt", "--prior", "prior.json",
           "-o", "out.npy", words=["other.txt", "prior.json", "class 2", "'dog'", "'cat'"])  # fmt: skip


def test_a_csv_header_that_disagrees_with_the_prior_is_refused(toy):
    (toy.folder / "names.txt").write_text("ant\nbee\ncat\ndog\neel\n")
    estimate("logits.npy", "--classes", "names.txt", cwd=toy.folder)
    np.savetxt(
        toy.folder / "z.csv", toy.logits, delimiter=",", comments="", header="ant,cat,bee,dog,eel"
    )
    refuse(toy.folder, "correct", "z.csv", "--prior", "prior.json", "-o", "out.npy",
           words=["z.csv", "prior.json", "class 1", "'cat'", "'bee'"])  # fmt: skip


def test_headers_that_disagree_between_files_are_refused(toy):
    for name, header in (("a.csv", "ant,bee,cat,dog,eel"), ("b.csv", "ant,bee,dog,cat,eel")):
        np.savetxt(toy.folder / name, toy.logits, delimiter=",", comments="", header=header)
    refuse(
        toy.folder,
        "estimate",
        "a.csv",
        "b.csv",
        "-o",
        "x.json",
        words=["a.csv", "b.csv", "class 2"],
    )


def test_another_exclusion_than_the_priors_is_a_usage_error(toy, prior):
    refuse(toy.folder, "correct", "logits.npy", "--prior", "prior.json", "--exclude", 0,
           "-o", "out.npy", code=2, words=["--exclude", "p2p estimate"])  # fmt: skip


def test_a_floored_class_is_raised_no_more_than_a_measured_one(toy):
    z = toy.logits.copy()
    z[:, 4] -= 60
    toy.save("z.npy", z)
    estimate("z.npy", cwd=toy.folder)
    outcome = p2p(
        "correct", "z.npy", "--prior", "prior.json", "-o", "out.npy", "--json", cwd=toy.folder
    )
    found = outcome.json
    assert found["capped"] == [4]
    assert found["delta"][4] == max(found["delta"][:4])
    assert "floor" in outcome.err


def test_json_names_the_facts_of_the_correction(toy, prior):
    found = p2p("correct", "logits.npy", "--prior", "prior.json", "-o", "out.npy", "--json",
                cwd=toy.folder).json  # fmt: skip
    facts = {"output": "out.npy", "n_rows": 300, "n_classes": 5, "method": "p2p", "target": "uniform",
             "strength": 1, "dtype": "float32", "temperature": 1, "capped": []}  # fmt: skip
    assert facts.items() <= {k: v for k, v in found.items() if k in facts}.items()


def test_a_strength_beyond_float64_is_a_usage_error(toy, prior):
    refuse(toy.folder, "correct", "logits.npy", "--prior", "prior.json", "--strength", "1e308",
           "-o", "x.npy", code=2, words=["--strength", "infinite"])  # fmt: skip


def test_a_score_that_float32_cannot_hold_is_refused(toy):
    logits = toy.logits.astype("f4")
    logits[3, 0] = 3e38
    np.save(toy.folder / "huge.npy", logits)
    estimate("logits.npy", "--temperature", "0.5", cwd=toy.folder)
    refuse(toy.folder, "correct", "huge.npy", "--prior", "prior.json", "-o", "x.npy",
           words=["huge.npy", "row 3", "float32", "float64"])  # fmt: skip


def test_a_saturated_float16_file_is_called_that(toy, prior):
    logits = toy.logits.astype("f2")
    logits[2, 1] = 65504
    np.save(toy.folder / "half.npy", logits)
    refuse(toy.folder, "correct", "half.npy", "--prior", "prior.json", "-o", "x.npy",
           words=["half.npy", "row 2", "saturated"])  # fmt: skip
