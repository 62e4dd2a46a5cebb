"""Models whose output is probabilities that no logit stands behind, and single logits."""

import json

import numpy as np
import onnx
import pytest
from families import FAMILIES, family
from harness import p2p, refuse
from onnx import TensorProto, helper, numpy_helper
from running import (
    before,
    correction_of,
    expected,
    inputs_of,
    load,
    log_softmax,
    logits,
    run,
)

ALONE = [f for f in FAMILIES if not f.logits and not f.refused]


def each(families):
    return pytest.mark.parametrize("family", families, ids=lambda family: family.name)


def reweighted(p, delta, temperature=1.0):
    """p^(1/T) exp(delta) / sum, in float64."""
    with np.errstate(divide="ignore"):
        z = np.log(p.astype(np.float64)) / temperature + delta
    w = np.exp(z - z.max(axis=-1, keepdims=True))
    return w / w.sum(axis=-1, keepdims=True)


# ---- scales


def test_a_scale_for_each_class_is_the_power_of_its_probability(workplace, priors):
    place = workplace(family("sklearn-forest"))
    logits_file, labels, _ = priors.arrays(4)
    np.save(place.folder / "held.npy", np.exp(log_softmax(np.load(logits_file))))
    method = ["--method", "vector-scaling", "--holdout", "held.npy", "--holdout-labels", labels]
    found = p2p("correct", "held.npy", "--prior", place.prior, *method, "-o", "new.npy", "--json",
                cwd=place.folder).json  # fmt: skip
    assert len(set(found["scale"])) == 4
    assert place.bake(*method, "--verify", "inputs.npz")["verification"]["passed"]
    p = before(place.family)[place.family.output]
    wanted = reweighted(p, np.array(found["delta"]), 1 / np.array(found["scale"]))
    np.testing.assert_allclose(place.outputs()[place.family.output], wanted, atol=1e-5)


# ---- labels


def names_of(family):
    """What the label output calls the classes."""
    if "names" in family.name:
        return np.array(["bird", "cat", "dog", "fish"])
    return np.arange(family.classes) + (10 if family.name.startswith("trees") else 0)


@each([f for f in ALONE if f.also] + [f for f in FAMILIES if f.one_logit and f.also])
@pytest.mark.parametrize("mode", ["auto", "add"])
def test_the_label_is_the_class_with_the_largest_corrected_probability(workplace, family, mode):
    place = workplace(family)
    place.bake("--mode", mode)
    new, (label,) = place.outputs(), family.also
    best = new[family.output].argmax(axis=-1)
    np.testing.assert_array_equal(new[label], names_of(family)[best])
    assert new[label].dtype == before(family)[label].dtype


