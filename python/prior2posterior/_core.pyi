"""The compiled library; use the package prior2posterior."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy
import numpy.typing
from numpy.typing import NDArray

class Error(ValueError):
    """What cannot be used as asked: one sentence that says what, where, what was found, what was
    expected and how to mend it."""

version: str = "0.1.0"

BLOCK_ROWS: int = 4096

class ScoreReading:
    def __init__(self, normalise: bool, log_base: float | None, binary: bool) -> None: ...
    @property
    def binary(self) -> bool: ...

class Scores:
    def __init__(
        self,
        arrays: Sequence[Annotated[NDArray[Any], dict(device="cpu", writable=False)]],
        class_axis: int | None,
        name: str,
        reading: ScoreReading,
    ) -> None: ...
    @property
    def n_rows(self) -> int: ...
    @property
    def n_classes(self) -> int: ...

class EstimateOptions:
    def __init__(
        self,
        *,
        loss: str,
        tau: float,
        values: Annotated[
            NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)
        ]
        | None,
        input: str,
        reading: ScoreReading,
        counts: Annotated[
            NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)
        ]
        | None,
        classes: Sequence[str],
        rows: str,
        temperature: float,
        smoothing: float,
        pool: bool,
        floor: float | None,
        ignore_index: int | None,
        exclude: Sequence[int],
        iterate: bool,
        max_rounds: int,
        allow_unconverged: bool,
        threads: int,
    ) -> None: ...

class ClassPrior:
    """
    An effective prior and what is needed to use, explain and merge it.

    Made by :func:`estimate_prior`, :meth:`PosteriorSum.compute` or :func:`load_prior`. It never
    changes. Arrays have one entry per class, shape (C,), float64, and are new read-only copies.
    Two priors are equal when their files are; they pickle as their files.
    """

    @property
    def n_classes(self) -> int:
        """Number of classes, C."""

    @property
    def n_rows(self) -> int:
        """Rows it was estimated from, those left out excepted."""

    @property
    def effective(self, /) -> numpy.typing.NDArray[numpy.float64]:
        """
        q = mean softmax(z / T + b), smoothed and raised to the floor. Sums to 1.
        """

    @property
    def residual(self, /) -> numpy.typing.NDArray[numpy.float64]:
        """
        r, proportional to q / exp(b): what a correction divides by. Sums to 1; NaN for classes
        that are not corrected.
        """

    @property
    def empirical(self, /) -> numpy.typing.NDArray[numpy.float64] | None:
        """pi, the class frequencies of the training set; None without counts."""

    @property
    def log_q_stderr(self, /) -> numpy.typing.NDArray[numpy.float64]:
        """Standard error of log q; NaN where no row tells it."""

    @property
    def counts(self, /) -> numpy.typing.NDArray[numpy.float64] | None:
        """Training images per class; None when they were not given."""

    @property
    def training_offset(self, /) -> numpy.typing.NDArray[numpy.float64]:
        """
        b: softmax(z / T + b) models the posterior of the training distribution.
        """

    @property
    def classes(self) -> list[str] | None:
        """Class names in the order of the columns; None when they are not known."""

    @property
    def rows(self) -> str:
        """
        Where the rows come from: 'train', 'train-augmented', 'holdout' or 'loo'.
        """

    @property
    def input(self) -> str:
        """What the scores were: 'logits', 'probs' or 'log-probs'."""

    @property
    def temperature(self) -> float:
        """T: scores are used as z / T."""

    @property
    def trained_with(self) -> str:
        """How the offset b came about, in words."""

    @property
    def smoothing(self) -> float:
        """Pull towards the class frequencies, in rows."""

    @property
    def pool(self) -> bool:
        """Whether q was drawn towards a power of the class frequencies."""

    @property
    def weighted(self) -> bool:
        """Whether labelled rows were weighted to follow the class frequencies."""

    @property
    def excluded(self, /) -> numpy.typing.NDArray[numpy.int64]:
        """Classes whose score is left as it is."""

    @property
    def floored(self, /) -> numpy.typing.NDArray[numpy.int64]:
        """Classes whose q was raised to the floor: no row believes in them."""

    @property
    def uncovered(self, /) -> numpy.typing.NDArray[numpy.int64]:
        """Classes with training images but no labelled row."""

    @property
    def match(self, /) -> dict[str, Any] | None:
        """
        How r was matched (iterate=True): offset, changes, converged, unmatched; or None.
        """

    @property
    def missing_parts(self) -> list[str]:
        """
        A sentence for each part of a data set that is not in it (p2p estimate --part).
        """

    def to_json(self) -> str:
        """The prior file, as text: JSON, the same bytes for the same prior."""

    @staticmethod
    def from_json(text: str) -> ClassPrior:
        """The prior that to_json() wrote. Error: not a prior file."""

    def merge(self, other: ClassPrior) -> ClassPrior:
        """
        The prior of all rows behind both, as `p2p merge`. Error: their settings differ, or rows
        are in both.
        """

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getstate__(self) -> str: ...
    def __setstate__(self, arg: str, /) -> None: ...
    def __repr__(self) -> str: ...

class PriorAccumulator:
    def __init__(
        self,
        classes: int,
        options: EstimateOptions,
        label_rows: Annotated[
            NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)
        ]
        | None,
    ) -> None: ...
    def update(
        self,
        batch: Scores,
        labels: Annotated[
            NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)
        ]
        | None,
        weights: Annotated[
            NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)
        ]
        | None,
    ) -> None: ...
    def merge(self, other: PriorAccumulator) -> None: ...
    def end_block(self) -> None: ...
    def copy(self) -> PriorAccumulator: ...
    def finish(self) -> tuple[ClassPrior, list[str]]: ...
    def save(
        self,
    ) -> tuple[
        str,
        int,
        int,
        bool | None,
        int,
        list[int],
        list[tuple[int, int]],
        list[tuple[int, int]],
        list[tuple[int, int]],
    ]: ...
    def load(
        self,
        saved: tuple[
            str,
            int,
            int,
            bool | None,
            int,
            Sequence[int],
            Sequence[tuple[int, int]],
            Sequence[tuple[int, int]],
            Sequence[tuple[int, int]],
        ],
    ) -> None: ...
    @property
    def n_classes(self) -> int: ...
    @property
    def n_rows(self) -> int: ...
    @property
    def training_offset(self, /) -> numpy.typing.NDArray[numpy.float64]: ...

def estimate_prior(
    scores: Scores,
    labels: Annotated[
        NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)
    ]
    | None,
    options: EstimateOptions,
) -> tuple[ClassPrior, list[str]]: ...
def prior_of_totals(
    options: EstimateOptions,
    rows: int,
    label_rows: Sequence[int],
    posterior: Sequence[float],
    posterior_squared: Sequence[float],
    own_class: Sequence[float],
) -> tuple[ClassPrior, list[str]]: ...
def load_prior(path: str) -> ClassPrior: ...
def save_prior(prior: ClassPrior, path: str) -> None: ...
def default_threads() -> int: ...
def agree_on_class_names(origins: Sequence[str], names: Sequence[Sequence[str]]) -> list[str]: ...

class Correction:
    """
    A correction: one number per class, and how it was found.

    Made by :func:`make_correction`; :func:`correct` and :func:`bake` take it in place of a prior.
    Corrected scores are z' = scale * z / temperature + delta. It never changes; two are equal when
    their numbers and their origin are.
    """

    @property
    def delta(self, /) -> numpy.typing.NDArray[numpy.float64]:
        """
        What is added to the score of each class, shape (C,), mean 0; 0 for classes that are
        not corrected, -inf where the target is 0.
        """

    @property
    def temperature(self) -> float:
        """T, by which scores are divided first."""

    @property
    def scale(self, /) -> numpy.typing.NDArray[numpy.float64] | None:
        """Factor of each class (method='vector-scaling'), or None: ones."""

    @property
    def scale_kind(self) -> str | None:
        """
        Kind of the scores that scale was learned from, the only one that it fits, or None.
        """

    @property
    def second_temperature(self) -> float | None:
        """
        Temperature of the second model's scores, which are added (method='gla'), or None.
        """

    @property
    def capped(self, /) -> numpy.typing.NDArray[numpy.int64]:
        """Floored classes, raised no more than the most raised measured class."""

    @property
    def residual(self, /) -> numpy.typing.NDArray[numpy.float64]:
        """The prior that is divided out, shape (C,); empty when nothing is."""

    @property
    def target(self, /) -> numpy.typing.NDArray[numpy.float64]:
        """
        The prior aimed at, given or estimated, shape (C,); empty when nothing is divided out.
        """

    @property
    def method(self) -> str:
        """Name of the method; the chosen one of 'auto'."""

    @property
    def strength(self) -> float:
        """Share of the correction; the chosen one."""

    @property
    def classes(self) -> list[str] | None:
        """Class names of the prior; None when they are not known."""

    @property
    def is_identity(self) -> bool:
        """Whether scores stay as they are."""

    @property
    def converged(self) -> bool:
        """Whether an iterative method ended before max_rounds."""

    @property
    def warnings(self) -> list[str]:
        """
        Sentences about what to be careful with; they were warned of when it was made.
        """

    @property
    def target_name(self) -> str:
        """The target as it was asked for, or 'given' for an array."""

    @property
    def rounds(self, /) -> list[dict[str, float]]:
        """
        Rounds of an iterative method: change, and objective where it looks at one.
        """

    @property
    def selection(self, /) -> dict[str, Any] | None:
        """
        Verdict, explanation and candidates of method='auto' or strength='auto'; else None.
        """

    def to_dict(self) -> dict[str, Any]:
        """The keys of `p2p correct --json`."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getstate__(
        self,
    ) -> tuple[
        list[float],
        float,
        list[float],
        str,
        float | None,
        list[int],
        list[float],
        list[float],
        list[tuple[float, float | None]],
        bool,
        list[str],
        str,
        float,
        str,
        list[str],
        str,
    ]: ...
    def __setstate__(
        self,
        arg: tuple[
            Sequence[float],
            float,
            Sequence[float],
            str,
            float | None,
            Sequence[int],
            Sequence[float],
            Sequence[float],
            Sequence[tuple[float, float | None]],
            bool,
            Sequence[str],
            str,
            float,
            str,
            Sequence[str],
            str,
        ],
        /,
    ) -> None: ...
    def __repr__(self) -> str: ...

