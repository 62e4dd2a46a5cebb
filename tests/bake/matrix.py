"""The table of scripts/bake-matrix."""

import statistics
import time

import numpy as np
import test_safetensors
import test_torchscript
from conftest import Priors, Workplace
from families import FAMILIES
from harness import attempt
from running import (
    batches,
    before,
    both_classes,
    classes_last,
    difference,
    expected,
    inputs_of,
    session,
)

HEADER = ["family", "made by", "mode", "difference", "decisions", "fold", "add"]


def ratio(old, new, feeds, rounds):
    """Median of new / old over rounds that run both in turn."""
    sessions = [session(str(path)) for path in (old, new)]

    def seconds(made):
        start = time.perf_counter()
        for feed in feeds:
            made.run(None, feed)
        return time.perf_counter() - start

    def quotient(round):
        times = {}
        for made in sessions if round % 2 else sessions[::-1]:
            times[made] = seconds(made)
        return times[sessions[1]] / times[sessions[0]]

    return statistics.median(quotient(round) for round in range(-5, rounds))


def compared(family, place):
    """(largest difference, rows that change class, rows of another class than expected)"""
    correction = place.correction
    if family.format == "safetensors":
        old, new = test_safetensors.scores(place.model), test_safetensors.scores(place.path())
        wanted = old + correction.delta
    elif family.format == "torchscript":
        old, new = test_torchscript.scores(place, "model", "new")
        wanted = test_torchscript.corrected(family, old, correction)
    elif not family.output:  # TopK
        old, new = before(family)["which"][:, 0], place.outputs()["which"][:, 0]
        wanted = expected(family, correction).argmax(axis=-1)
    else:
        old, new = (classes_last(family, run[family.output])
                    for run in (before(family), place.outputs()))  # fmt: skip
        wanted = expected(family, correction)
        if family.one_logit and new.shape[-1:] != (2,):
            old, new, wanted = (both_classes(p) for p in (old, new, wanted))
    if new.ndim == 1:  # labels
        return None, np.sum(old != new), np.sum(new != wanted)
    classes = [values.argmax(axis=-1) for values in (old, new, wanted)]
    return (difference(new, wanted), np.sum(classes[0] != classes[1]),
            np.sum(classes[1] != classes[2]))  # fmt: skip


def times(family, place, rounds):
    """Ratios of the run times in both modes; empty where there is no such mode."""
    if family.format != "onnx" or not family.runs:
        return ["", ""]
    inputs = inputs_of(family)
    first = session(str(place.model)).get_inputs()[0].shape[0]
    rows = len(next(iter(inputs.values())))
    needed = {i.name for i in session(str(place.model)).get_inputs()} & set(inputs)
    feeds = [{name: inputs[name][s] for name in needed} for s in batches(rows, first)]
    found = []
    for mode in ("fold", "add"):
        outcome = attempt("bake", place.model.name, "--prior", place.prior, *family.options,
                          "--mode", mode, "-o", f"{mode}.onnx", cwd=place.folder)  # fmt: skip
        path = place.path(mode)
        found.append(f"{ratio(place.model, path, feeds, rounds):.2f}" if outcome.code == 0 else "")
    return found


def made_by(family):
    return f"{family.maker}, opset {family.opset}" if family.opset else f"{family.maker}"


def row(family, folder, priors, rounds):
    place = Workplace(folder, family, priors.make(family.classes))
    if family.refused:
        outcome = attempt("bake", place.model.name, "--prior", place.prior, "-o", "new.onnx",
                          cwd=place.folder)  # fmt: skip
        assert outcome.code == 3, outcome
        return [family.name, made_by(family), "refused", "", "", "", ""]
    said = place.bake()
    largest, changed, wrong = compared(family, place)
    shown = "" if largest is None else f"{largest:.1e}"
    return [family.name, made_by(family), said["mode"], shown, f"{changed} / {wrong}",
            *times(family, place, rounds)]  # fmt: skip


def lines(folder, rounds):
    """The table, line by line; `folder` is empty."""
    (folder / "priors").mkdir()
    priors = Priors(folder / "priors")
    yield "| " + " | ".join(HEADER) + " |"
    yield "|---|---|---|---:|---:|---:|---:|"
    for family in FAMILIES:
        yield "| " + " | ".join(row(family, folder, priors, rounds)) + " |"
