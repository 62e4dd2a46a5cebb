"""A correction in the bias of a module's last layer, and out of it again."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from . import _core
from ._core import Correction
from ._errors import Error, warn
from ._torch_proof import prove

__all__ = ["bake_module", "unbake_module"]

# Attribute of a layer that was corrected: what it was, and a digest of what it is now.
_RECORD = "_prior2posterior"

# Behind the layer these give the same of corrected scores as of any.
_HARMLESS = (
    nn.Identity,
    nn.Flatten,
    nn.Unflatten,
    nn.Dropout,
    nn.Dropout2d,
    nn.Softmax,
    nn.Softmax2d,
    nn.LogSoftmax,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.Upsample,
)


def bake_module(
    module: nn.Module,
    correction: Correction,
    *,
    layer: str | Sequence[str] = "",
    again: bool = False,
    verify: Any = None,
    tolerance: float | None = None,
    input: str = "auto",
) -> nn.Module:
    """Return a copy of a module whose last layer makes corrected scores.

    bias' = scale / T * bias + delta, and weight' = scale / T * weight where that is not 1, in
    float64 and rounded once to the dtype of the layer.

    Parameters
    ----------
    module
        Holds an `nn.Linear` or a 1x1 `nn.Conv2d` with C outputs. The last registered one is taken;
        a bias is made where there is none.
    correction
        From :func:`prior2posterior.make_correction`.
    layer
        Name of the layer, as in `named_modules()`, where the last is not the head or where there
        are several heads; any `nn.Linear` or `nn.Conv2d`. Several names: heads whose scores are
        averaged, each of which takes the whole correction.
    again
        On top of what is baked in already.
    verify
        Inputs of a few rows, a tensor, a tuple or a mapping of them: both modules are run over
        them in eval mode, and the new one is returned only when its scores are the corrected old
        ones (the first tensor of the output, or its `logits`).
    tolerance
        Most that scores may differ, relative beyond 1; None: 1e-5, or 8 units in the last place.
    input
        ``'logits'``: the scores are logits, even where the proof would take their numbers for
        log-probabilities.

    Returns
    -------
    nn.Module
        Its state dict fits the architecture (with a bias, where one was made). It remembers the
        original bits for :func:`unbake_module`; a state dict does not.

    Raises
    ------
    Error
        No layer with C outputs; two that may both be heads; in an `nn.Sequential`, a module behind
        the layer that changes what its bias does (Sigmoid); parameters that other modules use too;
        a layer that is corrected already; numbers that its dtype cannot hold; the proof failed.

    Warns
    -----
    PriorWarning
        A `forward` that nobody reads here and no `verify`; a new bias that `from_pretrained` of
        transformers will not load.

    Notes
    -----
    Only `nn.Sequential` says what comes behind a layer: what `forward` does with the scores of the
    layer is not seen. A layer with C outputs before the last is passed over where it is clearly
    earlier: in an `nn.Sequential`, or when the last takes C inputs.
    """
    result = module
    names = [layer] if isinstance(layer, str) else list(layer)
    if not names:
        raise Error("layer names no layer; give a name, or leave it out for the last one")
    for name in names:
        result = _baked(result, correction, name, again)
    if verify is not None:
        prove(module, result, correction, verify, tolerance, input)
    elif not _says_order(module, result):
        warn(
            f"{type(module).__name__}.forward may do anything with the scores of the layer, and "
            "nothing was run; give a few inputs with verify=x to prove the result"
        )
    _warn_of_new_bias(module, result)
    return result


def _says_order(module: nn.Module, result: nn.Module) -> bool:
    """Whether nn.Sequentials alone lead to what was corrected."""
    for name, baked in result.named_modules():
        if hasattr(baked, _RECORD) and name:
            path = name.split(".")
            parents = (module.get_submodule(".".join(path[:i])) for i in range(len(path)))
            if not all(type(parent) is nn.Sequential for parent in parents):
                return False
    return True


def _warn_of_new_bias(module: nn.Module, result: nn.Module) -> None:
    for name, baked in result.named_modules():
        made = hasattr(baked, _RECORD) and getattr(module.get_submodule(name), "bias", None) is None
        if made and hasattr(module, "save_pretrained"):
            warn(
                f"layer '{name}' has a bias now, which from_pretrained drops, since the "
                f"architecture of {type(module).__name__} has none; save the module itself "
                "(torch.save), make the bias before loading the state dict, or put a "
                "PriorCorrection behind the logits"
            )


def _baked(module: nn.Module, correction: Correction, layer: str, again: bool) -> nn.Module:
    if isinstance(module, torch.jit.ScriptModule):
        raise Error(
            "module is a ScriptModule, whose layers cannot be changed here; save it and bake the "
            "file: bake('model.pt', prior, 'corrected.pt'), which needs p2p-torch"
        )
    if correction.second_temperature is not None:
        raise Error(
            "the correction adds the scores of a second model (method='gla'); it cannot be folded "
            "into one model"
        )
    classes = correction.delta.size
    _core.require_fit(correction, "logits", "the layer")
    name = _head_name(module, classes, layer)
    head = module.get_submodule(name)
    factor = np.ones(classes) if correction.scale is None else correction.scale
    factor = factor / correction.temperature
    scales = bool((factor != 1).any())
    _check_parameters(module, head, name, scales)
    _check_behind(module, name)
    record = getattr(head, _RECORD, None)
    if record is not None and not again:
        raise Error(
            f"a correction is baked into layer '{name}' already; unbake it first, or say again=True"
        )
    if record is not None and _digest(head, record) != record["baked"]:
        record = None  # trained on since: that is what unbaking goes back to

    result = _copy(module)
    head = result.get_submodule(name)
    weight, bias = head.weight, head.bias
    if record is None:
        record = {"weight": weight.detach().clone() if scales else None,
                  "bias": None if bias is None else bias.detach().clone()}  # fmt: skip
    elif scales and record["weight"] is None:
        record = {**record, "weight": weight.detach().clone()}
    if scales:
        rows = factor.reshape([-1] + [1] * (weight.dim() - 1))
        _write(weight, rows * _float64(weight), f"{name}.weight")
    folded = _core.folded_bias(None if bias is None else _float64(bias), correction)
    if bias is None:
        head.bias = nn.Parameter(weight.new_empty(classes), requires_grad=weight.requires_grad)
    _write(head.bias, folded, f"{name}.bias")
    setattr(head, _RECORD, {**record, "baked": _digest(head, record)})
    return result


def unbake_module(module: nn.Module) -> nn.Module:
    """Return a copy of a module without what :func:`bake_module` did, with its original bits.

    Parameters
    ----------
    module
        What `bake_module` returned, or a copy of it, on any device.

    Raises
    ------
    Error
        Nothing was baked in, or the layer was changed since.
    """
    names = [name for name, layer in module.named_modules() if hasattr(layer, _RECORD)]
    if not names:
        raise Error(
            "no correction is baked into the module; only what bake returned, or a copy of it, "
            "remembers its original numbers (a state dict does not)"
        )
    result = _copy(module)
    for name in names:
        head = result.get_submodule(name)
        record = getattr(head, _RECORD)
        if head.bias is None or _digest(head, record) != record["baked"]:
            raise Error(
                f"layer '{name}' was changed after the correction was baked into it, so it cannot "
                "be taken out again"
            )
        with torch.no_grad():
            if record["weight"] is not None:
                head.weight.copy_(record["weight"])
            if record["bias"] is None:
                head.bias = None
            else:
                head.bias.copy_(record["bias"])
        delattr(head, _RECORD)
    return result


def _outputs(layer: nn.Module) -> int:
    """Return the outputs of a layer that can take a correction, else 0."""
    if isinstance(layer, nn.Linear):
        return int(layer.out_features)
    return int(layer.out_channels) if isinstance(layer, nn.Conv2d) else 0


def _inputs(layer: Any) -> int:
    return int(layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels)


def _head_name(module: nn.Module, classes: int, wanted: str) -> str:
    layers: dict[str, nn.Module] = {
        name: layer for name, layer in module.named_modules() if _outputs(layer) > 0
    }
    if wanted:
        if wanted not in layers:
            raise Error(
                f"the module has no Linear or Conv2d named '{wanted}'; it has {_listed(layers)}"
            )
        if _outputs(layers[wanted]) != classes:
            raise Error(
                f"layer '{wanted}' has {_outputs(layers[wanted])} outputs, but the correction has "
                f"{classes} classes; use a prior of the same model"
            )
        return wanted
    heads = [
        name
        for name, layer in layers.items()
        if _outputs(layer) == classes
        and (isinstance(layer, nn.Linear) or set(layer.kernel_size) == {1})
    ]
    if not heads:
        raise Error(
            f"no Linear or 1x1 Conv2d of the module has {classes} outputs, as the correction; it "
            f"has {_listed(layers)}"
        )
    last = heads[-1]
    for name in heads[:-1]:
        if type(layers[name]) is type(layers[last]) and not _clearly_earlier(module, name, last):
            raise Error(
                f"layers '{name}' and '{last}' both have {classes} outputs; name the one that "
                "makes the scores (tensor= of bake, layer= of bake_module)"
            )
    return last


def _listed(layers: dict[str, nn.Module]) -> str:
    if not layers:
        return "none"
    names = list(layers)[-5:]
    return ", ".join(f"'{name}' ({_outputs(layers[name])})" for name in names)


def _clearly_earlier(module: nn.Module, earlier: str, last: str) -> bool:
    """Whether `earlier` cannot be a second head beside `last`."""
    common = ""
    for a, b in zip(earlier.split("."), last.split("."), strict=False):
        if a != b:
            break
        common = f"{common}.{a}" if common else a
    head = module.get_submodule(last)
    return isinstance(module.get_submodule(common), nn.Sequential) or (
        _inputs(head) == _outputs(module.get_submodule(earlier))
    )


def _behind(module: nn.Module, name: str) -> Iterator[nn.Module]:
    """Modules that the nn.Sequentials around a layer call after it."""
    path = name.split(".") if name else []
    for depth in reversed(range(len(path))):
        parent = module.get_submodule(".".join(path[:depth]))
        if not isinstance(parent, nn.Sequential):
            return
        children = list(parent._modules)
        for child in children[children.index(path[depth]) + 1 :]:
            yield from _leaves(parent._modules[child])


def _leaves(module: nn.Module | None) -> Iterator[nn.Module]:
    if isinstance(module, nn.Sequential):
        for child in module:
            yield from _leaves(child)
    elif module is not None:
        yield module


def _check_behind(module: nn.Module, name: str) -> None:
    for follower in _behind(module, name):
        if not isinstance(follower, _HARMLESS) or not _averages(follower):
            raise Error(
                f"{type(follower).__name__} behind layer '{name}' changes what its bias does to "
                "the scores, so the correction cannot be folded; put a PriorCorrection behind the "
                "logits instead"
            )


def _averages(pool: nn.Module) -> bool:
    """Whether a pooling layer takes true means, which a constant passes through."""
    if not isinstance(pool, nn.AvgPool2d):
        return True
    padded = pool.padding not in (0, (0, 0)) and pool.count_include_pad
    return pool.divisor_override is None and not padded and not pool.ceil_mode


def _check_parameters(module: nn.Module, head: nn.Module, name: str, scales: bool) -> None:
    changed = {"bias": head.bias, **({"weight": head.weight} if scales else {})}
    for key, parameter in changed.items():
        if key not in head._parameters:
            raise Error(
                f"the {key} of layer '{name}' is computed (a parametrization); remove it first, as "
                "by torch.nn.utils.parametrize.remove_parametrizations"
            )
        users = [
            user
            for user, other in module.named_modules(remove_duplicate=False)
            if other is head
            or any(parameter is p for p in other._parameters.values() if p is not None)
        ]
        if len(users) > 1:
            raise Error(
                f"the {key} of layer '{name}' is used by '{users[0]}' and '{users[1]}' alike, "
                "which the correction would change too; give the layer its own"
            )


def _copy(module: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(module)
    except (RuntimeError, TypeError) as error:
        raise Error(f"the module cannot be copied ({error}); bake a module that can") from error


def _digest(head: Any, record: dict[str, Any]) -> str:
    """Of the parameters that were changed, wherever they are now."""
    changed = [head.bias] if record["weight"] is None else [head.weight, head.bias]
    digest = hashlib.sha256()
    for parameter in changed:
        digest.update(str(parameter.dtype).encode() + _float64(parameter).tobytes())
    return digest.hexdigest()


def _float64(parameter: Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = parameter.detach().cpu().double().numpy()
    return array


def _write(parameter: Tensor, values: NDArray[np.float64], name: str) -> None:
    rounded = _rounded(values, parameter.dtype)
    if np.isfinite(values).all() and not bool(rounded.isfinite().all()):
        raise Error(f"{name} would overflow {parameter.dtype}; convert the layer to float32 first")
    with torch.no_grad():
        parameter.copy_(rounded)


def _rounded(values: NDArray[np.float64], dtype: torch.dtype) -> Tensor:
    """Float64 rounded once, to the nearest, ties to even."""
    if dtype in (torch.float32, torch.float64):
        return torch.tensor(values).to(dtype)
    # PyTorch converts by way of float32: rounded to odd there, the second rounding is the only one.
    near = values.astype(np.float32)
    bits = near.view(np.uint32)
    bits -= np.abs(near.astype(np.float64)) > np.abs(values)
    bits |= near.astype(np.float64) != values
    return torch.from_numpy(near).to(dtype)