class Evidence:
    def __init__(
        self,
        holdout: Scores | None,
        holdout_labels: Annotated[
            NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)
        ]
        | None,
        ignore_index: int | None,
        unlabelled: Scores | None,
        holdout_second: Scores | None,
        input: str,
        threads: int,
    ) -> None: ...

def make_correction(
    prior: ClassPrior,
    method: str,
    target: str,
    shares: Annotated[
        NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)
    ]
    | None,
    strength: float | None,
    tau: float,
    eps: float,
    match_to: str,
    confusion: str,
    max_rounds: int,
    allow_unconverged: bool,
    scoring: str,
    folds: int,
    max_group_loss: float,
    applied_to: str,
    evidence: Evidence,
) -> Correction: ...
def judge_inputs(prior: ClassPrior, evidence: Evidence) -> dict[str, Any]: ...
def require_fit(correction: Correction, kind: str, where: str) -> None: ...
def correct(
    scores: Scores,
    out: Annotated[NDArray[Any], dict(device="cpu")],
    class_axis: int,
    correction: Correction,
    input: str,
    output: str,
    second: Scores | None,
    second_input: str,
    kind_stated: bool,
    threads: int,
) -> None: ...
def detect_kind(scores: Scores) -> str: ...
def methods() -> dict[str, str]: ...
def leave_one_out_scores(
    features: Scores,
    labels: Annotated[
        NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)
    ],
    weight: Annotated[
        NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)
    ],
    bias: Annotated[
        NDArray[numpy.float32], dict(shape=(None,), order="C", device="cpu", writable=False)
    ],
    *,
    loss: str,
    tau: float,
    values: Annotated[
        NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)
    ]
    | None,
    counts: Annotated[
        NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)
    ]
    | None,
    threads: int,
    out: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu")],
) -> None: ...

