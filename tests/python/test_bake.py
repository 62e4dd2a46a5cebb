"""Corrections in model files, by the functions of the package."""

import json

import numpy as np
import onnx
import onnxruntime
import prior2posterior as p2p
import pytest
from conftest import softmax


def write_model(path, n_classes=7):
    """Features [N, 4] -> logits [N, 7] by one Gemm."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, n_classes)).astype(np.float32)
    bias = rng.normal(size=n_classes).astype(np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Gemm", ["x", "w", "b"], ["logits"])],
        "head",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 4])],
        [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["N", n_classes])],
        [onnx.numpy_helper.from_array(weights, "w"), onnx.numpy_helper.from_array(bias, "b")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)


@pytest.fixture
def model(tmp_path):
    write_model(tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


@pytest.fixture(scope="module")
def prior(toy):
    return p2p.estimate_prior(toy.logits, counts=toy.counts)


INPUTS = np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32)


def scores(path):
    return onnxruntime.InferenceSession(path).run(None, {"x": INPUTS})[0]


@pytest.mark.parametrize("verify", [INPUTS, {"x": INPUTS}], ids=["array", "mapping"])
def test_a_baked_file_gives_corrected_scores_and_the_proof_says_so(model, prior, verify, tmp_path):
    report = p2p.bake(model, prior, tmp_path / "new.onnx", verify=verify)
    np.testing.assert_allclose(
        scores(tmp_path / "new.onnx"), p2p.correct(scores(model), prior), rtol=1e-5, atol=1e-5
    )
    assert report["verification"]["passed"]
    assert report["verification"]["n_rows"] == 50


def test_the_file_is_that_of_the_command(model, prior, command):
    p2p.save(prior, command.folder / "p.json")
    p2p.bake(model, prior, command.folder / "a.onnx", target="empirical", strength=0.5)
    command(
        "bake",
        model,
        "--prior",
        "p.json",
        "--target",
        "empirical",
        "--strength",
        0.5,
        "-o",
        "b.onnx",
    )
    assert (command.folder / "a.onnx").read_bytes() == (command.folder / "b.onnx").read_bytes()


def test_unbake_gives_the_original_bytes(model, prior, tmp_path):
    p2p.bake(model, prior, tmp_path / "new.onnx")
    report = p2p.unbake(tmp_path / "new.onnx", tmp_path / "old.onnx")
    assert (tmp_path / "old.onnx").read_bytes() == model.read_bytes()
    assert json.dumps(report)


def test_show_says_where_the_scores_are_made_and_what_was_baked(model, prior, command):
    p2p.bake(model, prior, command.folder / "new.onnx")
    for path in (model, command.folder / "new.onnx"):
        assert p2p.show(path) == command("show", path, "--json")


def test_a_proof_that_fails_leaves_no_file(model, prior, tmp_path):
    with pytest.raises(p2p.Error, match="nothing was written"):
        p2p.bake(model, prior, tmp_path / "new.onnx", verify=INPUTS, tolerance=0.0)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_a_model_of_other_classes_is_refused(model, tmp_path):
    prior = p2p.estimate_prior(softmax(np.random.default_rng(0).normal(size=(50, 5))))
    with pytest.raises(p2p.Error, match="5"):
        p2p.bake(model, prior, tmp_path / "new.onnx")


def test_a_correction_may_be_baked_itself(model, prior, tmp_path):
    correction = p2p.make_correction(prior, method="empirical")
    p2p.bake(model, correction, tmp_path / "new.onnx")
    np.testing.assert_allclose(
        scores(tmp_path / "new.onnx"), scores(model) + correction.delta, rtol=1e-5, atol=1e-5
    )


def write_near_zero(path):
    """Features [N, 4] -> logits [0, z] with z near -40, whose log-sum-exp is 0 but for 1e-17."""
    nodes = [
        onnx.helper.make_node("Gemm", ["x", "w", "b"], ["z"]),
        onnx.helper.make_node("Mul", ["z", "zero"], ["z0"]),
        onnx.helper.make_node("Concat", ["z0", "z"], ["logits"], axis=1),
    ]
    arrays = {"w": np.full((4, 1), 0.1), "b": np.array([-40.0]), "zero": np.array(0.0)}
    graph = onnx.helper.make_graph(
        nodes,
        "head",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 4])],
        [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["N", 2])],
        [onnx.numpy_helper.from_array(a.astype(np.float32), name) for name, a in arrays.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)


def test_logits_that_look_like_log_probabilities_are_what_input_says(tmp_path):
    write_near_zero(tmp_path / "m.onnx")
    prior = p2p.estimate_prior(np.random.default_rng(2).normal([2, 0], 1, (50, 2)))
    correction = p2p.make_correction(prior)

    def bake(**options):
        return p2p.bake(
            tmp_path / "m.onnx",
            correction,
            tmp_path / "new.onnx",
            tensor="logits",
            verify=INPUTS,
            **options,
        )

    with pytest.raises(p2p.Error, match=r'log-probs.*input="logits"'):
        bake()
    assert bake(input="logits")["verification"]["passed"]
    np.testing.assert_allclose(
        scores(tmp_path / "new.onnx"),
        scores(tmp_path / "m.onnx") + correction.delta,
        rtol=1e-5,
        atol=1e-5,
    )


def test_inputs_that_do_not_fit_are_called_verify_not_by_a_file_that_is_gone(
    model, prior, tmp_path
):
    with pytest.raises(p2p.Error, match=r"'verify' has shape \[50, 3\]"):
        p2p.bake(model, prior, tmp_path / "new.onnx", verify=INPUTS[:, :3])
    with pytest.raises(p2p.Error, match="'verify' lacks 'x' and holds 'y'"):
        p2p.bake(model, prior, tmp_path / "new.onnx", verify={"y": INPUTS})


def write_weights(path, **arrays):
    """A .safetensors file of float32 arrays; a dot in a name is written as two underscores."""
    header, data = {}, b""
    for name, array in arrays.items():
        content = array.astype("<f4").tobytes()
        header[name.replace("__", ".")] = {
            "dtype": "F32",
            "shape": array.shape,
            "data_offsets": [len(data), len(data) + len(content)],
        }
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def test_a_new_bias_is_warned_of(prior, tmp_path):
    write_weights(tmp_path / "m.safetensors", score__weight=np.ones((7, 4)))
    with pytest.warns(p2p.PriorWarning, match=r"'score.bias' is new.*must give the layer a bias"):
        p2p.bake(
            tmp_path / "m.safetensors", prior, tmp_path / "new.safetensors", add_bias="score.bias"
        )


def test_a_bias_that_from_pretrained_would_leave_out_is_refused(prior, tmp_path):
    write_weights(tmp_path / "m.safetensors", score__weight=np.ones((7, 4)))
    (tmp_path / "config.json").write_text('{"architectures": ["MistralForSequenceClassification"]}')
    with pytest.raises(p2p.Error, match=r"MistralForSequenceClassification.*bake\(module, prior\)"):
        p2p.bake(
            tmp_path / "m.safetensors", prior, tmp_path / "new.safetensors", add_bias="score.bias"
        )
