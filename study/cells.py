"""All cells of the study. What is added here is measured by the next study/run."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import deployed
import gaussian_networks
import images
import linear_networks
import memorised_mlp
import resnets
import synthetic
import text
from cell import Cell

EPOCHS = {"cifar10": 24, "tiny": 60}
SEEDS = (0, 1, 2)

#: Set, loss, share of mixup and seed of the networks of docs/study.md.
NETWORKS = (
    ("cifar10", "ce", 0, 0),
    ("cifar10", "ce", 0, 1),
    ("cifar10", "ce", 0, 2),
    ("cifar10", "ce", 0.2, 0),
    ("cifar10", "la", 0, 0),
    ("cifar10", "la", 0, 1),
    ("cifar10", "la", 0, 2),
    ("cifar10", "la", 0.2, 0),
    ("tiny", "ce", 0, 0),
)
#: One run each, on CIFAR-10 after cross-entropy: options of p2p train that differ.
SINGLES: dict[str, dict[str, Any]] = {
    "if10": {"imbalance": 10},
    "if50": {"imbalance": 50},
    "balanced-softmax": {"loss": "balanced-softmax"},
    "ldam-drw": {"loss": "ldam-drw"},
    "vs": {"loss": "vs"},
    "cb": {"loss": "cb"},
    "focal": {"loss": "focal"},
    "smoothing": {"label-smoothing": 0.1},
    "no-bias-decay": {"no-bias-decay": True},
    "cosine": {"cosine-head": True},
    "no-augmentation": {"augment": "none"},
}
#: Those of docs/study.md, in its order.
SHOWN_SINGLES = ("balanced-softmax", "ldam-drw")

#: The common recipe of papers, too long for a processor.
GPU_RECIPE = {"network": "resnet32", "epochs": 200, "schedule": "step", "lr": 0.1, "bf16": True}


def image_cell(name: str, data: str, changes: dict[str, Any], **more: Any) -> Cell:
    """A cell of images; `changes` are options of p2p train that differ from the common ones."""
    train = {
        "imbalance": 100,
        "holdout": 0.1,
        "network": "resnet20",
        "loss": "ce",
        "epochs": EPOCHS[data],
        "schedule": "onecycle",
        "lr": 0.4,
        "seed": 0,
        "features": True,
        **changes,
    }
    options = {"data": data, "train": train, "threads": 1, "revision": 2, **more}
    return Cell(name, options, functools.partial(_measure_images, name))


def _measure_images(name: str, bench: Any, options: Any) -> Any:
    return images.measure(bench, name, options)


def network_cell(data: str, loss: str, mixup: float, seed: int) -> Cell:
    keep = {"keep": True} if data == "cifar10" or seed == 0 else {}
    changes = {"loss": loss, "mixup": mixup, "seed": seed}
    return image_cell(f"{data}-{loss}-{mixup}-s{seed}", data, changes, **keep)


def gpu_cell(data: str, loss: str, mixup: float, seed: int) -> Cell:
    """The same by the recipe of papers; trained on a GPU, measured anywhere."""
    changes = {**GPU_RECIPE, "loss": loss, "mixup": mixup, "seed": seed}
    return image_cell(f"gpu-{data}-{loss}-{mixup}-s{seed}", data, changes, threads=8, device="cuda")


def main_cells() -> list[Cell]:
    """The networks that docs/study.md is about."""
    return [network_cell(*network) for network in NETWORKS]


def single_cell(name: str) -> Cell:
    """One option of training changed."""
    return image_cell(f"cifar10-{name}", "cifar10", SINGLES[name], heads=False)


def further_cells() -> list[Cell]:
    """Networks that docs/study.md does not show yet."""
    networks = list(itertools.product(EPOCHS, ("ce", "la"), (0, 0.2), SEEDS))
    return [
        *(network_cell(*network) for network in networks if network not in NETWORKS),
        *(single_cell(name) for name in SINGLES if name not in SHOWN_SINGLES),
        *(gpu_cell(*network) for network in networks),
    ]


def text_cell(loss: str, epochs: int, seed: int) -> Cell:
    train = {
        "holdout": 0.1,
        "network": "mlp",
        "augment": "none",
        "loss": loss,
        "epochs": epochs,
        "schedule": "onecycle",
        "lr": 0.05,
        "seed": seed,
    }
    sections = {"least": 40, "test": 0.25, "buckets": 4096}
    options: dict[str, Any] = {"data": "text", **sections, "train": train, "threads": 1}
    name = f"text-{loss}-{epochs}-s{seed}"
    if name == "text-ce-3-s0":
        options["keep"] = True
    return Cell(name, options, functools.partial(_measure_text, name))


def _measure_text(name: str, bench: Any, options: Any) -> Any:
    return text.measure(bench, name, options)


def text_cells() -> list[Cell]:
    """Both losses, three seeds; and one seed long enough to know the rows by heart."""
    losses = ("ce", "la")
    return [
        *(text_cell(loss, 3, seed) for seed in SEEDS for loss in losses),
        *(text_cell(loss, 8, 0) for loss in losses),
    ]


def deployed_cell() -> Cell:
    options = {"model": "magika 1.0.3", "natural": 3000, "cap": 60, "least": 20}
    return Cell("deployed", options, deployed.measure)


#: Spread of the means of so many classes: they overlap, or are almost apart.
SPREADS = {
    2: {"overlapping": 0.25, "separable": 0.8},
    10: {"overlapping": 0.5, "separable": 1.5},
    100: {"overlapping": 0.7, "separable": 1.6},
    1000: {"overlapping": 1.0, "separable": 2.0},
}
#: Rows of the largest class.
MOST = {2: 5000, 10: 4000, 100: 1000, 1000: 100}


def synthetic_options(classes: int, kind: str, **more: Any) -> dict[str, Any]:
    return {
        "classes": classes,
        "dimensions": 16,
        "spread": SPREADS[classes][kind],
        "most": MOST[classes],
        "imbalance": 100,
        "test": 10000,
        "seeds": 5,
        **more,
    }


def synthetic_cells() -> list[Cell]:
    cells = [
        Cell(f"synthetic-{classes}-{kind}", synthetic_options(classes, kind),
             synthetic.measure_exact)
        for classes in SPREADS
        for kind in SPREADS[classes]
    ]  # fmt: skip
    for classes in (10, 100):
        options = synthetic_options(classes, "overlapping")
        cells += [
            Cell(f"synthetic-noise-{classes}", {**options, "noise": 0.2}, synthetic.measure_noise),
            Cell(
                f"synthetic-memorised-{classes}",
                {**options, "tilt": 0.5, "margins": [0, 2, 5, 10]},
                synthetic.measure_memorised,
            ),
            Cell(
                f"synthetic-trained-{classes}", {**options, "epochs": 20}, synthetic.measure_trained
            ),
        ]
    boundaries = {
        "means": [[0, 0], [2.2, 0], [1.1, 1.9]],
        "counts": [1000, 100, 10],
        "epochs": 200,
        "seed": 0,
    }
    return [*cells, Cell("synthetic-boundaries", boundaries, synthetic.measure_boundaries)]


#: Cells of images whose networks the estimators of the effective prior are tried on.
RESNETS = ("cifar10-ce-0-s0", "tiny-ce-0-s0")
#: Set, images of the largest class and seed of the networks that know their rows by heart.
MLPS = (("cifar10", 5000, 0), ("cifar10", 5000, 1))
#: Of the worlds of Gaussian classes that the estimators are tried on.
GAUSSIAN_SEEDS = (0,)


def linear_cells() -> list[Cell]:
    """Linear heads on features that come from elsewhere."""
    return [
        *(
            Cell(
                f"estimators-linear-text-s{seed}",
                {"rows": 1500, "width": 96, "least": 40, "seed": seed, "revision": 1},
                linear_networks.measure_text,
            )
            for seed in SEEDS
        ),
        *(
            Cell(
                f"estimators-linear-500-s{seed}",
                {"data": "cifar10", "patches": "tiny", "most": 500, "seed": seed, "revision": 1},
                linear_networks.measure_images,
            )
            for seed in SEEDS
        ),
    ]


def gaussian_cells() -> list[Cell]:
    return [
        Cell(
            f"estimators-gaussian-s{seed}",
            {"seed": seed, "revision": 1},
            gaussian_networks.measure,
        )
        for seed in GAUSSIAN_SEEDS
    ]


def mlp_cells() -> list[Cell]:
    return [
        Cell(
            f"estimators-mlp-{data}-s{seed}",
            {"data": data, "most": most, "seed": seed, "revision": 1},
            memorised_mlp.measure,
        )
        for data, most, seed in MLPS
    ]


def resnet_cells() -> list[Cell]:
    """One cell of the networks of RESNETS, whose options are its own."""
    every = (*main_cells(), *map(single_cell, SHOWN_SINGLES), *further_cells())
    known = {cell.name: cell.options for cell in every}
    of_cells = {name: known[name] for name in RESNETS}
    return [Cell("estimators-resnet", {"cells": of_cells, "revision": 1}, resnets.measure)]


def estimator_cells() -> list[Cell]:
    return [*linear_cells(), *gaussian_cells(), *mlp_cells(), *resnet_cells()]


def named(name: str) -> Cell:
    """The cell of docs/study.md with this name."""
    return next(cell for cell in all_cells() if cell.name == name)


def all_cells() -> list[Cell]:
    return [
        *main_cells(),
        *map(single_cell, SHOWN_SINGLES),
        *text_cells(),
        deployed_cell(),
        *synthetic_cells(),
        *estimator_cells(),
    ]
