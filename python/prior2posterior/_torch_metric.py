"""The effective prior of tensors, summed on their own device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, distributed

from . import _core
from ._core import ClassPrior
from ._errors import Error
from ._estimate import _options, warned
from ._values import per_class

__all__ = ["EffectivePrior"]

# What may be wrong with a row; its number (from 1) is what the device keeps.
_FAULTS = (
    "has no posterior: every class that the offset does not rule out is masked; drop the row",
    "does not hold probabilities that sum to 1; say input='logits' if they are logits",
    "has exponentials that do not sum to 1, so it does not hold log-probabilities; say "
    "input='logits' if they are logits",
    "holds a negative number, but probabilities cannot be negative; if these are logits say "
    "input='logits'",
    "reaches 65504, the largest float16: the scores saturated; make them in float32",
    "holds +inf; scores must be finite, or -inf for a masked class: recompute the row",
    "holds NaN; scores must be finite, or -inf for a masked class: drop or recompute the row",
    "has a label outside the classes; correct it, or leave such rows out with ignore_index",
)
_MASKED, _NO_PROBS, _NO_LOG_PROBS, _NEGATIVE, _SATURATED, _INFINITE, _NAN, _LABEL = range(1, 9)
_CODES = 16  # rows * _CODES + code is one number: the least is the first faulty row
_NO_FAULT = torch.iinfo(torch.int64).max


class EffectivePrior:
    """Metric: the prior that a model really holds, q = mean softmax(z / T + b) over its rows.

    Sums stay on the device of the first batch, O(C) in float64 (float32 on Apple's mps, which has
    no float64), and `update` does not wait for the device. `compute` adds up all processes when
    torch.distributed is initialised. It pickles and can be copied.

    Parameters
    ----------
    n_classes
        Number of classes C; may be left out when `counts` are given.
    counts, trained_with, rows, temperature, smoothing, pool, floor, ignore_index, exclude, classes
        As for :func:`prior2posterior.estimate_prior`.
    input
        What the scores are: ``'logits'``, ``'probs'`` or ``'log-probs'``. Nothing is guessed.

    Raises
    ------
    Error
        Options out of range or of another length.

    Notes
    -----
    The softmax is taken in float64 as well, so the result is that of `estimate_prior` to 1e-12 for
    float64 scores and to 1e-6 for the others, relative. Labelled rows count once each, whatever
    `counts` say; use `estimate_prior` or `PosteriorSum(label_rows=...)` to weigh them. Source: Bhat
    et al., Prior2Posterior, WACV 2025, arXiv:2412.16540.

    Examples
    --------
    >>> metric = EffectivePrior(counts=counts)
    >>> for x, y in train_loader:
    ...     metric.update(model(x), y)
    >>> prior = metric.compute()
    """

    def __init__(
        self,
        n_classes: int | None = None,
        *,
        counts: Any = None,
        trained_with: Any = "ce",
        input: str = "logits",
        rows: str = "train",
        temperature: float = 1.0,
        smoothing: float = 0.0,
        pool: bool = False,
        floor: float | None = None,
        ignore_index: int | None = None,
        exclude: Iterable[int | str] = (),
        classes: Sequence[str] | None = None,
    ) -> None:
        if input == "auto":
            raise Error(
                "input is 'auto', but tensors are summed without being looked at; say 'logits', "
                "'probs' or 'log-probs'"
            )
        classes = None if classes is None else [str(name) for name in classes]
        numbers = per_class(counts, "counts", classes)
        if n_classes is None:
            if numbers is None:
                raise Error("the number of classes is not known; give n_classes or counts")
            n_classes = numbers.size
        self.n_classes = n_classes
        self._settings: dict[str, Any] = {
            "counts": numbers,
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
            "threads": 1,
        }
        core = _core.PriorAccumulator(n_classes, _options(**self._settings), None)
        offset = core.training_offset.copy()
        self._offset = torch.tensor(offset) if offset.any() else None
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        self.n_rows = 0  #: rows so far in this process, those left out included
        self._labelled: bool | None = None
        self._sums: Tensor | None = None  # [3, C]: posterior, its square, that of the own class
        self._numbers: Tensor | None = None  # [C + 1]: labelled rows per class; look-alikes
        self._fault: Tensor | None = None

    def update(self, logits: Tensor, labels: Any = None) -> None:
        """Add rows.

        Parameters
        ----------
        logits
            Scores of shape (N, C) or (N, C, d1, ...), float16, bfloat16, float32 or float64, on
            any device; what `input` says they are. No gradient is kept.
        labels
            Class of each row, shape (N,) or (N, d1, ...): for standard errors, and for the counts
            when none were given; for all batches or for none.

        Raises
        ------
        Error
            Another number of classes or shape. What is wrong with the values is found on the
            device and raised by :meth:`compute`.
        """
        self._check(logits, labels)
        if not logits.numel():
            return
        with torch.no_grad():
            device = logits.device
            precision = torch.float32 if device.type == "mps" else torch.float64
            z = logits.detach().movedim(1, -1).reshape(-1, self.n_classes).to(precision)
            x = z.log() if self._settings["input"] == "probs" else z
            if self._settings["temperature"] != 1:
                x = x / self._settings["temperature"]
            if self._offset is not None:
                self._offset = self._offset.to(device, precision)
                x = x + self._offset
            fault, alike = self._judge(z, x, logits.dtype)
            p = x.softmax(1)
            own = torch.zeros(self.n_classes, dtype=precision, device=device)
            label_rows = torch.zeros(self.n_classes, dtype=torch.int64, device=device)
            if labels is not None:
                y = torch.as_tensor(labels, device=device).reshape(-1).long()
                kept = torch.ones_like(y)
                if self._settings["ignore_index"] is not None:
                    kept = (y != self._settings["ignore_index"]).long()
                    p = p * kept[:, None]
                at = y.clamp(0, self.n_classes - 1)
                fault = torch.where((at != y) & (kept > 0), _LABEL, fault)
                own = own.index_add(0, at, p.gather(1, at[:, None])[:, 0])
                label_rows = label_rows.index_add(0, at, kept)
            row = torch.arange(self.n_rows, self.n_rows + z.shape[0], device=device)
            first_fault = torch.where(fault > 0, row * _CODES + fault, _NO_FAULT).amin()
            self._add(
                torch.stack([p.sum(0), p.square().sum(0), own]),
                torch.cat([label_rows, alike.sum().view(1)]),
                first_fault,
            )
        self.n_rows += z.shape[0]
        self._labelled = labels is not None

    def _check(self, logits: Any, labels: Any) -> None:
        if not isinstance(logits, Tensor) or not logits.is_floating_point():
            found = logits.dtype if isinstance(logits, Tensor) else type(logits).__name__
            raise Error(f"'logits' is a {found}; expected a tensor of floats")
        if logits.dim() < 2 or logits.shape[1] != self.n_classes:
            raise Error(
                f"'logits' has shape {tuple(logits.shape)}; expected (N, {self.n_classes}) or "
                f"(N, {self.n_classes}, d1, ...)"
            )
        if self._labelled is not None and self._labelled != (labels is not None):
            raise Error(
                "some batches came with labels and some without; give labels for all or for none"
            )
        if labels is None:
            return
        labels = torch.as_tensor(labels)
        expected = logits.shape[:1] + logits.shape[2:]
        if labels.shape != expected or labels.is_floating_point():
            raise Error(
                f"'labels' has shape {tuple(labels.shape)} of {labels.dtype}, but the scores have "
                f"shape {tuple(logits.shape)}; expected one class number per row, "
                f"shape {tuple(expected)}"
            )

    def _judge(self, z: Tensor, x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return what is wrong with each row (0: nothing), and which look like probabilities."""
        narrow = dtype in (torch.float16, torch.bfloat16)
        sum_tolerance, range_tolerance = (2e-2, 1e-2) if narrow else (1e-3, 1e-5)
        low, high = z.amin(1), z.amax(1)
        kind = self._settings["input"]
        alike = torch.zeros_like(high, dtype=torch.bool)
        fault = torch.where(x.amax(1) == -torch.inf, _MASKED, alike.long())
        if kind == "log-probs":
            sums_to_1 = (z.exp().sum(1) - 1).abs() <= sum_tolerance
            fault = torch.where(sums_to_1 & (high <= range_tolerance), fault, _NO_LOG_PROBS)
        else:
            sums_to_1 = (z.sum(1) - 1).abs() <= sum_tolerance
            probs = (low >= 0) & (high <= 1 + range_tolerance) & sums_to_1
            if kind == "probs":
                fault = torch.where(probs, fault, _NO_PROBS)
                fault = torch.where(low < 0, _NEGATIVE, fault)
            else:
                alike = probs
        if dtype == torch.float16:
            fault = torch.where(high == torch.finfo(dtype).max, _SATURATED, fault)
        fault = torch.where(high == torch.inf, _INFINITE, fault)
        return torch.where(high.isnan(), _NAN, fault), alike

    def _add(self, sums: Tensor, numbers: Tensor, fault: Tensor) -> None:
        if self._sums is None or self._numbers is None or self._fault is None:
            self._sums, self._numbers, self._fault = sums, numbers, fault
            return
        device = self._sums.device
        self._sums = self._sums + sums.to(device)
        self._numbers = self._numbers + numbers.to(device)
        self._fault = torch.minimum(self._fault, fault.to(device))

    def compute(self) -> ClassPrior:
        """Return the prior of all rows so far, of all processes; more may follow.

        Returns
        -------
        ClassPrior
            The same in every process.

        Raises
        ------
        Error
            No rows; NaN, +inf, only -inf, probabilities given as logits, labels out of range.
            :meth:`reset` makes the metric usable again.
        """
        fault = _NO_FAULT if self._fault is None else int(self._fault)
        total = self._total(fault != _NO_FAULT)
        if fault != _NO_FAULT:
            row, code = divmod(fault, _CODES)
            raise Error(f"'logits', row {row} (counted from 0) {_FAULTS[code - 1]}")
        n_rows, n_labelled, n_faulty, *values = total.tolist()
        if n_faulty:
            raise Error("another process was given rows that cannot be used; it says which")
        if not n_rows:
            raise Error("no rows to estimate a prior from; call update first")
        if n_labelled not in (0, n_rows):
            raise Error("some processes gave labels and some did not; give labels to all or none")
        c = self.n_classes
        posterior, squared, own = values[:c], values[c : 2 * c], values[2 * c : 3 * c]
        label_rows, alike = [int(m) for m in values[3 * c : -1]], values[-1]
        # As the core judges a block of rows: a few look-alikes may be chance.
        if 20 * (alike - 3) > n_rows or (alike >= 2 and 2 * alike >= n_rows):
            raise Error(
                f"{alike:.0f} of {n_rows:.0f} rows of 'logits' hold probabilities; give what the "
                "model makes before its softmax, or say input='probs'"
            )
        counted = sum(label_rows) if n_labelled else int(n_rows)
        return warned(
            _core.prior_of_totals(
                _options(**self._settings), counted, label_rows, posterior, squared, own
            )
        )

    def _total(self, faulty: bool) -> Tensor:
        """Rows, rows with labels, whether faulty, and all sums, in float64, over all processes."""
        if self._sums is None or self._numbers is None:
            values = torch.zeros(4 * self.n_classes + 1, dtype=torch.float64)
        else:
            values = torch.cat([self._sums.cpu().double().view(-1), self._numbers.cpu().double()])
        labelled = self.n_rows if self._labelled else 0
        head = torch.tensor([self.n_rows, labelled, faulty], dtype=torch.float64)
        total = torch.cat([head, values])
        if distributed.is_available() and distributed.is_initialized():
            if distributed.get_backend() == "nccl":
                total = total.cuda()
            distributed.all_reduce(total)
        return total.cpu()
