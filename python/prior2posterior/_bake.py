"""A correction folded into the model that makes the scores, and taken out again."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import _core
from ._arrays import library
from ._core import ClassPrior, Correction
from ._correct import correction_of
from ._errors import Error, warn
from ._values import integer, maybe_integer, number, threads_of

__all__ = ["bake", "show", "unbake"]


def bake(
    model: Any,
    prior: ClassPrior | Correction,
    output: str | os.PathLike[str] | None = None,
    *,
    target: Any = "uniform",
    method: str = "p2p",
    strength: float | str = 1.0,
    mode: str = "auto",
    output_name: str = "",
    tensor: str | Sequence[str] = "",
    class_axis: int | None = None,
    add_bias: str = "",
    again: bool = False,
    verify: Any = None,
    tolerance: float | None = None,
    input: str = "auto",
    threads: int | None = None,
    **evidence: Any,
) -> Any:
    """Fold a correction into the model that makes the scores.

    Parameters
    ----------
    model
        Path of a model file (.onnx, .safetensors, TorchScript), a fitted scikit-learn linear
        classifier, or a `torch.nn.Module`, whose last Linear takes the correction.
    prior, target, method, strength, **evidence
        As for :func:`correct`.
    output
        Path of the corrected file, of the same format; for files only.
    mode
        Files: ``'fold'`` into the last bias, ``'add'`` operations behind the scores (ONNX),
        ``'auto'``: fold where possible.
    output_name, tensor, add_bias
        Files: as --output-name, --tensor and --add-bias of `p2p bake`. `tensor` also names the
        Linear of a module where the last one is not the head, or all heads that are averaged.
        `add_bias` makes a tensor that the program which loads the weights must know.
    class_axis
        Axis of the classes in arrays of three or more axes, `holdout` and the scores of the model
        alike, as for :func:`estimate_prior`. ONNX files say it where it matters, mostly.
    again
        On top of what is baked in already.
    verify
        Files: inputs of the model, as an array, a mapping from input name, or a path (.npy,
        .npz). Both models are run over them by ONNX Runtime, and the new file appears only when
        its scores are the corrected old ones. Modules: as for :func:`torch.bake_module`.
    tolerance
        Most that scores may differ, relative beyond 1; None: 1e-5.
    input
        What the scores of `evidence` are; ``'logits'`` also says so of the scores of the model,
        where the proof would take their numbers for log-probabilities.
    threads
        Of the proof; None: all processors.

    Returns
    -------
    dict or model
        For a file: the keys of `p2p bake --json`. Else a corrected copy; `model` stays as it is.

    Raises
    ------
    Error
        The model cannot take the correction, with the reason; the proof failed. No file appears.

    Warns
    -----
    PriorWarning
        `add_bias` made a tensor; outputs that stay as they are (`stays`); a `torch.nn.Module` as
        for :func:`torch.bake_module`.

    Notes
    -----
    What it may do to each format, and how it is proven: docs/bake.md.
    """
    if evidence:
        evidence = {
            "applied_to": _scores_kind(model, prior, output_name, tensor, class_axis),
            "class_axis": class_axis,
            **evidence,
            "input": input,
            "threads": threads,
        }
    correction = correction_of(prior, target, method, strength, evidence)
    if isinstance(model, (str, os.PathLike)):
        if output is None:
            raise Error("output is missing: the path of the corrected model file")
        digest = ""
        if isinstance(prior, ClassPrior):
            digest = hashlib.sha256(prior.to_json().encode()).hexdigest()
        if not isinstance(tensor, str):
            raise Error("tensor is one name for a model file; several are for a torch.nn.Module")
        with _inputs_file(verify) as inputs:
            report = _core.bake_file(
                os.fspath(model),
                os.fspath(output),
                correction,
                digest,
                mode,
                output_name,
                tensor,
                maybe_integer(class_axis, "class_axis"),
                add_bias,
                again,
                inputs,
                None if tolerance is None else number(tolerance, "tolerance"),
                input,
                threads_of(threads),
            )
        if report["stays"]:
            warn(
                "made of the same numbers before the correction acts, so left as they are: "
                + ", ".join(report["stays"])
            )
        if add_bias:
            warn(
                f"the tensor '{add_bias}' is new: the program that loads the weights must give the "
                "layer a bias too, or it leaves the correction out"
            )
        return report
    if output is not None:
        raise Error("output is for model files; for a model in memory leave it out")
    if _is_module(model):
        from .torch import bake_module

        return bake_module(
            model,
            correction,
            layer=tensor,
            again=again,
            verify=verify,
            tolerance=tolerance,
            input=input,
        )
    if verify is not None:
        raise Error("verify is for model files and modules; leave it out")
    if hasattr(model, "predict"):
        from .sklearn import bake_estimator

        return bake_estimator(model, correction, again=again)
    raise Error(
        f"model is a {type(model).__name__}; expected the path of a model file, a scikit-learn "
        "linear classifier or a torch.nn.Module"
    )


def unbake(model: Any, output: str | os.PathLike[str] | None = None) -> Any:
    """Take everything that was baked in out again.

    Parameters
    ----------
    model
        What :func:`bake` returned, or the path of a baked file.
    output
        Path of the restored file; for files only.

    Returns
    -------
    dict or model
        For a file: what was taken out, as `p2p unbake --json`; the file has its original bytes.
        Else a restored copy with its original bits.

    Raises
    ------
    Error
        Nothing was baked in, or it is not there any more.
    """
    if isinstance(model, (str, os.PathLike)):
        if output is None:
            raise Error("output is missing: the path of the restored model file")
        return _core.unbake_file(os.fspath(model), os.fspath(output))
    if _is_module(model):
        from .torch import unbake_module

        return unbake_module(model)
    from .sklearn import unbake_estimator

    return unbake_estimator(model)


def show(
    model: str | os.PathLike[str],
    n_classes: int = 0,
    *,
    output_name: str = "",
    tensor: str = "",
    class_axis: int | None = None,
) -> dict[str, Any]:
    """Say what was baked into a model file, or where it makes its scores when nothing was.

    Parameters
    ----------
    model
        Path of a model file.
    n_classes
        Number of classes; 0: any.
    output_name, tensor, class_axis
        As for :func:`bake`.

    Returns
    -------
    dict
        The keys of `p2p show --json`.

    Raises
    ------
    Error
        No or several candidates, a head that cannot be corrected, a damaged file.
    """
    return _core.show_file(
        os.fspath(model),
        integer(n_classes, "n_classes"),
        output_name,
        tensor,
        maybe_integer(class_axis, "class_axis"),
    )


def _scores_kind(
    model: Any, prior: Any, output_name: str, tensor: Any, class_axis: int | None
) -> str:
    """Return what the correction of a model acts on: 'logits', or 'probs' of a file without."""
    if not isinstance(model, (str, os.PathLike)) or not isinstance(tensor, str):
        return "logits"
    if not isinstance(prior, ClassPrior):
        return "logits"
    head = show(
        model, prior.n_classes, output_name=output_name, tensor=tensor, class_axis=class_axis
    )
    return str(head.get("scores_kind", "logits"))


def _is_module(model: object) -> bool:
    if "torch" not in sys.modules:
        return False
    import torch

    return isinstance(model, torch.nn.Module)


@contextmanager
def _inputs_file(verify: Any) -> Iterator[str | None]:
    """Put the inputs of the proof into a file, and name this Python to run ONNX Runtime in."""
    if verify is None:
        yield None
        return
    chosen = "P2P_PYTHON" in os.environ
    with tempfile.TemporaryDirectory(prefix="prior2posterior-") as folder:
        if isinstance(verify, (str, os.PathLike)):
            path = os.fspath(verify)
        elif isinstance(verify, Mapping):
            path = os.path.join(folder, "inputs.npz")
            np.savez(path, **{name: _numpy(array) for name, array in verify.items()})
        else:
            path = os.path.join(folder, "inputs.npy")
            np.save(path, _numpy(verify))
        if not chosen:
            os.environ["P2P_PYTHON"] = sys.executable
        try:
            yield path
        except Error as error:
            if not path.startswith(folder):
                raise
            raise type(error)(str(error).replace(path, "verify")) from None
        finally:
            if not chosen:
                os.environ.pop("P2P_PYTHON", None)


def _numpy(array: Any) -> Any:
    if library(array) == "torch":
        array = array.detach().cpu()
    return np.asarray(array)
