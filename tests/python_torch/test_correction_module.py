"""PriorCorrection: corrected scores behind a model."""

import copy
import io
import pickle
import warnings

import numpy as np
import onnx
import prior2posterior as p2p
import pytest
import torch
from prior2posterior.torch import PriorCorrection
from torch import nn

PYTORCH_2 = int(torch.__version__.split(".")[0]) >= 2
needs_pytorch_2 = pytest.mark.skipif(not PYTORCH_2, reason="PyTorch 1.13 does not have it")


@pytest.fixture
def module(prior):
    return PriorCorrection(prior)


@pytest.fixture
def scores(logits):
    return logits[:64].float()


def exported(model, example, **options):
    file = io.BytesIO()
    if PYTORCH_2:
        options = {"dynamo": False, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            model, example, file, input_names=["x"], output_names=["y"],
            dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, **options,
        )  # fmt: skip
    return onnx.load_from_string(file.getvalue())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_it_corrects_as_correct_does_and_keeps_the_dtype(dtype, module, scores, prior):
    corrected = module(scores.to(dtype))
    assert corrected.dtype == dtype
    expected = p2p.correct(scores.to(dtype), prior, input="logits")
    ulp = torch.finfo(dtype).eps
    torch.testing.assert_close(corrected, expected, rtol=ulp, atol=ulp)


def test_float64_scores_are_corrected_by_float32_numbers(module, logits, prior):
    corrected = module(logits)
    assert corrected.dtype == torch.float64
    torch.testing.assert_close(corrected, p2p.correct(logits, prior), rtol=2e-7, atol=2e-7)


def test_target_method_and_strength_act_as_in_make_correction(prior):
    how = {"target": "empirical", "method": "empirical", "strength": 0.5}
    module = PriorCorrection(prior, **how)
    np.testing.assert_allclose(
        module.delta, p2p.make_correction(prior, **how).delta.astype(np.float32)
    )


def test_it_is_built_from_a_correction(prior, module, scores):
    correction = p2p.make_correction(prior)
    assert torch.equal(PriorCorrection(correction)(scores), module(scores))
    with pytest.raises(p2p.Error, match="settled in a Correction"):
        PriorCorrection(correction, strength=0.5)


def test_temperature_and_scale_of_the_classes_multiply_the_scores(prior, logits, labels):
    correction = p2p.make_correction(
        prior, method="vector-scaling", holdout=logits, holdout_labels=labels
    )
    module = PriorCorrection(correction)
    np.testing.assert_allclose(module.scale, correction.scale / correction.temperature, rtol=1e-6)
    torch.testing.assert_close(
        module(logits), p2p.correct(logits, correction), rtol=1e-6, atol=1e-6
    )


def test_a_temperature_divides_the_scores(logits, counts):
    prior = p2p.estimate_prior(logits, counts=counts, temperature=2.5)
    corrected = p2p.correct(logits, prior)
    torch.testing.assert_close(PriorCorrection(prior)(logits), corrected, rtol=1e-6, atol=1e-6)


def test_a_class_of_target_0_is_masked(prior, scores):
    corrected = PriorCorrection(prior, target=[1, 1, 1, 1, 1, 1, 0])(scores)
    assert bool((corrected[:, 6] == -torch.inf).all())
    assert bool(corrected[:, :6].isfinite().all())


def test_a_correction_that_needs_a_second_model_is_refused(prior, logits, labels):
    correction = p2p.make_correction(
        prior, method="gla", holdout=logits, holdout_labels=labels, holdout_second=logits * 0.5
    )
    with pytest.raises(p2p.Error, match="a module sees one model only"):
        PriorCorrection(correction)


def test_the_class_axis_may_be_any(prior, logits):
    images = logits[:600].reshape(6, 10, 10, 7).permute(0, 3, 1, 2)
    corrected = PriorCorrection(prior, dim=1)(images)
    last = PriorCorrection(prior)(images.permute(0, 2, 3, 1))
    assert torch.equal(corrected, last.permute(0, 3, 1, 2))
    assert torch.equal(corrected, PriorCorrection(prior, dim=-3)(images))


def test_one_row_alone_is_corrected(module, scores):
    assert torch.equal(module(scores[0]), module(scores)[0])


