"""What the command understands: options, refusals, proofs that fail."""

import re

import numpy as np
import pytest
from families import family
from harness import attempt, p2p, refuse, refuse_twice, sentence, snapshot
from running import (
    Correction,
    check_scores,
    correction_of,
    inputs_of,
    load,
    log_softmax,
    run,
)

CLASSES = ["ant", "bee", "cat", "dog", "emu", "fox"]


@pytest.fixture
def mlp(workplace):
    return workplace(family("mlp"))


@pytest.fixture
def resnet(workplace):
    return workplace(family("resnet18"))


# ---- corrections


@pytest.mark.parametrize("strength", [0, 0.5])
def test_strength(mlp, strength):
    mlp.bake("--strength", strength)
    check_scores(mlp.family, mlp.outputs(), Correction(strength * mlp.correction.delta))


def test_a_correction_of_nothing_keeps_the_bits(mlp):
    mlp.bake("--method", "none")
    old, new = load(mlp.model), load(mlp.path())
    assert new.graph == old.graph


def test_the_method_of_another_prior(mlp):
    """empirical: the class frequencies in place of the effective prior."""
    said = mlp.bake("--method", "empirical")
    assert said["method"] == "empirical"
    pi = 1000 * 0.02 ** np.linspace(0, 1, 8)
    delta = -np.log(np.round(pi).astype(int))
    check_scores(mlp.family, mlp.outputs(), Correction(delta - delta.mean()))


def test_a_target_from_a_file(mlp):
    np.save(mlp.folder / "target.npy", np.arange(1.0, 9))
    mlp.bake("--target", "target.npy")
    check_scores(mlp.family, mlp.outputs(), correction_of(mlp.prior, np.arange(1.0, 9)))


def test_a_second_model_cannot_be_baked(mlp, priors):
    labelled = priors.holdout(8)
    refuse(mlp.folder, "bake", "model.onnx", "--prior", mlp.prior, "--method", "gla", *labelled,
           "--holdout-second", labelled[1], "-o", "new.onnx", code=2, words=["gla"])  # fmt: skip


def test_an_excluded_class_keeps_its_score(mlp, priors):
    prior = priors.make(8, "--exclude", 3)
    mlp.bake(prior=prior)
    correction = correction_of(prior)
    assert correction.delta[3] == 0
    check_scores(mlp.family, mlp.outputs(), correction)


# ---- which output, which mode


@pytest.mark.parametrize("output", ["nonsense", "embedding"])
def test_an_output_that_is_not_the_scores_is_refused(workplace, output):
    place = workplace(family("resnet18-features"))
    refuse(place.folder, "bake", "model.onnx", "--prior", place.prior, "--output-name", output,
           "-o", "new.onnx", words=[output])  # fmt: skip


def test_logits_and_their_probabilities_can_both_be_named(workplace):
    place = workplace(family("mobilenet-logits-probs"))
    said = p2p("bake", "model.onnx", "--prior", place.prior, "--output-name", "probs", "-o",
               "new.onnx", "--json", cwd=place.folder).json  # fmt: skip
    assert (said["output_kind"], said["also_changes"]) == ("probs", ["logits"])
    check_scores(place.family, place.outputs(), place.correction)


def test_two_outputs_with_as_many_columns_as_classes_must_be_told_apart(workplace):
    """Scores [rows, 6] and, by chance, six other numbers a row."""
    place = workplace(family("gemm-opset11"))
    made = load(place.model)
    made.graph.node.add(op_type="Gemm", input=["hidden", "head.weight"], output=["others"])
    made.graph.output.add().CopyFrom(made.graph.output[0])
    made.graph.output[1].name = "others"
    place.model.write_bytes(made.SerializeToString())
    refuse(place.folder, "bake", "model.onnx", "--prior", place.prior, "-o", "new.onnx",
           words=["scores", "others", "--output-name"])  # fmt: skip
    place.bake("--output-name", "scores")


def test_fold_is_refused_where_no_bias_can_take_the_offset(workplace):
    place = workplace(family("mlp-shared-bias"))
    refuse(place.folder, "bake", "model.onnx", "--prior", place.prior, "--mode", "fold", "-o",
           "new.onnx", code=2, words=["head.bias", "--mode add"])  # fmt: skip


def test_fold_is_refused_for_a_scale_of_each_class(mlp, priors):
    refuse(mlp.folder, "bake", "model.onnx", "--prior", mlp.prior, "--method", "vector-scaling",
           *priors.holdout(8), "--mode", "fold", "-o", "new.onnx", code=2,
           words=["--mode add"])  # fmt: skip