def test_labels_of_a_classifier_follow_a_normaliser_behind_it(tmp_path, priors):
    """One against the rest, as older exports of scikit-learn divide by the sum."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)).astype(np.float32)
    nodes = [
        helper.make_node("LinearClassifier", ["x"], ["raw.label", "each"], domain="ai.onnx.ml",
                         coefficients=rng.normal(size=12).tolist(), intercepts=[0.5, 0.1, -0.2, 0.0],
                         classlabels_strings=["a", "b", "c", "d"], post_transform="LOGISTIC"),
        helper.make_node("Identity", ["raw.label"], ["label"]),
        helper.make_node("Normalizer", ["each"], ["p"], domain="ai.onnx.ml", norm="L1"),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("label", TensorProto.STRING, ["n"]),
         helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", 4])],
    )  # fmt: skip
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    made = helper.make_model(graph, opset_imports=imports, ir_version=8)
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    prior = priors.make(4)
    p2p("bake", "m.onnx", "--prior", prior, "-o", "new.onnx", cwd=tmp_path)
    onnx.checker.check_model(str(tmp_path / "new.onnx"), full_check=True)
    old, new = run(tmp_path / "m.onnx", {"x": x}), run(tmp_path / "new.onnx", {"x": x})
    assert np.abs(new["p"] - reweighted(old["p"], correction_of(prior).delta)).max() < 1e-6
    assert (new["label"] == np.array(list("abcd"))[new["p"].argmax(1)]).all()
    assert (new["label"] != old["label"]).any()


def ensemble(order, **more):
    """p = (pa + pb) / 2, the class of p and the votes of both members, in that order of nodes."""
    rng = np.random.default_rng(1)
    wanted = {
        "a": helper.make_node("Gemm", ["x", "A"], ["za"]),
        "pa": helper.make_node("Softmax", ["za"], ["pa"], axis=1),
        "b": helper.make_node("Gemm", ["x", "B"], ["zb"]),
        "pb": helper.make_node("Softmax", ["zb"], ["pb"], axis=1),
        "s": helper.make_node("Add", ["pa", "pb"], ["s"]),
        "p": helper.make_node("Mul", ["s", "half"], ["p"]),
        "label": helper.make_node("ArgMax", ["s"], ["label"], axis=1, keepdims=0),
        "la": helper.make_node("ArgMax", ["pa"], ["la"], axis=1, keepdims=0),
        "lb": helper.make_node("ArgMax", ["pb"], ["lb"], axis=1, keepdims=0),
        "is_2": helper.make_node("Equal", ["label", "two"], ["is_2"]),
    }
    values = [numpy_helper.from_array(rng.normal(size=(4, 5)).astype(np.float32), name) for name in "AB"]
    values += [numpy_helper.from_array(np.float32(0.5), "half"),
               numpy_helper.from_array(np.int64(2), "two")]  # fmt: skip
    kinds = {"p": TensorProto.FLOAT, "is_2": TensorProto.BOOL}
    outputs = [helper.make_tensor_value_info(n, kinds.get(n, TensorProto.INT64), ["n", 5] if n == "p" else ["n"])
               for n in order if n in ("p", "label", "la", "lb", "is_2")]  # fmt: skip
    graph = helper.make_graph([wanted[n] for n in order], "g",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
                              outputs, values)  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


X = np.random.default_rng(2).normal(size=(200, 4)).astype(np.float32)


def baked(folder, made, prior, *options):
    """The outputs of a model before and after, for X, and what bake says."""
    (folder / "m.onnx").write_bytes(made.SerializeToString())
    said = p2p("bake", "m.onnx", "--prior", prior, "-o", "new.onnx", "--json", *options, cwd=folder).json
    onnx.checker.check_model(str(folder / "new.onnx"), full_check=True)
    return run(folder / "m.onnx", {"x": X}), run(folder / "new.onnx", {"x": X}), said


def test_the_votes_of_the_members_of_an_ensemble_stay(tmp_path, priors):
    made = ensemble(["a", "pa", "b", "pb", "la", "lb", "s", "p", "label"])
    old, new, said = baked(tmp_path, made, priors.make(5), "--output-name", "p")
    assert said["also_changes"] == ["label"]
    np.testing.assert_array_equal(new["la"], old["la"])
    np.testing.assert_array_equal(new["lb"], old["lb"])
    np.testing.assert_array_equal(new["label"], new["p"].argmax(axis=1))
    assert (new["label"] != old["label"]).any()


def test_what_is_made_of_a_label_follows_it_and_is_named(tmp_path, priors):
    made = ensemble(["a", "pa", "b", "pb", "s", "p", "label", "is_2"])
    _, new, said = baked(tmp_path, made, priors.make(5), "--output-name", "p")
    assert said["also_changes"] == ["label", "is_2"]
    np.testing.assert_array_equal(new["is_2"], new["p"].argmax(axis=1) == 2)


def test_a_label_that_is_read_before_it_can_be_decided_is_refused(tmp_path, priors):
    made = ensemble(["a", "pa", "b", "pb", "s", "label", "is_2", "p"])
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    refuse(tmp_path, "bake", "m.onnx", "--prior", priors.make(5), "--output-name", "p",
           "-o", "new.onnx", words=["Equal 'is_2'", "label", "before"])  # fmt: skip


@pytest.mark.parametrize("keepdims", [0, 1])
def test_labels_over_channels_keep_their_shape(tmp_path, priors, keepdims):
    """Probabilities whose channels come last, and the class by the map they are made of."""
    kernel = np.random.default_rng(3).normal(size=(5, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Unsqueeze", ["x", "one"], ["row"]),
        helper.make_node("Conv", ["row", "kernel"], ["z"]),
        helper.make_node("ArgMax", ["z"], ["label"], axis=1, keepdims=keepdims),
        helper.make_node("Exp", ["z"], ["e"]),
        helper.make_node("Transpose", ["e"], ["t"], perm=[0, 2, 1]),
        helper.make_node("ReduceSum", ["t", "last"], ["sum"]),
        helper.make_node("Div", ["t", "sum"], ["p"]),
    ]
    shape = ["n", 1, 4] if keepdims else ["n", 4]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", 4, 5]),
         helper.make_tensor_value_info("label", TensorProto.INT64, shape)],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(np.array([1]), "one"),
         numpy_helper.from_array(np.array([-1]), "last")],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    prior = priors.make(5)
    old, new, _ = baked(tmp_path, made, prior)
    np.testing.assert_allclose(new["p"], reweighted(old["p"], correction_of(prior).delta), atol=1e-6)
    assert new["label"].shape == old["label"].shape
    np.testing.assert_array_equal(new["label"].reshape(200, 4), new["p"].argmax(axis=-1))
    assert (new["label"] != old["label"]).any()


# ---- trees of two classes


def stump(ids, nodes, weights, transform, base):
    """One split by the first feature; `nodes` are the leaves 1 and 2 of the entries."""
    node = helper.make_node(
        "TreeEnsembleClassifier", ["x"], ["label", "p"], domain="ai.onnx.ml",
        nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0],
        nodes_values=[0.0, 0, 0], nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0], class_treeids=[0] * len(ids),
        class_nodeids=nodes, class_ids=ids, class_weights=weights, classlabels_int64s=[0, 1],
        post_transform=transform, **({"base_values": base} if base else {}),
    )  # fmt: skip
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]),
         helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", 2])],
    )  # fmt: skip
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


LEAVES = {
    "first": ([0, 0], [1, 2], [0.3, 0.7]),
    "second": ([1, 1], [1, 2], [0.3, 0.7]),
    "both": ([0, 0, 1, 1], [1, 2, 1, 2], [0.3, 0.8, 0.7, 0.2]),
    "both but for a leaf": ([0, 0, 1], [1, 2, 2], [1.0, 0.8, 0.2]),
}
TAKEN = {  # leaves, transform, base values; all else is refused
    ("first", "NONE", 0), ("first", "NONE", 1), ("both", "NONE", 0), ("both", "NONE", 1),
    ("first", "LOGISTIC", 0), ("first", "LOGISTIC", 1),
    *(("both", transform, n) for transform in ("SOFTMAX", "SOFTMAX_ZERO") for n in (0, 1, 2)),
}  # fmt: skip


@pytest.mark.parametrize("base", [0, 1, 2])
@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])
@pytest.mark.parametrize("leaves", LEAVES)
def test_trees_of_two_classes_are_taken_where_rows_sum_to_one(tmp_path, priors, leaves, transform,
                                                              base):  # fmt: skip
    made = stump(*LEAVES[leaves], transform, [0.0] * base)
    prior = priors.make(2)
    if (leaves, transform, base) not in TAKEN:
        (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
        refuse(tmp_path, "bake", "m.onnx", "--prior", prior, "-o", "new.onnx",
               words=["TreeEnsembleClassifier"])  # fmt: skip
        return
    old, new, _ = baked(tmp_path, made, prior)
    np.testing.assert_allclose(old["p"].sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(new["p"], reweighted(old["p"], correction_of(prior).delta), atol=1e-6)
    np.testing.assert_array_equal(new["label"], new["p"].argmax(axis=1))


# ---- exactness


def test_rows_of_float16_keep_their_sum_beside_a_rare_weight(tmp_path, priors):
    """A row of the class that the correction makes 1e6 times rarer."""
    half = numpy_helper.from_array(np.float16(0.5), "half")
    nodes = [
        helper.make_node("Softmax", ["x"], ["s"], axis=1),
        helper.make_node("Add", ["s", "s"], ["t"]),
        helper.make_node("Mul", ["t", "half"], ["p"]),
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT16, ["n", 5])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT16, ["n", 5])], [half],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    target = np.array([1e-6, 0.25, 0.25, 0.25, 0.25])
    np.save(tmp_path / "target.npy", target / target.sum())
    said = p2p("bake", "m.onnx", "--prior", priors.make(5), "--target", "target.npy", "-o",
               "new.onnx", "--json", cwd=tmp_path).json  # fmt: skip
    x = np.array([[40, 0, 0, 0, 0], [9, 1, 0, -1, -2], [1, 2, 3, 2, 1]], np.float16)
    old, new = (run(tmp_path / name, {"x": x})["p"] for name in ("m.onnx", "new.onnx"))
    np.testing.assert_array_equal(old[0], [1, 0, 0, 0, 0])
    np.testing.assert_array_equal(new[0], [1, 0, 0, 0, 0])
    np.testing.assert_allclose(new.astype(float).sum(axis=1), 1, atol=2e-3)
    assert 0 < said["rounding"] <= 2**-11


@each([family("trees-softmax"), family("trees-as-lightgbm"), family("sklearn-gradient-boosting")])
def test_boosted_trees_are_reweighted_within_2e_7(workplace, family):
    place = workplace(family)
    place.bake()
    wanted = reweighted(before(family)[family.output], place.correction.delta)
    assert np.abs(place.outputs()[family.output] - wanted).max() < 2e-7


def test_base_values_take_the_offset(workplace):
    place = workplace(family("trees-softmax"))
    place.bake()
    (values,) = [helper.get_attribute_value(a) for a in load(place.path()).graph.node[0].attribute
                 if a.name == "base_values"]  # fmt: skip
    np.testing.assert_allclose(values, 0.5 + place.correction.delta, rtol=1e-6)


def test_base_values_that_float32_holds_too_coarsely_do_not(workplace):
    place = workplace(family("trees-softmax"))
    made = load(place.model)
    (base,) = [a for a in made.graph.node[0].attribute if a.name == "base_values"]
    base.floats[:] = [5, 4, 3, 2, 1]
    place.model.write_bytes(made.SerializeToString())
    said = place.bake()
    assert said["mode"] == "reweight" and "float32" in said["why_not_fold"]


def test_a_small_temperature_leaves_no_row_without_probability(workplace, priors):
    """p^100 of a row without a large number is below the least float32."""
    place = workplace(family("softmax-spelt-out"))
    prior = priors.make(6, "--temperature", 0.01)
    place.bake(prior=prior)
    p = before(place.family)["scores"]
    np.save(place.folder / "p.npy", p)
    said = p2p("correct", "p.npy", "--prior", prior, "-o", "c.npy", "--json", cwd=place.folder).json
    wanted = reweighted(p, np.array(said["delta"]), 0.01)
    assert (p.max(axis=1).astype(float) ** 100 < 1e-46).any()
    np.testing.assert_allclose(place.outputs()["scores"], wanted, atol=1e-4)


def test_a_row_of_zeros_stays_one(tmp_path, priors):
    """Where p2p correct refuses the row, a model can only say that it knows nothing."""
    prior = priors.make(3)
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("ReduceSum", ["r", "axis"], ["s"]),
        helper.make_node("Max", ["s", "least"], ["t"]),
        helper.make_node("Div", ["r", "t"], ["p"]),
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(np.array([1]), "axis"),
         numpy_helper.from_array(np.float32(1e-12), "least")],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    p2p("bake", "m.onnx", "--prior", prior, "-o", "new.onnx", cwd=tmp_path)
    x = np.array([[1, 2, 3], [-1, -1, -1], [0, 0, 1]], np.float32)
    new = run(tmp_path / "new.onnx", {"x": x})["p"]
    delta = correction_of(prior).delta
    np.testing.assert_allclose(new[0], reweighted(x[:1] / 6, delta)[0], atol=1e-6)
    np.testing.assert_array_equal(new[1:], [[0, 0, 0], [0, 0, 1]])


# ---- what is said


@each(ALONE)
def test_show_does_not_call_probabilities_logits(workplace, family):
    place = workplace(family)
    said = p2p("show", "model.onnx", cwd=place.folder).out
    assert "logits" not in said and "probs" in said
    assert p2p("show", "model.onnx", "--json", cwd=place.folder).json["scores_kind"] == "probs"


@pytest.mark.parametrize("verb", ["show", "bake"])
def test_a_prior_of_logits_for_a_model_without_them_is_warned_of(workplace, priors, verb):
    place = workplace(family("sklearn-forest"))
    p = before(place.family)["probabilities"]
    np.save(place.folder / "p.npy", p)
    p2p("estimate", "p.npy", "-o", "probs.json", cwd=place.folder)
    assert json.loads((place.folder / "probs.json").read_text())["input_kind"] == "probs"
    written = ["-o", "new.onnx"] if verb == "bake" else []
    words = "was measured on logits"
    for prior, warns in ((place.prior, True), ("probs.json", False)):
        said = p2p(verb, "model.onnx", "--prior", prior, *written, cwd=place.folder)
        assert (words in said.err) == warns


def test_a_prior_of_probabilities_for_a_model_of_logits_is_warned_of(workplace, priors):
    place = workplace(family("gemm-opset11"))
    z = logits(place.family)
    np.save(place.folder / "p.npy", np.exp(z) / np.exp(z).sum(1, keepdims=True))
    p2p("estimate", "p.npy", "-o", "probs.json", cwd=place.folder)
    said = p2p("bake", "model.onnx", "--prior", "probs.json", "-o", "new.onnx", cwd=place.folder)
    assert "was measured on probabilities, but 'scores' gives logits" in said.err


# ---- where no offset may be added


def test_a_named_value_of_probabilities_is_reweighted(workplace):
    place = workplace(family("trees-as-lightgbm"))
    said = place.bake("--tensor", "trees.scores")
    assert (said["mode"], said["scores"]) == ("reweight", "trees.scores")
    wanted = reweighted(before(place.family)["scores"], place.correction.delta)
    assert np.abs(place.outputs()["scores"] - wanted).max() < 2e-7


def test_what_may_be_no_probabilities_is_refused(workplace):
    """Each class has a factor of its own, so rows do not sum to 1; nor are they logits."""
    place = workplace(family("trees-as-lightgbm"))
    made = load(place.model)
    made.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(np.arange(1, 6, dtype=np.float32), "one"))  # fmt: skip
    place.model.write_bytes(made.SerializeToString())
    refuse(place.folder, "bake", "model.onnx", "--prior", place.prior, "-o", "new.onnx",
           words=["Mul", "TreeEnsembleClassifier"])  # fmt: skip


def test_the_label_output_is_not_corrected_alone(workplace):
    place = workplace(family("sklearn-forest"))
    refuse(place.folder, "bake", "model.onnx", "--prior", place.prior, "--output-name", "label",
           "-o", "new.onnx", words=["label"])  # fmt: skip


def test_fold_is_refused_where_there_is_no_logit(workplace):
    place = workplace(family("sklearn-forest"))
    refuse(place.folder, "bake", "model.onnx", "--prior", place.prior, "--mode", "fold", "-o",
           "new.onnx", code=2, words=["TreeEnsembleClassifier", "--mode add"])  # fmt: skip


def test_several_sigmoids_of_two_labels_are_refused(workplace, priors):
    place = workplace(family("sigmoid"))
    made = load(place.model)
    values = {t.name: t for t in made.graph.initializer}
    for name in ("head.weight", "head.bias"):
        cut = numpy_helper.to_array(values[name])[..., :2].copy()
        values[name].CopyFrom(numpy_helper.from_array(cut, name))
    made.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 2
    place.model.write_bytes(made.SerializeToString())
    refuse(place.folder, "bake", "model.onnx", "--prior", priors.make(2), "-o", "new.onnx",
           words=["Sigmoid", "several labels"])  # fmt: skip


# ---- one logit


def test_the_bias_of_one_logit_takes_the_difference(workplace):
    place = workplace(family("sigmoid-of-one"))
    place.bake()
    old, new = (numpy_helper.to_array(load(path).graph.initializer[-1])
                for path in (place.model, place.path()))  # fmt: skip
    delta = place.correction.delta
    np.testing.assert_allclose(new - old, delta[1] - delta[0], rtol=1e-5)


def test_one_logit_of_the_first_class_takes_it_the_other_way(workplace):
    place = workplace(family("sigmoid-pair"))
    made = load(place.model)
    made.graph.node[-2].input[:] = ["p", "q"]
    place.model.write_bytes(made.SerializeToString())
    place.bake()
    x = inputs_of(place.family)
    old, new = run(place.model, x)["scores"], run(place.path(), x)["scores"]
    np.testing.assert_allclose(new, reweighted(old, place.correction.delta), atol=1e-6)


def test_one_logit_is_not_for_a_prior_of_more_classes(workplace, priors):
    place = workplace(family("sigmoid-of-one"))
    refuse(place.folder, "bake", "model.onnx", "--prior", priors.make(6), "-o", "new.onnx",
           words=["6"])  # fmt: skip


@pytest.mark.parametrize("name", ["sigmoid-of-one", "sigmoid-pair"])
def test_the_proof_of_one_logit_holds_where_p_is_next_to_one(workplace, name):
    """A float32 p of 1 - 1e-6 holds 1 - p to 3 %, and the correction decides by it."""
    place = workplace(family(name))
    made = load(place.model)
    (b,) = [t for t in made.graph.initializer if t.name == "head.bias"]
    b.CopyFrom(numpy_helper.from_array(np.array([12], np.float32), "head.bias"))
    if name == "sigmoid-pair":
        made.graph.node[-2].input[:] = ["p", "q"]
    place.model.write_bytes(made.SerializeToString())
    target = [1, 1e-7] if name == "sigmoid-of-one" else [1e-5, 1]
    np.save(place.folder / "target.npy", np.array(target))
    proof = place.bake("--target", "target.npy", "--verify", "inputs.npz")["verification"]
    assert proof["passed"] and proof["max_difference"] < 2e-6
    assert proof["changed_decisions"] > 0


def test_the_proof_compares_both_classes_of_one_column(workplace):
    place = workplace(family("sigmoid-of-one-flat"))
    proof = place.bake("--verify", "inputs.npz")["verification"]
    assert proof["passed"] and proof["n_classes"] == 2
    turned = (expected(place.family, place.correction) > 0.5) != (before(place.family)["scores"] > 0.5)
    assert proof["changed_decisions"] == turned.sum() > 0


# ---- out again


def test_a_large_node_is_not_kept_twice(workplace):
    place = workplace(family("sklearn-forest"))
    place.bake()
    old, new = (path.stat().st_size for path in (place.model, place.path()))
    assert new - old < 3000 < 8000 < old
    assert place.unbake() == place.model.read_bytes()
