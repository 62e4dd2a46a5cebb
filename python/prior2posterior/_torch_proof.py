"""The proof that a module with a correction in it makes the corrected scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ._core import Correction
from ._correct import correct
from ._errors import Error

__all__ = ["prove"]


def prove(
    module: nn.Module,
    baked: nn.Module,
    correction: Correction,
    inputs: Any,
    tolerance: float | None,
    input: str = "auto",
) -> None:
    """Run a module before and after; Error unless the scores after are the corrected ones before.

    Parameters
    ----------
    module, baked
        Before and after.
    correction
        What was baked in.
    inputs
        A tensor or array, or a tuple or mapping of several.
    tolerance
        Most that scores may differ, relative beyond 1; None: 1e-5, or 8 units in the last place.
    input
        ``'logits'``: scores that look like log-probabilities are logits.
    """
    before, after = _scores(module, inputs), _scores(baked, inputs)
    classes = correction.delta.size
    axis = 1 if before.dim() > 1 and before.shape[1] == classes else -1
    if before.dim() < 2 or before.shape[axis] != classes:
        raise Error(
            f"the proof finds no {classes} classes in the output, of shape {tuple(before.shape)}; "
            "is the layer the one that makes the scores?"
        )
    if tolerance is None:
        tolerance = max(1e-5, 8 * torch.finfo(before.dtype).eps)
    scores = _float64(before)
    kind = _kind(scores, axis)
    if kind == "log-probs" and input == "logits":
        kind = "logits"
    expected = np.asarray(correct(scores, correction, class_axis=axis, input=kind))
    found = _float64(after)
    close = np.isclose(found, expected, rtol=tolerance, atol=tolerance)
    if not close.all():
        place = tuple(int(i) for i in np.argwhere(~close)[0])
        looks = "; logits that look like log-probs need input='logits'"
        doubt = looks if kind == "log-probs" else ""
        raise Error(
            f"the proof failed: at {place} the new module gives {found[place]:.6g}, but the "
            f"corrected score is {expected[place]:.6g}; forward does something with the scores of "
            "the layer, or averages several heads (name them all); otherwise put a "
            f"PriorCorrection behind the logits{doubt}"
        )


def _kind(scores: NDArray[np.float64], axis: int) -> str:
    """Probabilities and log-probabilities are normalised, in whatever precision."""
    if scores.min() >= 0 and np.allclose(scores.sum(axis=axis), 1, atol=0.02):
        return "probs"
    if scores.max() <= 0 and np.allclose(np.exp(scores).sum(axis=axis), 1, atol=0.02):
        return "log-probs"
    return "logits"


def _scores(module: nn.Module, inputs: Any) -> Tensor:
    """Return the scores of a module in eval mode, which it is in again as before."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            if isinstance(inputs, Mapping):
                output = module(**{name: _tensor(value) for name, value in inputs.items()})
            elif isinstance(inputs, tuple):
                output = module(*map(_tensor, inputs))
            else:
                output = module(_tensor(inputs))
    finally:
        for part, training in modes:
            part.training = training
    if hasattr(output, "logits"):
        output = output.logits
    elif isinstance(output, Mapping):
        output = output.get("logits")
    elif isinstance(output, tuple):
        output = output[0]
    if not isinstance(output, Tensor):
        raise Error(
            f"the module gives a {type(output).__name__}; the proof looks for a tensor of scores, "
            "or 'logits'"
        )
    return output


def _tensor(value: Any) -> Any:
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


def _float64(scores: Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = scores.detach().cpu().double().numpy()
    return array
