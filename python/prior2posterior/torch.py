"""Priors and corrections where PyTorch's tensors are.

    prior = EffectivePrior(counts=counts)           # a metric: sums on the tensors' own device
    for x, _ in train_loader:
        prior.update(model(x))
    prior = prior.compute()

    model = nn.Sequential(model, PriorCorrection(prior))      # behind the model,
    model = prior2posterior.bake(model, prior)                # or in the bias of its last layer

    loss = LogitAdjustedLoss(counts)                          # or corrected while it learns

PyTorch 1.13 and 2.x. `import prior2posterior` alone does not import PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise ImportError("prior2posterior.torch needs PyTorch: pip install torch") from error
from torch.nn import functional

from . import _core
from ._core import ClassPrior, Correction
from ._correct import correction_of
from ._errors import Error
from ._torch_bake import bake_module, unbake_module
from ._torch_metric import EffectivePrior
from ._values import per_class

__all__ = [
    "EffectivePrior",
    "LogitAdjustedLoss",
    "PriorCorrection",
    "bake_module",
    "unbake_module",
]


class PriorCorrection(nn.Module):
    """Corrected scores behind a model: z' = scale * z + delta, one number of each per class.

    Parameters
    ----------
    prior
        A ClassPrior, a Correction, or the number of classes: then the identity, to load a state
        dict into.
    target, method, strength
        As for :func:`prior2posterior.make_correction`; for a ClassPrior only.
    dim
        Axis of the classes: -1 for (..., C), 1 for N,C,H,W.

    Attributes
    ----------
    delta, scale : Tensor
        Buffers of shape (C,), float32; they are saved with the module and follow ``.to()`` and
        ``.half()``. `scale` is 1 / T, times the factors of ``method='vector-scaling'``.

    Raises
    ------
    Error
        No such correction, one that needs the scores of a second model (``method='gla'``), or one
        whose scales were learned from probabilities; in `forward`, scores of another number of
        classes.

    Notes
    -----
    Input: logits of any float dtype, or log-probabilities where all classes have one scale; the
    result has its shape, dtype and device, and gradients flow. Low precision is computed in the
    buffers' float32; float64 scores are corrected by float32 numbers (relative 6e-8),
    :func:`prior2posterior.correct` does it in full. Works in `torch.compile`, `torch.jit.script`,
    `torch.jit.trace` and ONNX export. Source: Bhat et al., Prior2Posterior, WACV 2025,
    arXiv:2412.16540.

    Examples
    --------
    >>> model = nn.Sequential(model, PriorCorrection(prior))
    """

    if TYPE_CHECKING:  # torch.jit.script would read it
        delta: Tensor
        scale: Tensor

    def __init__(
        self,
        prior: ClassPrior | Correction | int,
        *,
        target: Any = "uniform",
        method: str = "p2p",
        strength: float = 1.0,
        dim: int = -1,
    ) -> None:
        super().__init__()
        if isinstance(prior, int):
            delta, scale = np.zeros(prior), np.ones(prior)
        else:
            correction = correction_of(prior, target, method, strength, {})
            if correction.second_temperature is not None:
                raise Error(
                    "the correction adds the scores of a second model (method='gla'); a module "
                    "sees one model only, use prior2posterior.correct(scores, ..., second=...)"
                )
            _core.require_fit(correction, "logits", "what the module reads")
            delta = correction.delta
            ones = np.ones(delta.size)
            scale = (
                ones if correction.scale is None else correction.scale
            ) / correction.temperature
        self.register_buffer("delta", torch.tensor(delta, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        self.dim = dim

    def forward(self, logits: Tensor) -> Tensor:
        """Return the corrected scores."""
        classes = self.delta.shape[0]
        if not torch.jit.is_tracing() and logits.shape[self.dim] != classes:
            raise Error(
                f"the scores have {logits.shape[self.dim]} classes along axis {self.dim}, but the "
                f"correction has {classes}; use a prior of the same model, or another dim"
            )
        behind = (logits.dim() - self.dim if self.dim >= 0 else -self.dim) - 1
        shape = [classes] + [1] * behind
        corrected = logits * self.scale.view(shape) + self.delta.view(shape)
        return corrected if corrected.dtype == logits.dtype else corrected.to(logits.dtype)

    def extra_repr(self) -> str:
        """Say how many classes there are, and where."""
        return f"{self.delta.shape[0]}, dim={self.dim}"


class LogitAdjustedLoss(nn.Module):
    """Cross-entropy of z + tau * log pi: the model learns scores for balanced classes.

    Parameters
    ----------
    counts
        Training images per class, or class frequencies; shape (C,), any positive scale.
    tau
        Strength; 1 is consistent for the balanced error, 0 is plain cross-entropy.
    weight, ignore_index, reduction, label_smoothing
        As for :func:`torch.nn.functional.cross_entropy`.

    Attributes
    ----------
    offset : Tensor
        Buffer of shape (C,), float32: tau * log pi, with pi = counts / sum(counts). It follows
        ``.to()``.

    Raises
    ------
    Error
        Counts that are negative, not finite or all 0; classes without images together with
        `label_smoothing`; in `forward`, scores of another number of classes.

    Notes
    -----
    Scores of shape (C,), (N, C) or (N, C, d1, ...), labels (or class probabilities) as for
    cross_entropy. A class without images has log pi = -inf, the limit of the formula: it is masked
    in training, gets no gradient, and the loss of a row with its label is infinite. Estimate the
    prior of a model trained like this with ``trained_with='la:TAU'``, or the prior is divided out
    twice. Source: Menon et al., Long-tail learning via logit adjustment, ICLR 2021,
    arXiv:2007.07314.

    Examples
    --------
    >>> loss = LogitAdjustedLoss(counts)(model(x), y)
    """

    if TYPE_CHECKING:
        offset: Tensor
        weight: Tensor | None

    def __init__(
        self,
        counts: Any,
        tau: float = 1.0,
        *,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        numbers = per_class(counts, "counts")
        if numbers is None or not (np.isfinite(numbers).all() and (numbers >= 0).all()):
            raise Error("counts must be finite and at least 0, one number per class")
        if not numbers.any():
            raise Error("all counts are 0; at least one class must have training images")
        if label_smoothing > 0 and tau != 0 and not numbers.all():
            raise Error(
                f"class {int(np.argmin(numbers))} has no training images, and label_smoothing "
                "gives it a share of every label, whose loss is infinite; leave one of them out"
            )
        with np.errstate(divide="ignore"):
            log_pi = np.log(numbers / numbers.sum())
        offset = tau * log_pi if tau != 0 else np.zeros(numbers.size)
        self.register_buffer("offset", torch.tensor(offset, dtype=torch.float32))
        weights = per_class(weight, "weight")
        self.register_buffer(
            "weight", None if weights is None else torch.tensor(weights, dtype=torch.float32)
        )
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss."""
        axis = min(logits.dim() - 1, 1)
        classes = self.offset.shape[0]
        if logits.shape[axis] != classes:
            raise Error(
                f"the scores have shape {tuple(logits.shape)}, but there are counts of {classes} "
                f"classes; axis {axis} must hold the classes"
            )
        adjusted = logits + self.offset.view([classes] + [1] * (logits.dim() - axis - 1))
        if labels.is_floating_point() and torch.isinf(self.offset).any():
            raise Error(
                "labels that are class probabilities need images of every class, but counts holds "
                "a 0; leave the class out, or give class numbers"
            )
        return functional.cross_entropy(
            adjusted,
            labels,
            weight=None if self.weight is None else self.weight.to(adjusted.dtype),
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
