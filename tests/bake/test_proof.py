"""What a proof takes for proven, on small graphs that the tests build; expected scores are NumPy's."""

import numpy as np
import onnx
import pytest
from harness import attempt, p2p, refuse
from onnx import TensorProto, helper, numpy_helper
from running import correction_of, difference, log_softmax, run

ROWS, WIDE, CLASSES = 24, 8, 10
RNG = np.random.default_rng(22)
X = RNG.normal(0, 1, (ROWS, WIDE)).astype(np.float32)
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def info(name, *shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, list(shape))


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs.split(), [output], **attributes)


def contrib(op, inputs, output, **attributes):
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(op, names, [output], domain="com.microsoft", **attributes)


class Place:
    """A folder with a model, its inputs and a prior."""

    def __init__(self, folder, prior):
        self.folder, self.prior = folder, prior

    def write(self, nodes, constants, inputs=(), outputs=(), **arrays):
        """`x` goes in and `scores` comes out unless others are named."""
        values = {name: np.asarray(value) for name, value in constants.items()}
        graph = helper.make_graph(
            nodes,
            "g",
            list(inputs) or [info("x", "N", WIDE)],
            list(outputs) or [info("scores", "N", CLASSES)],
            [numpy_helper.from_array(value, name) for name, value in values.items()],
        )
        imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        made = helper.make_model(graph, opset_imports=imports, ir_version=8)
        (self.folder / "model.onnx").write_bytes(made.SerializeToString())
        self.arrays = arrays or {"x": X}
        np.savez(self.folder / "inputs.npz", **self.arrays)

    def arguments(self, *options):
        return ["bake", "model.onnx", "--prior", self.prior, "-o", "new.onnx", "--verify",
                "inputs.npz", *options]  # fmt: skip

    def bake(self, *options):
        return p2p(*self.arguments(*options, "--json"), cwd=self.folder).json

    def refuse(self, *options, words=()):
        text = refuse(self.folder, *self.arguments(*options), words=words)
        assert "/tmp" not in text and ".npy" not in text
        return text

    def outputs(self, name):
        return run(self.folder / name, self.arrays)

    @property
    def delta(self):
        return correction_of(self.prior).delta


@pytest.fixture
def place(tmp_path, priors):
    return Place(tmp_path, priors.make(CLASSES))


def random(*shape):
    return RNG.normal(0, 1, shape).astype(np.float32)


# ---- the value that --tensor names


def two_layers(place, *, softmax, more=(), **parts):
    """x -> h -> z -> scores; the hidden layer h is as wide as the classes."""
    place.write(
        [node("Gemm", "x W1 b1", "h"), node("Relu", "h", "r"), node("Gemm", "r W2 b2", "z"),
         *softmax],
        {"W1": random(WIDE, CLASSES), "b1": random(CLASSES), "W2": random(CLASSES, CLASSES),
         "b2": random(CLASSES), "axis": np.array([-1]), "least": np.float32(-1), **dict(more)},
        **parts,
    )  # fmt: skip


SPELT_OUT = [node("Exp", "z", "e"), node("ReduceSum", "e axis", "s", keepdims=1),
             node("Div", "e s", "scores")]  # fmt: skip


def test_a_hidden_layer_as_wide_as_the_classes_does_not_pass(place):
    two_layers(place, softmax=SPELT_OUT)
    text = place.refuse("--tensor", "h", words=["'scores'", "'h'", "does not hold its logits"])
    assert "'z' (of Gemm 'z')" in text


def test_the_logits_of_a_softmax_spelt_out_pass(place):
    two_layers(place, softmax=SPELT_OUT)
    said = place.bake("--tensor", "z")
    assert said["verification"]["passed"] and said["verification"]["not_compared"] == []
    old, new = (place.outputs(name)["scores"].astype(np.float64)
                for name in ("model.onnx", "new.onnx"))  # fmt: skip
    assert difference(new, np.exp(log_softmax(np.log(old) + place.delta))) < 1e-5


