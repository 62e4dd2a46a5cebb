"""LogitAdjustedLoss against the formula in float64 NumPy."""

import numpy as np
import prior2posterior as p2p
import pytest
import torch
from prior2posterior.torch import LogitAdjustedLoss
from torch.nn import functional


def formula(z, y, counts, tau):
    """Loss of each row, and the gradient of their sum."""
    x = z + tau * np.log(counts / np.sum(counts))
    x = x - x.max(1, keepdims=True)
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    hit = np.eye(z.shape[1])[y]
    return -np.log((p * hit).sum(1)), p - hit


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_value_and_gradient_are_those_of_the_formula(dtype, tau, logits, labels, counts):
    z = logits.clone().to(dtype).requires_grad_()
    loss = LogitAdjustedLoss(counts, tau)(z, labels)
    loss.backward()
    value, gradient = formula(logits.numpy(), labels.numpy(), counts, tau)
    np.testing.assert_allclose(loss.item(), value.mean(), rtol=1e-6)
    np.testing.assert_allclose(z.grad * len(z), gradient, atol=2e-6)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_reductions_are_those_of_cross_entropy(reduction, logits, labels, counts):
    loss = LogitAdjustedLoss(counts, reduction=reduction)(logits, labels)
    value, _ = formula(logits.numpy(), labels.numpy(), counts, 1)
    expected = {"none": value, "sum": value.sum(), "mean": value.mean()}[reduction]
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_ignored_rows_do_not_count(logits, labels, counts):
    marked = labels.clone()
    marked[::2] = 255
    loss = LogitAdjustedLoss(counts, ignore_index=255)(logits, marked)
    value, _ = formula(logits.numpy()[1::2], labels.numpy()[1::2], counts, 1)
    np.testing.assert_allclose(loss, value.mean(), rtol=1e-6)


def test_class_weights_weigh_rows(logits, labels, counts):
    weight = np.arange(1.0, 8.0)
    loss = LogitAdjustedLoss(counts, weight=weight)(logits, labels)
    value, _ = formula(logits.numpy(), labels.numpy(), counts, 1)
    of_rows = weight[labels.numpy()]
    np.testing.assert_allclose(loss, (value * of_rows).sum() / of_rows.sum(), rtol=1e-6)


def test_label_smoothing_mixes_in_all_classes(logits, labels, counts):
    loss = LogitAdjustedLoss(counts, label_smoothing=0.1)(logits, labels)
    value, _ = formula(logits.numpy(), labels.numpy(), counts, 1)
    others = [formula(logits.numpy(), np.full(3000, c), counts, 1)[0] for c in range(7)]
    np.testing.assert_allclose(loss, 0.9 * value.mean() + 0.1 * np.mean(others), rtol=1e-6)


def test_pixels_are_rows(logits, labels, counts):
    images = logits[:2400].reshape(6, 20, 20, 7).permute(0, 3, 1, 2)
    loss = LogitAdjustedLoss(counts)
    torch.testing.assert_close(
        loss(images, labels[:2400].reshape(6, 20, 20)), loss(logits[:2400], labels[:2400])
    )


def test_one_row_alone_has_a_loss(logits, labels, counts):
    loss = LogitAdjustedLoss(counts)
    torch.testing.assert_close(loss(logits[0], labels[0]), loss(logits[:1], labels[:1]))


def test_the_scale_of_the_counts_does_not_matter(logits, labels, counts):
    frequencies = torch.tensor(counts / counts.sum())
    assert torch.equal(LogitAdjustedLoss(frequencies).offset, LogitAdjustedLoss(counts).offset)


def test_its_offset_is_that_of_models_trained_with_la(logits, counts):
    prior = p2p.estimate_prior(logits, counts=counts, trained_with="la:0.7")
    np.testing.assert_allclose(
        LogitAdjustedLoss(counts, 0.7).offset, prior.training_offset, rtol=1e-6
    )


def test_a_class_without_images_is_masked_and_gets_no_gradient(logits, labels, counts):
    missing = np.where(np.arange(7) == 6, 0, counts)
    rows = labels != 6
    z = logits[rows].clone().requires_grad_()
    loss = LogitAdjustedLoss(missing)(z, labels[rows])
    loss.backward()
    value, gradient = formula(logits[rows][:, :6].numpy(), labels[rows].numpy(), counts[:6], 1)
    np.testing.assert_allclose(loss.item(), value.mean(), rtol=1e-6)
    np.testing.assert_allclose(z.grad[:, :6] * len(z), gradient, atol=2e-6)
    assert not z.grad[:, 6].any()


def test_a_row_of_a_class_without_images_has_infinite_loss(logits):
    loss = LogitAdjustedLoss([1, 1, 1, 1, 1, 1, 0])
    assert loss(logits[:1], torch.tensor([6])) == torch.inf


def test_classes_without_images_count_as_others_when_tau_is_0(logits, labels):
    loss = LogitAdjustedLoss([1, 1, 1, 1, 1, 1, 0], 0.0, label_smoothing=0.1)
    expected = functional.cross_entropy(logits, labels, label_smoothing=0.1)
    torch.testing.assert_close(loss(logits, labels), expected)


def test_classes_without_images_and_label_smoothing_are_refused():
    with pytest.raises(p2p.Error, match="class 2 has no training images, and label_smoothing"):
        LogitAdjustedLoss([3, 2, 0], label_smoothing=0.1)


@pytest.mark.parametrize("counts", [[1, -1], [1, float("nan")], [0, 0], [[1, 2]], None])
def test_counts_that_are_none_are_refused(counts):
    with pytest.raises(p2p.Error, match="count"):
        LogitAdjustedLoss(counts)


def test_scores_of_other_classes_are_refused(logits, labels, counts):
    with pytest.raises(p2p.Error, match="counts of 7 classes"):
        LogitAdjustedLoss(counts)(logits[:, :1], labels)


def test_its_numbers_follow_the_model(counts):
    loss = LogitAdjustedLoss(counts, weight=counts)
    assert loss.double().offset.dtype == torch.float64
    assert loss.to("meta").weight.device.type == "meta"


def test_half_precision_scores_have_the_loss_of_their_values(logits, labels, counts):
    z = logits.half()
    value, _ = formula(z.double().numpy(), labels.numpy(), counts, 1)
    np.testing.assert_allclose(LogitAdjustedLoss(counts)(z, labels), value.mean(), rtol=1e-6)


def test_class_probabilities_need_images_of_every_class():
    z = torch.zeros(4, 3)
    half = torch.tensor([[0.5, 0.5, 0.0]]).expand(4, 3)
    assert torch.isfinite(LogitAdjustedLoss([10, 5, 1])(z, half))
    with pytest.raises(p2p.Error, match="class probabilities need images"):
        LogitAdjustedLoss([10, 5, 0])(z, half)