class Metrics:
    """
    What labelled scores are worth. Fractions, not percent.

    Made by :func:`evaluate`; print it for the table of `p2p evaluate`. Definitions: docs/metrics.md.
    A value that the data do not determine is None.
    """

    @property
    def accuracy(self) -> float:
        """Share of rows whose largest score is their class's."""

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of classes present."""

    @property
    def macro_f1(self) -> float:
        """Mean F1 of classes in labels or predictions."""

    @property
    def nll(self) -> float:
        """Mean -log p of the own class, p clipped at 1e-38."""

    @property
    def brier(self) -> float:
        """Mean squared distance of p and the one-hot label."""

    @property
    def ece(self) -> float:
        """Top-label calibration error, 15 equal-width bins."""

    @property
    def ece_equal_mass(self) -> float:
        """Top-label calibration error, 15 equal-mass bins."""

    @property
    def ece_classwise(self) -> float:
        """Calibration error of each class, averaged."""

    @property
    def worst_recall(self) -> float:
        """Smallest recall of a class present."""

    @property
    def geometric_mean(self) -> float:
        """Of the recalls of classes present."""

    @property
    def many(self) -> float | None:
        """Mean recall of classes with more than `many` images."""

    @property
    def medium(self) -> float | None:
        """Mean recall of classes in between."""

    @property
    def few(self) -> float | None:
        """Mean recall of classes with fewer than `few` images."""

    @property
    def residual_slope(self) -> float | None:
        """How much of the long tail the scores still carry: 0 none, 1 all of it."""

    @property
    def n_rows(self) -> int:
        """Rows used."""

    @property
    def n_ignored(self) -> int:
        """Rows left out."""

    @property
    def n_classes(self) -> int:
        """Number of classes, C."""

    @property
    def recall(self, /) -> numpy.typing.NDArray[numpy.float64]:
        """Recall of each class, shape (C,); NaN where it has no rows."""

    @property
    def label_counts(self, /) -> numpy.typing.NDArray[numpy.int64]:
        """Rows of each class, shape (C,)."""

    @property
    def ci95(self, /) -> dict[str, Any] | None:
        """
        95 % intervals [low, high] by name, as in to_dict(); None without a bootstrap.
        """

    def to_dict(self) -> dict[str, Any]:
        """The keys of `p2p evaluate --json`."""

    def __getstate__(
        self,
    ) -> tuple[
        int, int, int, int, list[float | None], list[float | None], list[int], list[float]
    ]: ...
    def __setstate__(
        self,
        arg: tuple[
            int,
            int,
            int,
            int,
            Sequence[float | None],
            Sequence[float | None],
            Sequence[int],
            Sequence[float],
        ],
        /,
    ) -> None: ...
    def __str__(self) -> str: ...
    def __repr__(self) -> str: ...

class Inspection:
    """
    What a prior says about its model, and labelled scores about the bias left in them.

    Made by :func:`inspect`; print it for the text of `p2p inspect`.
    """

    @property
    def tv(self) -> float | None:
        """
        Total variation between the effective prior and the class frequencies; None without counts.
        """

    @property
    def gap(self) -> str:
        """Whether the two priors differ: 'no-gap', 'gap' or 'unknown'."""

    @property
    def balance(self) -> str | None:
        """
        'balanced', 'head-biased', 'over-corrected' or 'unknown'; None without labelled scores.
        """

    @property
    def residual_slope(self) -> float | None:
        """
        How much of the long tail the labelled scores carry; None where nothing tells.
        """

    def to_dict(self) -> dict[str, Any]:
        """The keys of `p2p inspect --json`."""

    def __getstate__(self) -> tuple[str, list[float] | None]: ...
    def __setstate__(self, arg: tuple[str, Sequence[float] | None], /) -> None: ...
    def __str__(self) -> str: ...
    def __repr__(self) -> str: ...

def evaluate(
    scores: Scores,
    labels: Annotated[
        NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)
    ],
    input: str,
    temperature: float,
    counts: Annotated[
        NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)
    ]
    | None,
    many: float,
    few: float,
    ignore_index: int | None,
    exclude: Sequence[int],
    bootstrap: int,
    seed: int,
    threads: int,
) -> Metrics: ...
def inspect(
    prior: ClassPrior,
    scores: Scores | None,
    labels: Annotated[
        NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)
    ]
    | None,
    input: str,
    ignore_index: int | None,
    seed: int,
    threads: int,
) -> Inspection: ...
def bake_file(
    model: str,
    out: str,
    correction: Correction,
    prior_sha256: str,
    mode: str,
    output_name: str,
    tensor: str,
    class_axis: int | None,
    add_bias: str,
    again: bool,
    verify: str | None,
    tolerance: float | None,
    input: str,
    threads: int,
) -> dict[str, Any]: ...
def unbake_file(model: str, out: str) -> dict[str, Any]: ...
def show_file(
    model: str, n_classes: int, output_name: str, tensor: str, class_axis: int | None
) -> dict[str, Any]: ...
def folded_bias(
    bias: numpy.typing.NDArray[numpy.float64] | None, correction: Correction
) -> numpy.typing.NDArray[numpy.float64]: ...