def test_gradients_flow(module, scores):
    leaf = scores.clone().requires_grad_()
    module(leaf).logsumexp(1).sum().backward()
    torch.testing.assert_close(leaf.grad, module(scores).softmax(1))


def test_it_has_nothing_to_train(module):
    assert not list(module.parameters())


def test_scores_of_other_classes_are_refused(module, scores):
    for wrong in (scores[:, :6], scores[:, :1]):
        with pytest.raises(p2p.Error, match=r"have \d classes along axis -1, but .* has 7"):
            module(wrong)


def test_the_identity_leaves_scores_as_they_are(scores):
    assert torch.equal(PriorCorrection(7)(scores), scores)


def test_a_state_dict_goes_into_the_identity(module, scores):
    other = PriorCorrection(7)
    other.load_state_dict(module.state_dict())
    assert torch.equal(other(scores), module(scores))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_corrects_the_same(copied, module, scores):
    assert torch.equal(copied(module)(scores), module(scores))


def test_its_numbers_follow_the_model(prior):
    model = nn.Sequential(nn.Linear(3, 7), PriorCorrection(prior))
    assert model[1].delta.dtype == torch.float32
    assert model.half()[1].delta.dtype == torch.float16
    assert model.double()[1].scale.dtype == torch.float64
    assert model.to("meta")[1].delta.device.type == "meta"


def test_it_follows_the_model_in_eval_mode_under_bfloat16_autocast(module):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = nn.Linear(3, 7)(torch.randn(2, 3))
        assert module(scores).dtype == scores.dtype == torch.bfloat16


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_torchscript_corrects_the_same(prior, module, scores):
    script = torch.jit.script(module)
    assert torch.equal(script(scores), module(scores))
    assert torch.equal(torch.jit.trace(module, scores[:2])(scores), module(scores))
    images = scores.T.reshape(1, 7, 8, 8)
    axis1 = PriorCorrection(prior, dim=1)
    assert torch.equal(torch.jit.script(axis1)(images), axis1(images))
    with pytest.raises(torch.jit.Error, match="use a prior of the same model"):
        script(scores[:, :5])


@pytest.mark.parametrize(
    ("head", "shape", "dim"), [(nn.Linear(3, 7), (2, 3), -1), (nn.Conv2d(3, 7, 1), (2, 3, 4, 4), 1)]
)
def test_in_onnx_it_is_one_product_and_one_sum(prior, head, shape, dim):
    model = nn.Sequential(head, PriorCorrection(prior, dim=dim)).eval()
    graph = exported(model, torch.randn(shape)).graph
    assert [node.op_type for node in graph.node][1:] == ["Mul", "Add"]


def test_in_onnx_it_corrects_the_same(prior):
    reference = pytest.importorskip("onnx.reference", reason="onnx before 1.13 cannot run models")
    model = nn.Sequential(nn.Linear(3, 7), PriorCorrection(prior)).eval()
    x = torch.randn(5, 3)
    (y,) = reference.ReferenceEvaluator(exported(model, x[:2])).run(None, {"x": x.numpy()})
    np.testing.assert_allclose(y, model(x).detach(), rtol=1e-5, atol=1e-6)


@needs_pytorch_2
def test_the_second_onnx_exporter_corrects_the_same(prior):
    pytest.importorskip("onnxscript")
    reference = pytest.importorskip("onnx.reference")
    model = nn.Sequential(nn.Linear(3, 7), PriorCorrection(prior)).eval()
    x = torch.randn(5, 3)
    program = torch.onnx.export(model, (x,), input_names=["x"], dynamo=True, verbose=False)
    (y,) = reference.ReferenceEvaluator(program.model_proto).run(None, {"x": x.numpy()})
    np.testing.assert_allclose(y, model(x).detach(), rtol=1e-5, atol=1e-6)


@needs_pytorch_2
def test_torch_compile_makes_one_graph_that_corrects_the_same(module, scores):
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(scores), module(scores))


@needs_pytorch_2
def test_torch_export_corrects_the_same(module, scores):
    program = torch.export.export(module, (scores,))
    assert torch.equal(program.module()(scores), module(scores))
