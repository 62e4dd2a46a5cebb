"""Arrays and modules on a GPU; skipped where there is none."""

import numpy as np
import prior2posterior as p2p
import pytest
import torch
from prior2posterior.torch import EffectivePrior, PriorCorrection

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_a_tensor_is_copied_with_a_warning_and_its_prior_is_that_of_the_copy(dtype, logits, counts):
    tensor = logits.to("cuda", dtype)
    with pytest.warns(p2p.DeviceCopyWarning, match="cuda:0"):
        prior = p2p.estimate_prior(tensor, counts=counts)
    assert prior == p2p.estimate_prior(tensor.cpu(), counts=counts)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_corrected_scores_lie_where_the_scores_lay(dtype, logits, prior):
    tensor = logits.to("cuda", dtype)
    with pytest.warns(p2p.DeviceCopyWarning):
        corrected = p2p.correct(tensor, prior)
    assert corrected.device == tensor.device
    assert torch.equal(corrected.cpu(), p2p.correct(tensor.cpu(), prior))


def test_a_cupy_array_comes_back_as_one(logits, prior):
    cupy = pytest.importorskip("cupy")
    scores = logits.float().numpy()
    with pytest.warns(p2p.DeviceCopyWarning):
        corrected = p2p.correct(cupy.asarray(scores), prior)
    assert isinstance(corrected, cupy.ndarray)
    np.testing.assert_array_equal(corrected.get(), p2p.correct(scores, prior))


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_the_metric_sums_on_the_gpu(dtype, bound, logits, counts):
    metric = EffectivePrior(logits.shape[1], counts=counts)
    for batch in logits.to("cuda", dtype).split(256):
        metric.update(batch)
    expected = p2p.estimate_prior(logits.to(dtype), counts=counts)
    np.testing.assert_allclose(metric.compute().effective, expected.effective, rtol=bound)


def test_the_module_corrects_on_the_gpu_and_inside_autocast(logits, prior):
    module = PriorCorrection(prior).to("cuda")
    scores = logits.float()
    expected = PriorCorrection(prior)(scores)
    torch.testing.assert_close(module(scores.cuda()).cpu(), expected)
    with torch.autocast("cuda", torch.bfloat16):
        torch.testing.assert_close(
            module(scores.cuda()).float().cpu(), expected, rtol=1e-2, atol=1e-2
        )