def test_an_output_that_is_another_function_of_the_logits_does_not_pass(place):
    two_layers(place, softmax=[node("Tanh", "z", "scores")])
    place.refuse("--tensor", "z", words=["'scores'", "does not hold its logits"])


def test_outputs_that_cannot_be_compared_are_named(place):
    two_layers(place, softmax=[*SPELT_OUT, node("ReduceMax", "z", "best", axes=[-1], keepdims=0),
                               node("ReduceMean", "z", "mean", axes=[0], keepdims=1)],
               outputs=[info("scores", "N", CLASSES), info("best", "N"),
                        info("mean", 1, CLASSES)])  # fmt: skip
    said = place.bake("--tensor", "z")
    assert said["verification"]["not_compared"] == ["best", "mean"]


def test_a_scale_for_each_class_is_not_proven_on_probabilities(place, priors):
    two_layers(place, softmax=SPELT_OUT)
    place.refuse("--tensor", "z", "--method", "vector-scaling", *priors.holdout(CLASSES),
                 words=["a scale for each class cannot be proven"])  # fmt: skip


def test_a_value_that_no_output_is_made_from_is_refused(place):
    two_layers(place, softmax=[*SPELT_OUT, node("Neg", "z", "unused")])
    place.refuse("--tensor", "unused", words=["no output", "'unused'", "'z' (of Gemm 'z')"])


# ---- logits that look like log-probabilities


@pytest.fixture
def near_zero(tmp_path, priors):
    """Two classes with logits [0, -30 or less], whose log-sum-exp is 0 but for 1e-13."""
    place = Place(tmp_path, priors.make(2))
    place.write([node("Gemm", "x w b", "z"), node("Mul", "z zero", "z0"),
                 node("Concat", "z0 z", "scores", axis=1)],
                {"w": np.full((WIDE, 1), 0.1, np.float32), "b": np.float32([-40]),
                 "zero": np.float32(0)}, outputs=[info("scores", "N", 2)])  # fmt: skip
    return place


def test_numbers_that_look_like_log_probabilities_need_a_word(near_zero):
    near_zero.refuse("--tensor", "scores", words=["log-probs", "--input logits"])


def test_logits_are_what_input_says_they_are(near_zero):
    said = near_zero.bake("--tensor", "scores", "--input", "logits")
    assert said["verification"]["passed"]
    old, new = (near_zero.outputs(name)["scores"] for name in ("model.onnx", "new.onnx"))
    assert difference(new, old + near_zero.delta) < 1e-5


def test_probabilities_are_no_logits_whatever_input_says(place):
    """--input may be meant for the held-out scores alone."""
    two_layers(place, softmax=[node("Softmax", "z", "p"), node("Clip", "p least", "scores")])
    place.refuse("--tensor", "scores", "--input", "logits",
                 words=["'scores' was taken for logits", "probs"])  # fmt: skip


def test_sigmoids_in_disguise_are_no_logits_unless_one_says_so(place):
    """(tanh z + 1) / 2 of each class by itself."""
    two_layers(place, softmax=[node("Tanh", "z", "t"), node("Add", "t first", "u"),
                               node("Mul", "u half", "scores")],
               more={"first": np.float32(1), "half": np.float32(0.5)})  # fmt: skip
    place.refuse(words=["'scores' was taken for logits", "[0, 1]", "--input logits"])
    assert place.bake("--input", "logits")["verification"]["passed"]


# ---- inputs without rows


def test_a_scalar_input_goes_into_every_batch(place):
    place.write([node("Gemm", "x W b", "z"), node("Mul", "z scale", "scores")],
                {"W": random(WIDE, CLASSES), "b": random(CLASSES)},
                inputs=[info("x", "N", WIDE), info("scale")],
                x=np.tile(X, (4, 1)), scale=np.float32(1.5))  # fmt: skip
    assert place.bake()["verification"]["n_rows"] == 4 * ROWS


