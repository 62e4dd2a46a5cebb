"""Corrections and corrected scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, overload
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import (
    Rows,
    agree,
    blocks_of,
    check_shape,
    core_scores,
    is_blocks,
    read_rows,
    same_columns,
)
from ._core import ClassPrior, Correction
from ._errors import Error, warn
from ._values import (
    as_labels,
    integer,
    maybe_integer,
    number,
    per_class,
    reading_of,
    threads_of,
)

__all__ = ["correct", "make_correction", "methods"]

# The last correction that needed nothing but its prior: batch after batch asks for the same.
_last: tuple[ref[ClassPrior], tuple[Any, ...], Correction, list[str]] | None = None


def methods() -> dict[str, str]:
    """Name and one line of every method, simplest first; ``'auto'`` chooses among them."""
    return _core.methods()


def _target(target: Any, prior: ClassPrior) -> tuple[str, NDArray[np.float64] | None]:
    if isinstance(target, str):
        return target, None
    if target is None:
        raise Error("target is None; expected 'uniform', 'empirical' or one number per class")
    return "given", per_class(target, "target", prior.classes)


def make_correction(
    prior: ClassPrior,
    *,
    target: Any = "uniform",
    method: str = "p2p",
    strength: float | str = 1.0,
    holdout: Any = None,
    holdout_labels: Any = None,
    unlabelled: Any = None,
    holdout_second: Any = None,
    input: str = "auto",
    ignore_index: int | None = None,
    class_axis: int | None = None,
    normalise: bool = False,
    log_base: float | None = None,
    binary: bool = False,
    tau: float = 1.0,
    eps: float = 0.5,
    match_to: str = "source",
    confusion: str = "soft",
    max_rounds: int = 1000,
    allow_unconverged: bool = False,
    scoring: str = "nll",
    folds: int = 5,
    max_group_loss: float = 0.05,
    applied_to: str = "auto",
    threads: int | None = None,
) -> Correction:
    """Find a correction: delta = strength * (log target - log residual), centred.

    Parameters
    ----------
    prior
        From :func:`estimate_prior`.
    target
        Prior to aim at: ``'uniform'``, ``'empirical'`` (the training counts), one number per class
        (any positive scale) or a mapping from class name, or ``'estimated:em'``, ``'map-em'``,
        ``'bbse'``, ``'rlls'`` from `unlabelled`.
    method
        One of :func:`methods`, or ``'auto'``: chosen on the labelled held-out rows, where it has to
        beat doing nothing and pass the guards of docs/choosing.md.
    strength
        Share of the correction, 0 is the identity; ``'auto'``: chosen on the held-out rows.
    holdout, holdout_labels
        Scores, as the model makes them, of rows that it was not trained on, and their labels.
    unlabelled
        Scores of rows of the target, whose labels nobody knows.
    holdout_second
        The held-out rows as a second, zero-shot model scores them (``'gla'``).
    input, ignore_index, class_axis, normalise, log_base, binary
        How `holdout`, `unlabelled` and `holdout_second` are to be understood; as for
        :func:`estimate_prior`.
    tau
        Exponent of the prior in ``'empirical'`` and ``'gala'``.
    eps
        ``'drops'``: how far from uniform the worst target may lie, KL in nats.
    match_to
        ``'match'``: rows and prior of the ``'source'`` or of the ``'target'``.
    confusion
        ``'bbse'``, ``'rlls'``: count mean posteriors (``'soft'``) or predictions (``'hard'``).
    max_rounds, allow_unconverged
        Cap of iterative methods in passes; at the cap, take the last round with a warning.
    scoring
        ``'auto'``: what is judged on the held-out rows: ``'nll'`` (weighted to the target),
        ``'balanced-accuracy'``, or of the rows as they are ``'accuracy'`` or ``'macro-f1'``.
    folds, max_group_loss
        ``'auto'``: parts of the held-out rows; no recall of many, medium or few classes may fall
        by more (or by what the target asks for).
    applied_to
        ``'auto'``: what the correction is for, ``'logits'``, ``'probs'`` or ``'log-probs'``;
        methods whose scales, learned from `holdout`, would mean something else there are left out.
        ``'auto'``: scores like `holdout`.
    threads
        None: all processors. The result does not depend on it.

    Returns
    -------
    Correction
        The same numbers, bit for bit, as `p2p correct`.

    Raises
    ------
    Error
        An input that the method needs is missing, or cannot be used.

    Warns
    -----
    PriorWarning
        An incomplete prior, a method at its cap, classes that were capped, ``'auto'`` leaving the
        scores alone or finding that objectives disagree, and what was given and not looked at.

    Notes
    -----
    O(C) for ``'none'``, ``'empirical'`` and ``'p2p'``; passes over the held-out or unlabelled rows
    for the others. Every method with its source: docs/methods.
    """
    demand_prior(prior)
    name, shares = _target(target, prior)
    if isinstance(strength, str) and strength != "auto":
        raise Error(f"strength is '{strength}'; expected a number or 'auto'")
    count = threads_of(threads)
    reading = reading_of(normalise, log_base, binary)
    opened: list[_core.Scores | None] = []
    for rows, of in (
        (holdout, "holdout"),
        (unlabelled, "unlabelled"),
        (holdout_second, "holdout_second"),
    ):
        if rows is None:
            opened.append(None)
            continue
        core, first = core_scores(rows, class_axis, of, reading)
        same_columns("the prior", prior.classes, first, of)
        opened.append(core)
    labels = None
    if holdout_labels is not None:
        labels = as_labels(holdout_labels, prior.classes)
    ignored = maybe_integer(ignore_index, "ignore_index")
    evidence = _core.Evidence(opened[0], labels, ignored, opened[1], opened[2], input, count)
    correction = _core.make_correction(
        prior,
        method,
        name,
        shares,
        None if isinstance(strength, str) else number(strength, "strength"),
        number(tau, "tau"),
        number(eps, "eps"),
        match_to,
        confusion,
        integer(max_rounds, "max_rounds"),
        bool(allow_unconverged),
        scoring,
        integer(folds, "folds"),
        number(max_group_loss, "max_group_loss"),
        applied_to,
        evidence,
    )
    for sentence in _cautions(prior, correction):
        warn(sentence)
    return correction


def _cautions(prior: ClassPrior, correction: Correction) -> list[str]:
    """Return what to be careful with in a correction, as sentences."""
    sentences = ["the prior is incomplete: " + missing for missing in prior.missing_parts]
    sentences += correction.warnings
    selection = correction.selection
    if selection is not None and (selection["verdict"] != "correct" or not selection["candidates"]):
        sentences.append(selection["explanation"])
    if correction.capped.size:
        sentences.append(
            f"{correction.capped.size} classes whose prior is only the floor were raised no more "
            "than the most raised measured class: " + ", ".join(map(str, correction.capped[:10]))
        )
    return sentences


# What correct() and bake() hand on.
_EVIDENCE = [
    name
    for name in make_correction.__kwdefaults__ or {}
    if name not in ("target", "method", "strength")
]


def demand_prior(prior: object) -> None:
    """Refuse what is no prior."""
    if not isinstance(prior, ClassPrior):
        raise Error(
            f"prior is a {type(prior).__name__}; expected a ClassPrior or a Correction, as "
            "estimate_prior, load_prior and make_correction return them"
        )


def correction_of(
    prior: ClassPrior | Correction,
    target: Any,
    method: str,
    strength: Any,
    evidence: dict[str, Any],
) -> Correction:
    """Return `prior` when it is a correction already, else what it and the options make."""
    if isinstance(prior, Correction):
        chosen = (target, method, strength) if isinstance(target, str) else None
        if chosen != ("uniform", "p2p", 1.0) or evidence:
            raise Error(
                "target, method, strength and what they look at are settled in a Correction; "
                "give them to make_correction"
            )
        return prior
    demand_prior(prior)
    unknown = next((name for name in evidence if name not in _EVIDENCE), None)
    if unknown is not None:
        raise TypeError(f"no argument is named '{unknown}'; expected {', '.join(_EVIDENCE)}")
    if evidence or not isinstance(target, str):
        return make_correction(prior, target=target, method=method, strength=strength, **evidence)
    global _last
    key = (target, method, strength)
    last = _last
    if last is None or last[0]() is not prior or last[1] != key:
        correction = make_correction(prior, target=target, method=method, strength=strength)
        last = _last = (ref(prior), key, correction, _cautions(prior, correction))
    else:
        for sentence in last[3]:
            warn(sentence)
    return last[2]


@overload
def correct(
    scores: NDArray[Any],
    prior: ClassPrior | Correction,
    *,
    target: Any = ...,
    method: str = ...,
    strength: float | str = ...,
    output: str | None = ...,
    input: str = ...,
    out: Any = ...,
    second: Any = ...,
    class_axis: int | None = ...,
    normalise: bool = ...,
    log_base: float | None = ...,
    binary: bool = ...,
    threads: int | None = ...,
    **evidence: Any,
) -> NDArray[Any]: ...
@overload
def correct(
    scores: Any,
    prior: ClassPrior | Correction,
    *,
    target: Any = ...,
    method: str = ...,
    strength: float | str = ...,
    output: str | None = ...,
    input: str = ...,
    out: Any = ...,
    second: Any = ...,
    class_axis: int | None = ...,
    normalise: bool = ...,
    log_base: float | None = ...,
    binary: bool = ...,
    threads: int | None = ...,
    **evidence: Any,
) -> Any: ...
def correct(
    scores: Any,
    prior: ClassPrior | Correction,
    *,
    target: Any = "uniform",
    method: str = "p2p",
    strength: float | str = 1.0,
    output: str | None = None,
    input: str = "auto",
    out: Any = None,
    second: Any = None,
    class_axis: int | None = None,
    normalise: bool = False,
    log_base: float | None = None,
    binary: bool = False,
    threads: int | None = None,
    **evidence: Any,
) -> Any:
    """Divide a prior out of scores: z' = z / T + delta.

    Parameters
    ----------
    scores
        Scores of any rows, shape (rows, C), as for :func:`estimate_prior`. An iterable of blocks
        gives a generator of corrected blocks.
    prior
        A prior, or a correction from :func:`make_correction`.
    target, method, strength
        As for :func:`make_correction`.
    output
        ``'logits'``, ``'probs'``, ``'log-probs'`` or ``'labels'`` (class numbers, int64); None: as
        the input.
    input
        What `scores` are: ``'auto'``, ``'logits'``, ``'probs'`` or ``'log-probs'``.
    out
        NumPy array, a `memmap` for example, that takes the result; of the shape and type of the
        result, and apart from `scores`.
    second
        Scores of a second, zero-shot model for the same rows (``method='gla'``).
    class_axis, normalise, log_base, binary, threads
        As for :func:`estimate_prior`; `binary` scores come back in two columns.
    **evidence
        Everything else that :func:`make_correction` takes: `holdout`, `holdout_labels`,
        `unlabelled`, ...; they are read like `scores`, by `input`, `class_axis` and
        so on.

    Returns
    -------
    array
        In the type, shape and element type of `scores`, on its device. The same numbers, bit for
        bit, as `p2p correct`.

    Raises
    ------
    Error
        Scores that cannot be used, another number of classes, class names that differ, a result
        that the element type cannot hold. `out` may then hold some corrected rows.

    Notes
    -----
    One pass, O(rows * C); memory: the result. Source: Bhat et al., WACV 2025; every method with
    its source in docs/methods.

    Examples
    --------
    >>> prior2posterior.correct(test_logits, prior)
    >>> prior2posterior.correct(test_logits, prior, output="labels")
    """
    count = threads_of(threads)
    if evidence:
        like = {"normalise": normalise, "log_base": log_base, "binary": binary}
        evidence = {
            **evidence,
            **like,
            "input": input,
            "class_axis": class_axis,
            "threads": count,
        }
    correction = correction_of(prior, target, method, strength, evidence)
    if second is not None and correction.second_temperature is None:
        warn(f"method='{correction.method}' does not look at second")
    reading = reading_of(normalise, log_base, binary)
    if is_blocks(scores):
        if out is not None or second is not None:
            raise Error("out and second do not go with blocks of scores; correct each block")
        if isinstance(scores, (list, tuple)):
            # Refuses what is no block before the first is read.
            core_scores(scores, class_axis, reading=reading)
        return _corrected_blocks(scores, correction, output, input, class_axis, reading, count)
    rows = read_rows(scores, "scores", reading)
    return _corrected(
        rows, "scores", correction, output, input, True, out, second, class_axis, reading, count
    )


def _corrected_blocks(
    blocks: Iterable[Any],
    correction: Correction,
    output: str | None,
    input: str,
    class_axis: int | None,
    reading: _core.ScoreReading,
    threads: int,
) -> Iterator[Any]:
    kind, stated = input, input != "auto"
    for block, name in blocks_of(blocks):
        rows = read_rows(block, name, reading)
        yield _corrected(
            rows, name, correction, output, kind, stated, None, None, class_axis, reading, threads
        )
        if kind == "auto":
            # The first block tells the kind of all.
            kind = _core.detect_kind(_core.Scores([rows.array], class_axis, name, reading))


def _corrected(
    rows: Rows,
    name: str,
    correction: Correction,
    output: str | None,
    input: str,
    stated: bool,
    out: Any,
    second: Any,
    class_axis: int | None,
    reading: _core.ScoreReading,
    threads: int,
) -> Any:
    array = rows.array
    axis = check_shape(array, class_axis, name, rows.names is not None, reading.binary)
    same_columns("the prior", correction.classes, rows, name)
    shape = array.shape
    if reading.binary:
        shape = (*shape[:axis], 2, *shape[axis + 1 :])
    if output == "labels":
        shape = shape[:axis] + shape[axis + 1 :]
        dtype: Any = np.int64
        out_axis = -1
    else:
        dtype = array.dtype
        out_axis = axis
    if out is None:
        target = np.empty(shape, dtype)
    else:
        expected = np.dtype(np.int64) if output == "labels" else rows.dtype
        target = _checked_out(out, shape, expected, array)
    of_second = None
    if second is not None:
        of_second, first = core_scores(second, class_axis, "second", reading)
        same_columns("the prior", correction.classes, first, "second")
        agree((f"the columns of '{name}'", rows.names), ("the columns of 'second'", first.names))
    _core.correct(
        _core.Scores([array], class_axis, name, reading),
        target,
        out_axis,
        correction,
        input,
        output or "",
        of_second,
        "auto",
        stated,
        threads,
    )
    return rows.wrap(target) if out is None else out


def _checked_out(
    out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], scores: NDArray[Any]
) -> NDArray[Any]:
    if not isinstance(out, np.ndarray):
        raise Error(f"'out' is a {type(out).__name__}; expected a NumPy array")
    if out.shape != shape or out.dtype != dtype:
        raise Error(f"'out' has shape {out.shape} of {out.dtype}; expected {shape} of {dtype}")
    if any(stride % dtype.itemsize for stride in out.strides):
        raise Error("'out' lies between elements of its type; expected an aligned array")
    if not out.flags.writeable:
        raise Error("'out' is read-only; expected an array that can be written")
    if np.may_share_memory(out, scores):
        raise Error("'out' shares memory with the scores; expected an array of its own")
    return out.view(np.uint16) if dtype.name == "bfloat16" else out
