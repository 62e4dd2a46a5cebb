"""Tables of estimators of the effective prior, from the kept numbers alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cells
from cell import Cell
from intervals import Mean, mean_of, pooled
from markdown import number, percent, table
from pooling import SHARES

#: Kinds of networks, and the cells that they are of.
FAMILIES = {
    "linear": cells.linear_cells,
    "gaussian": cells.gaussian_cells,
    "mlp": cells.mlp_cells,
    "resnet": cells.resnet_cells,
}
FAMILY_WORDS = {
    "linear": "linear heads",
    "gaussian": "Gaussian classes",
    "mlp": "MLPs",
    "resnet": "ResNet-20",
}
BASE, GOAL = "training rows", "held-out rows"
WORDS = {
    "none": "no correction",
    "class frequencies": "class frequencies",
    "held-out rows": "held-out rows",
    "population": "test rows weighted to pi (many held-out rows)",
    "loo": "approximate leave-one-out, the head's own decay",
    "loo, refitted head": "approximate leave-one-out, head refitted",
    "5 folds": "heads of 5 folds",
    "Gaussian loo": "Gaussian leave-one-out head",
    "Gaussian loo, shift": "training q moved as the Gaussian head's moves",
    "stretched 0.05": "scores times (n_max/n)^0.05, then P2P",
    "stretched 0.1": "scores times (n_max/n)^0.1, then P2P",
    "held-out rows, z / T": "held-out rows, P2P of z / T",
    "loo, z / T": "leave-one-out, P2P of z / T",
    "held-out rows, vector scaling": "held-out rows, vector scaling",
    "loo, vector scaling": "leave-one-out, vector scaling",
}
#: Those that give a q, and so a share of what the held-out q gains.
OF_Q = ("class frequencies", "held-out rows", "population", "loo", "loo, refitted head", "5 folds",
        "Gaussian loo", "Gaussian loo, shift")  # fmt: skip
FEW_WORDS = {
    "power of n": "drawn to a power of n (`--pool`)",
    "power of q": "drawn to a power of the training q",
    "q": "drawn to the training q itself",
    "mean": "mean of training and held-out log q",
}


@dataclass(frozen=True)
class Measured:
    """Numbers of a network, which has a name in its cell."""

    cell: Cell
    name: str
    numbers: dict[str, Any]

    @property
    def key(self) -> str:
        return f"{self.cell.name}/{self.name}"

    def gain(self, estimator: str, measure: str, beside: str = BASE) -> float:
        found = self.numbers["estimators"]
        return float(found[estimator][measure] - found[beside][measure])


def networks(family: str) -> list[Measured]:
    return [
        Measured(cell, name, numbers)
        for cell in FAMILIES[family]()
        for name, numbers in cell.kept()["results"]["networks"].items()
    ]


def gain(these: list[Measured], estimator: str, measure: str, beside: str = BASE) -> Mean:
    """Mean over networks of a difference, with an interval over networks."""
    return pooled({n.key: [n.gain(estimator, measure, beside)] for n in these})


def share(these: list[Measured], estimator: str, measure: str, of: str = GOAL) -> Mean:
    """Gain of an estimator by that of held-out rows: a ratio of means over networks.

    Its interval is that of the mean of own gain - ratio * whole gain, by the mean whole gain.
    """
    own, whole = (gain(these, name, measure).value for name in (estimator, of))
    off = {
        n.key: [(n.gain(estimator, measure) - own / whole * n.gain(of, measure)) / whole]
        for n in these
    }
    return Mean(own / whole, pooled(off).half, len(these))


def shares(these: list[Measured], estimator: str) -> list[str | None]:
    """Of accuracy and of NLL, where held-out rows gain beyond chance."""
    found = []
    for measure in ("accuracy", "nll"):
        whole = gain(these, GOAL, measure)
        found.append(
            f"{share(these, estimator, measure).value:.2f}" if whole.is_beyond_chance else None
        )
    return found


def family_table(family: str) -> str:
    """Every estimator beside P2P with q of the training rows."""
    these = networks(family)
    base = [n.numbers["estimators"][BASE] for n in these]
    rows: list[list[str | None]] = [
        [BASE, percent(mean_of(b["accuracy"] for b in base)),
         number(mean_of(b["nll"] for b in base)), None, None]
    ]  # fmt: skip
    for name, words in WORDS.items():
        line: list[str | None] = [words, gain(these, name, "accuracy").text(100)]
        line.append(gain(these, name, "nll").text(1, 4))
        rows.append([*line, *(shares(these, name) if name in OF_Q else (None, None))])
    head = ["P2P with q of", "accuracy", "NLL", "of the held-out gain", "of that in NLL"]
    return table(head, rows)


def few_gain(these: list[Measured], size: int, name: str, measure: str) -> Mean:
    """What a way of pooling gains over the same held-out rows alone."""
    found = {}
    for n in these:
        of_share = n.numbers["few"][str(size)]
        found[n.key] = [of_share[name][measure] - of_share["held out"][measure]]
    return pooled(found)


def pooled_against_training(these: list[Measured], size: int) -> Mean:
    """Accuracy of pooled held-out rows less that of the training rows."""
    return pooled(
        {
            n.key: [
                n.numbers["few"][str(size)]["power of n"]["accuracy"]
                - n.numbers["estimators"][BASE]["accuracy"]
            ]
            for n in these
        }
    )


def few_table() -> str:
    rows = []
    for size in SHARES:
        for name, words in FEW_WORDS.items():
            line = [f"{size} %", words]
            for these in map(networks, FAMILIES):
                line.append(few_gain(these, size, name, "accuracy").text(100))
                line.append(few_gain(these, size, name, "nll").text(1, 3))
            rows.append(line)
    head = ["held-out rows", "estimator"]
    for family, words in FAMILY_WORDS.items():
        head += [f"{words} ({len(networks(family))}): accuracy", "NLL"]
    return table(head, rows)


def few_training_table() -> str:
    """Pooled held-out rows beside the training rows."""
    rows = []
    for size in SHARES:
        line = [f"{size} %"]
        for family in FAMILIES:
            these = networks(family)
            sizes = [n.numbers["few_rows"][str(size)] for n in these]
            line.append(f"{min(sizes):,} to {max(sizes):,}")
            line.append(pooled_against_training(these, size).text(100))
        rows.append(line)
    head = ["held-out rows"]
    for words in FAMILY_WORDS.values():
        head += [f"{words}: rows", "accuracy"]
    return table(head, rows)


def resnets() -> str:
    """Which networks there are, how many of their rows they know, what held-out rows gain."""
    rows = []
    for n in networks("resnet"):
        line: list[str | None] = [f"`{n.name}`", percent(n.numbers["train_accuracy"], 1)]
        for name in (GOAL, "loo", f"{GOAL}, z / T", "loo, z / T"):
            line.append(f"{100 * n.gain(name, 'accuracy'):+.2f}")
            line.append(f"{n.gain(name, 'nll'):+.4f}")
        rows.append(line)
    head = ["cell", "training rows right", "held-out rows: accuracy", "NLL",
            "leave-one-out: accuracy", "NLL", "held-out rows, P2P of z / T: accuracy", "NLL",
            "leave-one-out, P2P of z / T: accuracy", "NLL"]  # fmt: skip
    return table(head, rows)


def known(family: str) -> str:
    """Least and largest share of training rows that the networks of a family have right."""
    found = [n.numbers["train_accuracy"] for n in networks(family)]
    low, high = (percent(f(found), 1) for f in (min, max))
    return f"{low} to {high}"


#: Gains over the training rows that the text names.
NAMED = {
    "held": ("held-out rows", ("mlp",)),
    "loo": ("loo", ("mlp", "resnet")),
    "refit": ("loo, refitted head", ("resnet",)),
    "folds": ("5 folds", ("mlp",)),
    "gauss": ("Gaussian loo", ("gaussian", "linear", "resnet")),
    "gauss-shift": ("Gaussian loo, shift", ("linear",)),
    "stretched": ("stretched 0.1", ("mlp", "gaussian", "resnet")),
    "held-vector": ("held-out rows, vector scaling", ("linear", "gaussian")),
    "loo-vector": ("loo, vector scaling", ("linear", "gaussian", "mlp")),
    "held-t": ("held-out rows, z / T", ("mlp", "resnet", "linear")),
    "loo-t": ("loo, z / T", ("linear",)),
}


def values() -> Iterator[tuple[str, str]]:
    """Numbers that the text names."""
    for family in FAMILIES:
        yield f"{family}-networks", str(len(networks(family)))
        yield f"{family}-known", known(family)
    for name, (estimator, families) in NAMED.items():
        for family in families:
            yield f"{family}-{name}", gain(networks(family), estimator, "accuracy").text(100)
    for family in ("mlp", "linear"):
        these = networks(family)
        yield f"{family}-stretched-nll", gain(these, "stretched 0.1", "nll").text(1, 3)
        yield f"{family}-loo-share-nll", ratio(share(these, "loo", "nll"))
    for family in FAMILIES:
        whole = few_gain(networks(family), 100, "power of n", "accuracy")
        yield f"{family}-pool-100", whole.text(100)
    linear = networks("linear")
    yield "linear-loo-share-accuracy", ratio(share(linear, "loo", "accuracy"))
    for measure in ("accuracy", "nll"):
        of_population = share(linear, "loo", measure, "population")
        yield f"linear-loo-of-population-{measure}", ratio(of_population)


def ratio(mean: Mean) -> str:
    return f"{mean.value:.2f} ± {mean.half:.2f}"


def tables() -> dict[str, str]:
    return {
        **{f"estimators-{name}": value for name, value in values()},
        **{f"estimators-{family}": family_table(family) for family in FAMILIES},
        "estimators-resnets": resnets(),
        "estimators-few": few_table(),
        "estimators-few-training": few_training_table(),
    }
