"""CPU tensors in the functions of the package."""

import numpy as np
import prior2posterior as p2p
import pytest
import torch
from prior2posterior._arrays import as_rows

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tensor_is_looked_at_and_not_copied(dtype, logits):
    tensor = logits.to(dtype)
    assert as_rows(tensor).array.ctypes.data == tensor.data_ptr()


def test_a_tensor_with_strides_is_not_copied(logits):
    columns = logits.float().T.contiguous().T
    assert as_rows(columns).array.ctypes.data == columns.data_ptr()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_prior_of_a_tensor_is_that_of_its_array_bit_for_bit(dtype, logits, counts):
    tensor = logits.to(dtype)
    assert p2p.estimate_prior(tensor, counts=counts) == p2p.estimate_prior(
        tensor.numpy(), counts=counts
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_prior_of_16_bit_scores_is_that_of_their_values(dtype, logits):
    tensor = logits.to(dtype)
    wide = p2p.estimate_prior(tensor.double())
    np.testing.assert_allclose(p2p.estimate_prior(tensor).effective, wide.effective, rtol=1e-6)


def test_the_prior_of_a_tensor_does_not_depend_on_its_strides(logits):
    columns = logits.T.contiguous().T
    assert not columns.is_contiguous()
    assert p2p.estimate_prior(columns) == p2p.estimate_prior(logits)


def test_the_class_axis_of_a_tensor_of_pixels_is_said(logits):
    pixels = logits[:2400].reshape(6, 20, 20, 7)
    images = pixels.permute(0, 3, 1, 2)
    prior = p2p.estimate_prior(images, class_axis=1)
    rows = p2p.estimate_prior(logits[:2400])
    np.testing.assert_array_equal(prior.effective, rows.effective)


@pytest.mark.parametrize("dtype", DTYPES)
def test_corrected_scores_are_a_tensor_of_the_same_dtype_and_device(dtype, logits, prior):
    tensor = logits.to(dtype)
    corrected = p2p.correct(tensor, prior, input="logits")
    assert isinstance(corrected, torch.Tensor)
    assert (corrected.dtype, corrected.device) == (dtype, tensor.device)
    exact = tensor.double() + torch.tensor(p2p.make_correction(prior).delta)
    ulp = torch.finfo(dtype).eps
    torch.testing.assert_close(corrected.double(), exact, rtol=ulp, atol=ulp)


def test_corrected_labels_are_an_integer_tensor(logits, prior):
    labels = p2p.correct(logits, prior, output="labels")
    assert labels.dtype == torch.int64
    assert torch.equal(labels, p2p.correct(logits, prior).argmax(1))


def test_correcting_leaves_the_tensor_as_it_was(logits, prior):
    before = logits.clone()
    p2p.correct(logits, prior)
    assert torch.equal(logits, before)


def test_a_tensor_that_requires_grad_is_refused_with_the_remedy(logits):
    with pytest.raises(p2p.Error, match=r"requires grad; pass scores\.detach\(\)"):
        p2p.estimate_prior(logits.clone().requires_grad_())


def test_a_sparse_tensor_is_refused_with_the_remedy(logits):
    with pytest.raises(p2p.Error, match=r"sparse_coo; pass scores\.to_dense\(\)"):
        p2p.estimate_prior(logits.to_sparse())


def test_an_integer_tensor_is_refused(logits):
    with pytest.raises(p2p.Error, match="holds int64"):
        p2p.estimate_prior(logits.long())


def test_metrics_of_tensors_are_those_of_their_arrays(logits, labels, counts):
    tensors = p2p.evaluate(logits, labels, counts=torch.tensor(counts))
    arrays = p2p.evaluate(logits.numpy(), labels.numpy(), counts=counts)
    assert tensors.to_dict() == arrays.to_dict()


def test_batches_of_tensors_give_the_bits_of_one_tensor(logits, counts):
    assert p2p.estimate_prior(logits.split(97), counts=counts) == p2p.estimate_prior(
        logits, counts=counts
    )
