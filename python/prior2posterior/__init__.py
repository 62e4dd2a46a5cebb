"""Measure the prior that a long-tailed classifier really holds, and divide it out.

A classifier trained on long-tailed data believes too much in its frequent classes. Its effective
prior is the mean of its own posteriors over training rows, q = mean softmax(z); corrected scores
are z' = z - log q + log target. Nothing is trained again.

    import prior2posterior as p2p

    prior = p2p.estimate_prior(train_logits, counts=counts)   # q, standard errors, the gap
    print(p2p.inspect(prior))                                 # is there anything to correct?
    corrected = p2p.correct(test_logits, prior)               # logits in, logits out
    print(p2p.evaluate(corrected, test_labels, counts=counts))
    p2p.save(prior, "prior.json")                             # the file that `p2p` reads

Estimate and inspect
    estimate_prior      effective prior of score arrays
    PosteriorSum        the same over batches, machines, Dask, Ray or Spark partitions
    leave_one_out_scores
                        training rows of frozen features, each left out of the linear head
    inspect             prior against class frequencies; bias left in labelled scores
    judge_inputs        have the inputs moved, or does a label shift explain unlabelled rows?
    load_prior, save    the prior file

Correct and evaluate
    correct             corrected scores, in the type of the input
    make_correction     the correction itself; methods() lists fourteen, 'auto' chooses
    evaluate            accuracy by group, calibration, residual slope

Deploy
    bake, unbake, show  the correction in an ONNX, safetensors or TorchScript file, a scikit-learn
                        linear model or a torch.nn.Module

    prior2posterior.sklearn   PriorCorrector, PriorCorrectedClassifier
    prior2posterior.torch     PriorCorrection, EffectivePrior, LogitAdjustedLoss

Scores are arrays of shape (rows, C): NumPy, PyTorch, JAX, CuPy, pandas, polars, pyarrow, memmaps,
or iterables of blocks; float16, bfloat16, float32 or float64; logits, probabilities or
log-probabilities. What cannot be used raises `Error`, a ValueError of one sentence; what to be
careful with is warned of as `PriorWarning`.
"""

import importlib

from ._bake import bake, show, unbake
from ._core import BLOCK_ROWS, ClassPrior, Correction, Inspection, Metrics
from ._core import version as __version__
from ._correct import correct, make_correction, methods
from ._errors import DeviceCopyWarning, Error, PriorWarning
from ._estimate import PosteriorSum, estimate_prior, load_prior, save
from ._evaluate import evaluate, inspect, judge_inputs
from ._leave_one_out import leave_one_out_scores

__all__ = [
    "BLOCK_ROWS",
    "ClassPrior",
    "Correction",
    "DeviceCopyWarning",
    "Error",
    "Inspection",
    "Metrics",
    "PosteriorSum",
    "PriorWarning",
    "__version__",
    "bake",
    "correct",
    "estimate_prior",
    "evaluate",
    "inspect",
    "judge_inputs",
    "leave_one_out_scores",
    "load_prior",
    "make_correction",
    "methods",
    "save",
    "show",
    "unbake",
]


def __getattr__(name: str) -> object:
    """Import the parts for scikit-learn and PyTorch when they are asked for."""
    if name in ("sklearn", "torch"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
