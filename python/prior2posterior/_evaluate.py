"""Metrics of labelled scores, and what a prior says about its model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from . import _core
from ._arrays import agree, core_scores, is_blocks, same_columns
from ._core import ClassPrior, Inspection, Metrics
from ._correct import demand_prior
from ._errors import Error, warn
from ._values import (
    as_labels,
    class_numbers,
    integer,
    maybe_integer,
    names_of,
    number,
    per_class,
    reading_of,
    threads_of,
)

__all__ = ["evaluate", "inspect", "judge_inputs"]


def evaluate(
    scores: Any,
    labels: Any,
    *,
    counts: Any = None,
    many: float = 100,
    few: float = 20,
    bootstrap: int = 0,
    seed: int = 0,
    input: str = "auto",
    temperature: float = 1.0,
    classes: Sequence[str] | None = None,
    ignore_index: int | None = None,
    exclude: Iterable[int | str] = (),
    class_axis: int | None = None,
    normalise: bool = False,
    log_base: float | None = None,
    binary: bool = False,
    threads: int | None = None,
) -> Metrics:
    """Measure accuracy by group, calibration and residual slope of labelled scores.

    Parameters
    ----------
    scores
        Shape (rows, C), as for :func:`estimate_prior`, or a list of such arrays.
    labels
        Class of each row: integers, or names when the columns have names.
    counts
        Training images per class, shape (C,), a mapping from class name, or a
        :class:`ClassPrior` that holds them; without them there are no groups and no slope.
    many, few
        Classes with more than `many` training images are many, with fewer than `few` are few.
    bootstrap
        Replicates for 95 % intervals; 0: none.
    seed
        Of the bootstrap.
    input, temperature, classes, ignore_index, class_axis, normalise, log_base, binary, threads
        As for :func:`estimate_prior`.
    exclude
        Classes masked out of the scores; their rows are left out.

    Returns
    -------
    Metrics
        The same numbers, bit for bit, as `p2p evaluate`.

    Raises
    ------
    Error
        Labels out of range or of another length, scores that cannot be used.

    Notes
    -----
    One pass, O(rows * C); memory 28 bytes a row. Definitions: docs/metrics.md.
    """
    reading = reading_of(normalise, log_base, binary)
    core, first = core_scores(scores, class_axis, reading=reading)
    known = None
    if isinstance(counts, ClassPrior):
        known = counts.classes
        if counts.counts is None:
            raise Error("counts is a prior that holds no training counts; estimate it with counts")
        counts = counts.counts
    if counts is None and (many, few) != (100, 20):
        warn("many and few are not looked at: groups are those of counts, and there are none")
    named = agree(("classes", names_of(classes)), ("the prior", known))
    names = same_columns("the call", named, first, "scores")
    shape = None if is_blocks(scores) else first.array.shape
    return _core.evaluate(
        core,
        as_labels(labels, names, shape, class_axis),
        input,
        number(temperature, "temperature"),
        _counts(counts, names, core.n_classes),
        number(many, "many"),
        number(few, "few"),
        maybe_integer(ignore_index, "ignore_index"),
        sorted(set(class_numbers(exclude, names))),
        integer(bootstrap, "bootstrap", 0),
        integer(seed, "seed", 0),
        threads_of(threads),
    )


def _counts(counts: Any, names: Sequence[str] | None, n_classes: int) -> Any:
    array = per_class(counts, "counts", names)
    if array is not None and array.size != n_classes:
        raise Error(
            f"'counts' holds {array.size} values for {n_classes} classes; give one value per class"
        )
    if array is not None and array.sum() < 2:
        warn("counts sum to 1: many and few are numbers of images, so give counts, not frequencies")
    return array


def inspect(
    prior: ClassPrior,
    scores: Any = None,
    labels: Any = None,
    *,
    input: str = "auto",
    ignore_index: int | None = None,
    class_axis: int | None = None,
    normalise: bool = False,
    log_base: float | None = None,
    binary: bool = False,
    seed: int = 0,
    threads: int | None = None,
) -> Inspection:
    """Compare a prior with the class frequencies; measure the bias left in labelled scores.

    Parameters
    ----------
    prior
        From :func:`estimate_prior`.
    scores, labels
        Labelled rows whose residual slope is measured, both or neither. Scores are used as z / T
        of the prior.
    input, ignore_index, class_axis, normalise, log_base, binary, threads
        As for :func:`estimate_prior`.
    seed
        Of the interval's bootstrap.

    Returns
    -------
    Inspection
        Print it for the text of `p2p inspect`.

    Raises
    ------
    Error
        Scores without labels or labels without scores; rows that cannot be used.
    """
    demand_prior(prior)
    if (scores is None) != (labels is None):
        raise Error("inspect needs scores and labels together, or neither")
    count = threads_of(threads)
    seed = integer(seed, "seed", 0)
    ignore_index = maybe_integer(ignore_index, "ignore_index")
    if scores is None:
        given = (input, ignore_index, class_axis, bool(normalise), log_base, bool(binary))
        if given != ("auto", None, None, False, None, False):
            warn(
                "input, ignore_index, class_axis, normalise, log_base and binary say how to read "
                "scores and labels, and there are none"
            )
        return _core.inspect(prior, None, None, input, ignore_index, seed, count)
    reading = reading_of(normalise, log_base, binary)
    core, first = core_scores(scores, class_axis, reading=reading)
    names = same_columns("the prior", prior.classes, first, "scores")
    if core.n_classes != prior.n_classes:
        raise Error(
            f"the prior has {prior.n_classes} classes, but the scores have {core.n_classes}; "
            "use a prior of the same model"
        )
    shape = None if is_blocks(scores) else first.array.shape
    numbers = as_labels(labels, names, shape, class_axis)
    return _core.inspect(prior, core, numbers, input, ignore_index, seed, count)


def judge_inputs(
    prior: ClassPrior,
    unlabelled: Any,
    *,
    holdout: Any = None,
    holdout_labels: Any = None,
    input: str = "auto",
    ignore_index: int | None = None,
    class_axis: int | None = None,
    normalise: bool = False,
    log_base: float | None = None,
    binary: bool = False,
    threads: int | None = None,
) -> dict[str, Any]:
    """Tell whether the inputs of unlabelled rows have moved, or a label shift explains them.

    Parameters
    ----------
    prior
        From :func:`estimate_prior`.
    unlabelled
        Scores of the rows to come, as the model makes them.
    holdout, holdout_labels
        Labelled rows that the model was not trained on, both or neither: how the inputs were
        before. Without them the verdict is ``'unknown'``.
    input, ignore_index, class_axis, normalise, log_base, binary, threads
        As for :func:`estimate_prior`.

    Returns
    -------
    dict
        The keys of `inputs` in `p2p inspect --json`: `verdict` is ``'inputs-moved'``,
        ``'label-shift-explains'`` or ``'unknown'``, `explanation` a sentence that says what to do.

    Raises
    ------
    Error
        Held-out scores without labels or labels without scores; rows that cannot be used.

    Notes
    -----
    docs/moved-inputs.md says what it can and cannot tell.
    """
    demand_prior(prior)
    if (holdout is None) != (holdout_labels is None):
        raise Error("judge_inputs needs holdout and holdout_labels together, or neither")
    reading = reading_of(normalise, log_base, binary)
    rows, first = core_scores(unlabelled, class_axis, "unlabelled", reading)
    names = same_columns("the prior", prior.classes, first, "unlabelled")
    held_out, labels = None, None
    if holdout is not None:
        held_out, first = core_scores(holdout, class_axis, "holdout", reading)
        same_columns("the prior", prior.classes, first, "holdout")
        labels = as_labels(holdout_labels, names)
    for missing in prior.missing_parts:
        warn("the prior is incomplete: " + missing)
    ignored = maybe_integer(ignore_index, "ignore_index")
    evidence = _core.Evidence(held_out, labels, ignored, rows, None, input, threads_of(threads))
    return _core.judge_inputs(prior, evidence)
