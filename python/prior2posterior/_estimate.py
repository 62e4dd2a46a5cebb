"""Effective priors from score arrays."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import agree, blocks_of, check_shape, core_scores, is_blocks, read_rows
from ._core import ClassPrior
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
    row_weights,
    threads_of,
)

__all__ = ["PosteriorSum", "estimate_prior", "load_prior", "save"]


def training_of(
    trained_with: Any, classes: Sequence[str] | None
) -> tuple[str, float, NDArray[np.float64] | None]:
    """Loss, tau and values behind `trained_with`."""
    if isinstance(trained_with, str):
        loss, colon, tau = trained_with.partition(":")
        if not colon:
            return loss, 1.0, None
        try:
            return (loss if loss == "la" else trained_with), float(tau), None
        except ValueError:
            return trained_with, 1.0, None
    if isinstance(trained_with, tuple) and len(trained_with) == 2:
        loss, values = trained_with
        return str(loss), 1.0, per_class(values, f"{loss} of trained_with", classes)
    raise Error(
        f"trained_with is a {type(trained_with).__name__}; expected 'ce', 'la', 'la:TAU', "
        "'balanced-softmax', ('weights', w) or ('offset', b)"
    )


def _options(
    *,
    counts: NDArray[np.float64] | None,
    trained_with: Any,
    input: str,
    rows: str,
    temperature: float,
    smoothing: float,
    floor: float | None,
    ignore_index: int | None,
    exclude: Iterable[int | str],
    classes: Sequence[str] | None,
    threads: int | None,
    pool: bool = False,
    normalise: bool = False,
    log_base: float | None = None,
    binary: bool = False,
    iterate: bool = False,
    max_rounds: int = 1000,
    allow_unconverged: bool = False,
) -> _core.EstimateOptions:
    if rows not in ("train", "train-augmented", "holdout", "loo"):
        raise Error(f"rows is '{rows}'; expected 'train', 'train-augmented', 'holdout' or 'loo'")
    loss, tau, values = training_of(trained_with, classes)
    return _core.EstimateOptions(
        loss=loss,
        tau=tau,
        values=values,
        input=input,
        reading=reading_of(normalise, log_base, binary),
        counts=counts,
        classes=list(classes or ()),
        rows=rows,
        temperature=number(temperature, "temperature"),
        smoothing=number(smoothing, "smoothing"),
        pool=bool(pool),
        floor=None if floor is None else number(floor, "floor"),
        ignore_index=maybe_integer(ignore_index, "ignore_index"),
        exclude=class_numbers(exclude, classes),
        iterate=bool(iterate),
        max_rounds=integer(max_rounds, "max_rounds"),
        allow_unconverged=bool(allow_unconverged),
        threads=threads_of(threads),
    )


def warned(estimate: tuple[ClassPrior, list[str]]) -> ClassPrior:
    """Return the prior of an estimate, after warning of what is to be careful with."""
    prior, sentences = estimate
    for sentence in sentences:
        warn(sentence)
    return prior


class PosteriorSum:
    """Sums behind an effective prior, over batches, machines or partitions.

    The bits of the result depend neither on the batching of one `PosteriorSum` nor on the order
    in which several are merged; partitions of whole blocks (`BLOCK_ROWS` rows) give the bits of
    one pass. State O(C), whatever the number of rows; it pickles, so it can be
    the value that a Dask, Ray or Spark task returns. A batch that is refused leaves it as it was.

    Parameters
    ----------
    n_classes
        Number of classes C; None: that of the first batch.
    counts
        Training images per class, shape (C,), or a mapping from class name.
    trained_with, input, rows, temperature, smoothing, pool, floor, ignore_index, exclude, classes
        As for :func:`estimate_prior`.
    normalise, log_base, binary
        As for :func:`estimate_prior`; `binary` with `input`, because one batch does not tell it.
    label_rows
        Rows of each class in the whole data set, shape (C,): labelled rows are then weighted to
        follow `counts`. Without it they count once each.
    threads
        Threads of one `update`; None: all processors. The result does not depend on it.

    Raises
    ------
    Error
        Options out of range or of another length.

    Examples
    --------
    >>> total = PosteriorSum(counts=counts)
    >>> for batch in loader:
    ...     total.update(model(batch))
    >>> prior = total.compute()
    """

    def __init__(
        self,
        n_classes: int | None = None,
        *,
        counts: Any = None,
        trained_with: Any = "ce",
        input: str = "auto",
        rows: str = "train",
        temperature: float = 1.0,
        smoothing: float = 0.0,
        pool: bool = False,
        floor: float | None = None,
        ignore_index: int | None = None,
        exclude: Iterable[int | str] = (),
        classes: Sequence[str] | None = None,
        label_rows: Any = None,
        normalise: bool = False,
        log_base: float | None = None,
        binary: bool = False,
        threads: int | None = None,
    ) -> None:
        if binary and input == "auto":
            raise Error(
                "binary batches need input='probs', 'logits' or 'log-probs', because one batch may "
                "not tell which"
            )
        classes = names_of(classes)
        self._settings: dict[str, Any] = {
            "counts": counts,
            "trained_with": trained_with,
            "input": input,
            "rows": rows,
            "temperature": temperature,
            "smoothing": smoothing,
            "pool": pool,
            "floor": floor,
            "ignore_index": ignore_index,
            "exclude": exclude if isinstance(exclude, (str, int)) else tuple(exclude),
            "classes": classes,
            "normalise": normalise,
            "log_base": log_base,
            "binary": binary,
            "threads": threads,
        }
        self._label_rows = None if label_rows is None else as_labels(label_rows, None)
        self._core: _core.PriorAccumulator | None = None
        self._lock = threading.Lock()
        if n_classes is not None:
            n_classes = integer(n_classes, "n_classes")
            if n_classes < 2:
                raise Error(
                    f"n_classes is {n_classes}; a prior is over 2 or more, not {n_classes} class"
                )
            self._start(n_classes)

    def _start(self, n_classes: int) -> _core.PriorAccumulator:
        if self._core is None:
            settings = self._settings
            counts = per_class(settings["counts"], "counts", settings["classes"])
            options = _options(**{**settings, "counts": counts})
            self._core = _core.PriorAccumulator(n_classes, options, self._label_rows)
        return self._core

    def _reading(self) -> _core.ScoreReading:
        settings = self._settings
        return reading_of(settings["normalise"], settings["log_base"], settings["binary"])

    @property
    def n_classes(self) -> int | None:
        """Number of classes; None before the first batch, unless it was given."""
        return None if self._core is None else self._core.n_classes

    @property
    def n_rows(self) -> int:
        """Rows so far, those left out included."""
        return 0 if self._core is None else self._core.n_rows

    def update(self, scores: Any, labels: Any = None, weights: Any = None) -> PosteriorSum:
        """Add rows that follow those of the last call.

        Parameters
        ----------
        scores
            Shape (rows, C), float16, bfloat16, float32 or float64, any strides; not copied.
        labels
            Class of each row, for standard errors, and for the counts when none were given, where
            each row counts once; for all batches or for none. Losses that work with counts need
            those of the constructor.
        weights
            How much each row counts, shape (rows,), at least 0; None: once.

        Returns
        -------
        PosteriorSum
            Itself.

        Raises
        ------
        Error
            NaN, +inf, only -inf, another kind or number of classes; nothing has changed then.
        """
        with self._lock:
            self._update(scores, labels, weights, "scores", None)
        return self

    def _update(
        self, scores: Any, labels: Any, weights: Any, name: str, class_axis: int | None
    ) -> int:
        reading = self._reading()
        rows = read_rows(scores, name, reading)
        axis = check_shape(rows.array, class_axis, name, rows.names is not None, reading.binary)
        batch = _core.Scores([rows.array], class_axis, name, reading)
        before = (self._settings, self._core)
        try:
            settings = self._learn_names(rows.names, f"the columns of '{name}'")
            self._start(batch.n_classes).update(
                batch,
                None
                if labels is None
                else as_labels(labels, settings["classes"], rows.array.shape, class_axis),
                row_weights(weights),
            )
        except BaseException:
            self._settings, self._core = before
            raise
        return rows.array.size // int(rows.array.shape[axis])

    def _learn_names(self, names: Sequence[str] | None, origin: str) -> dict[str, Any]:
        """Take class names that came with rows; those of the first rows are those of all."""
        known = self._settings["classes"]
        if known is not None:
            agree(("classes", known), (origin, names))
        elif names is not None and self.n_rows == 0:
            n_classes = self.n_classes
            self._settings = {**self._settings, "classes": list(names)}
            self._core = None
            if n_classes is not None:
                self._start(n_classes)
        return self._settings

    def merge(self, other: PosteriorSum) -> PosteriorSum:
        """Add the rows of another sum over other rows of the same model.

        Parameters
        ----------
        other
            Made with the same settings; it stays as it is.

        Returns
        -------
        PosteriorSum
            Itself.

        Raises
        ------
        Error
            Naming the first setting that differs.
        """
        if not isinstance(other, PosteriorSum):
            raise Error(f"other is a {type(other).__name__}; expected a PosteriorSum")
        theirs = other._closed()
        if theirs is None:
            return self
        with self._lock:
            before = (self._settings, self._core)
            try:
                self._learn_names(other._settings["classes"], "other")
                merged = self._start(theirs.n_classes).copy()
                merged.end_block()
                merged.merge(theirs)
            except BaseException:
                self._settings, self._core = before
                raise
            self._core = merged
        return self

    def _closed(self) -> _core.PriorAccumulator | None:
        """Return a copy of the sums at the end of a block."""
        with self._lock:
            core = None if self._core is None else self._core.copy()
        if core is not None:
            core.end_block()
        return core

    def copy(self) -> PosteriorSum:
        """Return a copy that goes on by itself."""
        result = PosteriorSum.__new__(PosteriorSum)
        result._settings = dict(self._settings)
        result._label_rows = self._label_rows
        result._lock = threading.Lock()
        with self._lock:
            result._core = None if self._core is None else self._core.copy()
        return result

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> PosteriorSum:
        """Return a copy that goes on by itself."""
        return self.copy()

    def __add__(self, other: object) -> PosteriorSum:
        """Return the sum over the rows of both; neither changes."""
        if not isinstance(other, PosteriorSum):
            return NotImplemented
        return self.copy().merge(other)

    def __radd__(self, other: object) -> PosteriorSum:
        """Let ``sum(sums)`` begin at 0."""
        if other != 0:
            return NotImplemented
        return self.copy()

    def __iadd__(self, other: object) -> PosteriorSum:
        """Add the rows of `other`, as :meth:`merge`."""
        if not isinstance(other, PosteriorSum):
            return NotImplemented
        return self.merge(other)

    def compute(self) -> ClassPrior:
        """Return the prior of all rows so far; more may follow.

        Raises
        ------
        Error
            There are none.
        """
        if self._core is None:
            raise Error("no rows to estimate a prior from; call update first")
        with self._lock:
            estimate = self._core.finish()
        return warned(estimate)

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings and the exact sums; the open block of the copy is closed."""
        core = self._closed()
        saved = None if core is None else (core.n_classes, core.save())
        return {"settings": self._settings, "label_rows": self._label_rows, "sums": saved}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Go on from a saved state, with the same bits."""
        self._settings = state["settings"]
        self._label_rows = state["label_rows"]
        self._lock = threading.Lock()
        self._core = None
        if state["sums"] is not None:
            n_classes, sums = state["sums"]
            self._start(n_classes).load(sums)

    def __repr__(self) -> str:
        """Say how many rows and classes there are."""
        return f"PosteriorSum(n_classes={self.n_classes}, n_rows={self.n_rows})"


def estimate_prior(
    scores: Any,
    *,
    counts: Any = None,
    labels: Any = None,
    trained_with: Any = "ce",
    input: str = "auto",
    rows: str = "train",
    temperature: float = 1.0,
    smoothing: float = 0.0,
    pool: bool = False,
    floor: float | None = None,
    classes: Sequence[str] | None = None,
    ignore_index: int | None = None,
    exclude: Iterable[int | str] = (),
    class_axis: int | None = None,
    normalise: bool = False,
    log_base: float | None = None,
    binary: bool = False,
    iterate: bool = False,
    max_rounds: int = 1000,
    allow_unconverged: bool = False,
    threads: int | None = None,
) -> ClassPrior:
    """Measure the prior that a model really holds: q = mean softmax(z / T + b) over training rows.

    Parameters
    ----------
    scores
        Scores of training rows, shape (rows, C): logits, probabilities or log-probabilities in
        float16, bfloat16, float32 or float64. A NumPy array with any strides (a `memmap` too), a
        PyTorch, JAX or CuPy array, a pandas, polars or pyarrow table, or an iterable of such
        blocks for data larger than memory. CPU arrays are not copied; arrays of the other byte
        order, tables of several column types and arrays on other devices are.
    counts
        Training images per class, shape (C,), or a mapping (or pandas Series) from class name.
    labels
        Class of each row: integers, or names when the columns have names. They give standard
        errors, and the counts when none were given; with both, rows are weighted to follow the
        counts.
    trained_with
        How the model was trained: ``'ce'``, ``'la'`` or ``'la:TAU'`` (logit-adjusted loss),
        ``'balanced-softmax'``, ``('weights', w)`` (class weights w) or ``('offset', b)``, with one
        number per class.
    input
        What the scores are: ``'auto'`` (told from the first rows, checked on all), ``'logits'``,
        ``'probs'`` or ``'log-probs'``.
    rows
        Where the rows come from: ``'train'``, ``'train-augmented'``, ``'holdout'`` or, for the
        scores of :func:`leave_one_out_scores`, ``'loo'``.
    temperature
        T > 0: scores are used as z / T from here on.
    smoothing
        Pull q towards the class frequencies as that many more rows would.
    pool
        For few rows (fewer than 100, held out): draw log q towards a line in the log class
        frequencies, each class by its standard error. Needs 4 measured classes and `counts` or
        `labels`; contradicts `smoothing` and `iterate`.
    floor
        Least value of q; None: 1 / (100 N C).
    classes
        Class names in the order of the columns.
    ignore_index
        Label of rows to leave out.
    exclude
        Classes (names or numbers) whose score is to stay as it is, background for example.
    class_axis
        Axis of the classes in arrays of rank 3 and 4, as in ``class_axis=1`` for N,C,H,W.
    normalise
        Divide each row by its sum: for probabilities that were rounded, scaled (percent, votes) or
        cut. A row that sums to 0 is an Error.
    log_base
        Base of log-probabilities that are not natural logarithms, 10 for example.
    binary
        One score a row, shape (rows,) or (rows, 1), of class 1 of two: a probability p is read as
        [1 - p, p], a logit s as [0, s]. `input` ``'auto'``: probabilities when the first rows lie
        in [0, 1].
    iterate
        Match the mean posterior to the class frequencies in several passes.
    max_rounds, allow_unconverged
        Cap of `iterate` in passes; at the cap, take the last round with a warning.
    threads
        None: all processors. The result does not depend on it.

    Returns
    -------
    ClassPrior
        The same numbers, bit for bit, as `p2p estimate` on the same rows.

    Raises
    ------
    Error
        Scores, labels or options that cannot be used; the row, the class and the remedy are named.

    Warns
    -----
    PriorWarning
        Rows that may not follow the training distribution, classes without images or rows.

    Notes
    -----
    One pass, O(rows * C); memory O(C * threads). The interpreter lock is released and Ctrl-C
    works. Source: Bhat et al., Prior2Posterior, WACV 2025, arXiv:2412.16540.

    With `pool`, log q_c = a + s log pi_c + u_c + e_c, u_c of variance v, e_c of the standard error
    of class c; a, s by generalised least squares, v by the restricted likelihood. log q_c becomes
    m_c + v / (v + stderr_c^2) (log q_c - m_c) on the line m = a + s log pi. `log_q_stderr` stays
    that of the rows. Sources: Efron and Morris 1975; Patterson and Thompson 1971.

    Examples
    --------
    >>> prior = prior2posterior.estimate_prior(train_logits, counts=counts)
    >>> prior.effective
    """
    classes = names_of(classes)
    settings: dict[str, Any] = {
        "trained_with": trained_with,
        "input": input,
        "rows": rows,
        "temperature": temperature,
        "smoothing": smoothing,
        "pool": pool,
        "floor": floor,
        "ignore_index": ignore_index,
        "exclude": exclude,
        "normalise": normalise,
        "log_base": log_base,
        "binary": binary,
        "threads": threads,
    }
    if labels is None and ignore_index is not None:
        warn("ignore_index is a value of labels, and there are none")
    if not iterate and (max_rounds, allow_unconverged) != (1000, False):
        warn("max_rounds and allow_unconverged are not looked at without iterate=True")
    if is_blocks(scores):
        if iterate:
            raise Error("iterate reads the scores again and again; pass one array")
        return _estimate_blocks(scores, counts, labels, classes, class_axis, settings)
    reading = reading_of(normalise, log_base, binary)
    core, first = core_scores(scores, class_axis, reading=reading)
    classes = agree(("classes", classes), ("the columns of 'scores'", first.names))
    options = _options(
        counts=per_class(counts, "counts", classes),
        classes=classes,
        iterate=iterate,
        max_rounds=max_rounds,
        allow_unconverged=allow_unconverged,
        **settings,
    )
    shape = first.array.shape
    numbers = None if labels is None else as_labels(labels, classes, shape, class_axis)
    return warned(_core.estimate_prior(core, numbers, options))


def _estimate_blocks(
    scores: Iterable[Any],
    counts: Any,
    labels: Any,
    classes: Sequence[str] | None,
    class_axis: int | None,
    settings: dict[str, Any],
) -> ClassPrior:
    total: PosteriorSum | None = None
    reading = reading_of(settings["normalise"], settings["log_base"], settings["binary"])
    done = 0
    numbers: NDArray[np.int64] | None = None
    for block, name in blocks_of(scores):
        rows = read_rows(block, name, reading)
        if total is None:
            classes = agree(("classes", classes), (f"the columns of '{name}'", rows.names))
            axis = check_shape(rows.array, class_axis, name, binary=reading.binary)
            width = rows.array.shape[axis]
            n_classes = 2 if reading.binary else width
            label_rows = None
            if labels is not None:
                numbers = as_labels(labels, classes)
                used = (numbers >= 0) & (numbers < n_classes)
                if settings["ignore_index"] is not None:
                    used &= numbers != settings["ignore_index"]
                found = np.bincount(numbers[used], minlength=n_classes)
                if counts is None:
                    counts = found
                else:
                    label_rows = found
            total = PosteriorSum(
                n_classes, counts=counts, classes=classes, label_rows=label_rows, **settings
            )
        of_block = None
        if numbers is not None:
            of_block = numbers[done : done + rows.array.size // width]
        done += total._update(block, of_block, None, name, class_axis)
    if total is None:
        raise Error("'scores' yielded no block; expected at least one of shape (rows, classes)")
    if numbers is not None and numbers.size != done:
        raise Error(
            f"'labels' holds {numbers.size} labels, but the scores have {done} rows; "
            "give one label per row of the whole data set"
        )
    return total.compute()


def load_prior(path: str | os.PathLike[str]) -> ClassPrior:
    """Read a prior file.

    Parameters
    ----------
    path
        A file of `p2p estimate` or :func:`save`.

    Returns
    -------
    ClassPrior

    Raises
    ------
    Error
        No such file, or not a prior file; what is wrong is named.
    """
    return _core.load_prior(_path(path))


def save(prior: ClassPrior, path: str | os.PathLike[str]) -> None:
    """Write a prior file, complete or not at all.

    Parameters
    ----------
    prior
        From :func:`estimate_prior`.
    path
        Where; an older file of that name is replaced.

    Raises
    ------
    Error
        The file cannot be written.
    """
    if not isinstance(prior, ClassPrior):
        raise Error(f"prior is a {type(prior).__name__}; expected a ClassPrior, then its path")
    _core.save_prior(prior, _path(path))


def _path(path: Any) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise Error(f"path is a {type(path).__name__}; expected the path of a prior file")
    return os.fspath(path)