def test_a_shape_input_goes_into_every_batch(place):
    place.write([node("Reshape", "x shape", "flat"), node("Gemm", "flat W b", "scores")],
                {"W": random(WIDE, CLASSES), "b": random(CLASSES)},
                inputs=[info("x", "N", 2, WIDE // 2), info("shape", 2, kind=INT64)],
                x=X.reshape(ROWS, 2, -1), shape=np.array([-1, WIDE]))  # fmt: skip
    assert place.bake()["verification"]["passed"]


def test_other_arrays_must_have_the_same_rows(place):
    place.write([node("Add", "x y", "sum"), node("Gemm", "sum W b", "scores")],
                {"W": random(WIDE, CLASSES), "b": random(CLASSES)},
                inputs=[info("x", "N", WIDE), info("y", "N", WIDE)], x=X, y=X[:5])  # fmt: skip
    place.refuse(words=["inputs.npz:y' has 5 rows", f"inputs.npz:x' has {ROWS}"])


# ---- graphs that are recognised


def check(place, *, mode):
    said = place.bake()
    assert said["mode"] == mode and said["verification"]["passed"]
    old, new = (place.outputs(name)["scores"] for name in ("model.onnx", "new.onnx"))
    assert difference(new, old.astype(np.float64) + place.delta) < 1e-5


def test_logits_picked_at_the_last_token(place):
    """As exports of decoders for sequence classification do it."""
    tokens = 5
    place.write([node("MatMul", "x W", "z"), node("GatherND", "z last", "scores")],
                {"W": random(WIDE, CLASSES)},
                inputs=[info("x", "N", tokens, WIDE), info("last", "N", 2, kind=INT64)],
                x=random(ROWS, tokens, WIDE),
                last=np.stack([np.arange(ROWS), RNG.integers(0, tokens, ROWS)], 1))  # fmt: skip
    check(place, mode="add")


def test_a_logit_scale_that_is_the_exp_of_a_constant(place):
    """As in exports of CLIP."""
    place.write([node("MatMul", "x W", "cosine"), node("Exp", "t", "scale"),
                 node("Mul", "scale cosine", "scores")],
                {"W": random(WIDE, CLASSES) / 10, "t": np.float32(2.5)})  # fmt: skip
    check(place, mode="add")


QUANTISED = {"W": RNG.integers(0, 256, (WIDE, CLASSES)).astype(np.uint8), "s": np.float32(0.01),
             "zero": np.uint8(128), "b": RNG.normal(0, 1, CLASSES).astype(np.float32)}  # fmt: skip


def test_a_dynamically_quantised_layer_takes_the_offset_into_its_bias(place):
    place.write([contrib("DynamicQuantizeMatMul", "x W s zero b", "scores")], QUANTISED)
    check(place, mode="fold")


def test_an_integer_product_takes_the_offset_into_its_bias(place):
    place.write([helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"]),
                 contrib("MatMulIntegerToFloat", "q W qs s qz zero b", "scores")],
                QUANTISED)  # fmt: skip
    check(place, mode="fold")


def test_a_quantised_layer_without_a_bias_is_added_to(place):
    place.write([contrib("DynamicQuantizeMatMul", "x W s zero", "scores")], QUANTISED)
    check(place, mode="add")


def test_a_fused_relu_is_added_to(place):
    place.write([contrib("FusedGemm", "x W b", "scores", activation="Relu")],
                {"W": random(WIDE, CLASSES), "b": random(CLASSES)})  # fmt: skip
    check(place, mode="add")


# ---- words


def test_a_model_that_the_engine_rejects_is_named_by_its_own_path(place):
    """Not by that of its copy, which shows the value z and is gone."""
    place.write([node("Gemm", "x W b", "h"), contrib("Unheard", "h", "z"),
                 node("Tanh", "z", "scores")],
                {"W": random(WIDE, CLASSES), "b": random(CLASSES)})  # fmt: skip
    made = onnx.load(place.folder / "model.onnx")
    made.graph.value_info.append(info("z", "N", CLASSES))
    (place.folder / "model.onnx").write_bytes(made.SerializeToString())
    outcome = attempt(*place.arguments("--tensor", "z"), cwd=place.folder)
    assert outcome.code == 3
    assert outcome.err.startswith("p2p: 'model.onnx' cannot be run by ONNX Runtime")
    assert "Load model from the model failed" in outcome.err