@pytest.fixture
def probabilities(mlp, priors):
    """Options that give the held-out rows as probabilities, where the model has logits."""
    scores, labels, _ = priors.arrays(8)
    np.save(mlp.folder / "probs.npy", np.exp(log_softmax(np.load(scores))))
    return ["--holdout", "probs.npy", "--holdout-labels", labels]


def test_scales_that_were_learned_from_probabilities_do_not_go_onto_logits(mlp, probabilities):
    refuse(mlp.folder, "bake", "model.onnx", "--prior", mlp.prior, "--method", "vector-scaling",
           *probabilities, "-o", "new.onnx", words=["learned from probs"])  # fmt: skip


def test_auto_leaves_scales_of_probabilities_out_and_says_so(mlp, probabilities):
    outcome = p2p("bake", "model.onnx", "--prior", mlp.prior, "--method", "auto", *probabilities,
                  "-o", "new.onnx", "--json", cwd=mlp.folder)  # fmt: skip
    assert "vector-scaling was left out" in outcome.err
    assert outcome.json["method"] not in ("none", "vector-scaling")


# ---- the axis of the classes


@pytest.mark.parametrize("axis", [1, -3])
def test_the_axis_that_the_model_says_may_be_named(workplace, axis):
    place = workplace(family("segmentation"))
    assert place.bake("--class-axis", axis)["class_axis"] == -3
    check_scores(place.family, place.outputs(), place.correction)


def test_another_axis_than_the_model_says_is_refused(workplace):
    place = workplace(family("segmentation"))
    refuse(place.folder, "bake", "model.onnx", "--prior", place.prior, "--class-axis", -1, "-o",
           "new.onnx", words=["--class-axis -1", "axis -3"])  # fmt: skip


def einsum(place):
    """The segmentation's scores by an operator that does not say where the classes lie, under a
    shape that does not either: positions and classes are as many."""
    made = load(place.model)
    made.graph.output[0].name = "mixed"
    made.graph.node.add(op_type="Einsum", input=["scores"], output=["mixed"])
    made.graph.node[-1].attribute.add(name="equation", s=b"abcd->abdc", type=3)
    place.model.write_bytes(made.SerializeToString())


def test_an_axis_that_nothing_says_is_asked_for(workplace):
    place = workplace(family("segmentation"))
    einsum(place)
    refuse(place.folder, "bake", "model.onnx", "--prior", place.prior, "-o", "new.onnx",
           words=["4 axes", "--class-axis"])  # fmt: skip
    proof = place.bake("--class-axis", 1, "--verify", "inputs.npz")
    assert proof["mode"] == "add" and proof["verification"]["passed"]
    old, new = (run(path, inputs_of(place.family))["mixed"] for path in (place.model, place.path()))
    np.testing.assert_allclose(new - old, np.broadcast_to(
        place.correction.delta[:, None, None], old.shape), atol=1e-5)  # fmt: skip


# ---- class names


def test_class_names_that_agree_are_baked(workplace, priors):
    place = workplace(family("metadata"))
    place.bake(prior=priors.make(6, names=CLASSES))


@pytest.mark.parametrize("name, known", [("metadata", CLASSES),
                                         ("sklearn-logistic-names", ["bird", "cat", "dog", "fish"]),
                                         ("sklearn-mlp-names", ["bird", "cat", "dog", "fish"]),
                                         ("sklearn-forest-names", ["bird", "cat", "dog", "fish"])])  # fmt: skip
def test_class_names_in_another_order_are_refused(workplace, priors, name, known):
    place = workplace(family(name))
    place.bake(prior=priors.make(len(known), names=known))
    place.path().unlink()
    other = [known[1], known[0], *known[2:]]
    refuse(place.folder, "bake", "model.onnx", "--prior", priors.make(len(known), names=other),
           "-o", "new.onnx", words=[known[0], known[1]])  # fmt: skip


# ---- proof


def verify(place, *options, model="model.onnx"):
    return attempt("bake", model, "--prior", place.prior, *place.family.options, "-o", "new.onnx",
                   "--verify", *options, cwd=place.folder)  # fmt: skip


@pytest.mark.parametrize("inputs", ["inputs.npy", "inputs.npz"])
def test_inputs_may_be_an_array_or_an_archive(mlp, inputs):
    assert verify(mlp, inputs).code == 0
    assert mlp.path().exists()


