"""The cell of the networks of the study: estimators on the runs of cells of images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import images
import network
from estimators import measure_network

from bench import Bench


def measure(bench: Bench, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Trains what is not trained yet, and measures every estimator."""
    found = {}
    for name, of_cell in options["cells"].items():
        found[name] = measure_network(network.of_run(images.train(bench, name, of_cell)))
    return {"networks": found}