def test_a_proof_that_fails_leaves_nothing_behind(workplace):
    """Half a float16's last place is more than the 1e-9 that are asked for."""
    place = workplace(family("float16"))
    old = snapshot(place.folder)
    outcome = verify(place, "inputs.npz", "--tolerance", "1e-9", "--json", "--quiet")
    assert outcome.code == 3, outcome
    assert snapshot(place.folder) == old
    proof = outcome.json["verification"]
    assert not proof["passed"] and proof["max_difference"] > proof["tolerance"] == 1e-9
    assert outcome.err.startswith("p2p: ") and len(outcome.err.splitlines()) == 1


def test_a_failing_proof_keeps_what_an_earlier_run_wrote(workplace):
    place = workplace(family("float16"))
    place.path().write_bytes(b"what an earlier run wrote")
    assert verify(place, "inputs.npz", "--tolerance", "1e-9").code == 3
    assert place.path().read_bytes() == b"what an earlier run wrote"


def test_the_rounding_of_a_float16_bias_is_said(workplace):
    place = workplace(family("float16"))
    said = place.bake()
    assert 0 < said["rounding"] < 2**-9
    assert workplace(family("mlp")).bake()["rounding"] < 2**-22


def test_rows_that_do_not_fill_a_fixed_batch_are_refused(workplace):
    place = workplace(family("resnet18-fixed-batch"))
    np.save(place.folder / "odd.npy", np.load(place.folder / "inputs.npy")[:63])
    refuse(place.folder, "bake", "model.onnx", "--prior", place.prior, "-o", "new.onnx",
           "--verify", "odd.npy", words=["63", "4"])  # fmt: skip


@pytest.mark.parametrize("damage", ["shape", "name", "nothing", "missing"])
def test_inputs_that_do_not_fit_are_refused(mlp, damage):
    x = np.load(mlp.folder / "inputs.npy")
    arrays = {"shape": {"features": x[:, :7]}, "name": {"pixels": x, "more": x},
              "nothing": {"features": x[:0]}}  # fmt: skip
    if damage in arrays:
        np.savez(mlp.folder / "bad.npz", **arrays[damage])
    refuse(mlp.folder, "bake", "model.onnx", "--prior", mlp.prior, "-o", "new.onnx", "--verify",
           "bad.npz", words=["bad.npz"] if damage == "missing" else [])  # fmt: skip


def test_without_an_engine_the_command_says_what_to_install(mlp):
    """An interpreter without ONNX Runtime stands in; a build with the C++ library needs none."""
    env = {"P2P_PYTHON": "/bin/false"}
    outcome = attempt("bake", "model.onnx", "--prior", mlp.prior, "-o", "new.onnx", "--verify",
                      "inputs.npz", "--json", cwd=mlp.folder, env=env)  # fmt: skip
    if outcome.code == 0:
        assert "C++" in outcome.json["verification"]["engine"]
    else:
        assert outcome.code == 2 and "onnxruntime" in sentence(outcome)
        assert not mlp.path().exists()


# ---- files


def test_an_output_is_never_half_written_nor_an_input_overwritten(mlp):
    refuse_twice(mlp.folder, "bake", "model.onnx", "--prior", "missing.json", output="new.onnx")
    refuse(mlp.folder, "bake", "model.onnx", "--prior", mlp.prior, "-o", "model.onnx",
           words=["model.onnx", "same file"])  # fmt: skip


def test_an_output_of_another_format_is_refused(mlp):
    refuse(mlp.folder, "bake", "model.onnx", "--prior", mlp.prior, "-o", "new.safetensors", code=2,
           words=[".onnx"])  # fmt: skip


def test_prior_and_output_are_required(mlp):
    for missing in (["-o", "new.onnx"], ["--prior", mlp.prior]):
        assert attempt("bake", "model.onnx", *missing, cwd=mlp.folder).code == 2


def test_the_record_says_which_prior_it_was(mlp):
    import hashlib

    said = mlp.bake()
    digest = hashlib.sha256(mlp.prior.read_bytes()).hexdigest()
    (baked,) = p2p("show", "new.onnx", "--json", cwd=mlp.folder).json["baked"]
    assert said["prior_sha256"] == baked["prior_sha256"] == digest
    version = p2p("--version").out.split()[-1]
    assert said["tool_version"] == baked["tool_version"] == version


def test_words_go_where_people_look(mlp):
    said = p2p("bake", "model.onnx", "--prior", mlp.prior, "-o", "new.onnx", "--verify",
               "inputs.npz", cwd=mlp.folder)  # fmt: skip
    text = said.out + said.err
    assert re.search(r"fold", text) and "head.bias" in text and "ONNX Runtime" in text


def test_baking_is_the_same_bytes_every_time(resnet):
    resnet.bake(out="a")
    resnet.bake(out="b")
    assert resnet.path("a").read_bytes() == resnet.path("b").read_bytes()
