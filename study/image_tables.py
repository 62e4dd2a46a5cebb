"""Tables of the cells of images, from the kept numbers alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import cells
from intervals import Mean, mean_of, pooled
from markdown import number, percent, table

SETS = {"cifar10": "CIFAR-10", "tiny": "100 classes"}
#: What is shown of a correction: name of the number, heading, how it is written.
SHOWN: tuple[tuple[str, str, Callable[[float | None], str | None]], ...] = (
    ("balanced_accuracy", "accuracy", percent),
    ("many", "many", percent),
    ("medium", "medium", percent),
    ("few", "few", percent),
    ("nll", "NLL", number),
    ("ece", "ECE", number),
)
HEADINGS = [heading for _, heading, _ in SHOWN]
#: Words for the corrections that the text is about, in its order.
WORDS = {
    "none": "none",
    "empirical": "class frequencies",
    "empirical (tuned)": "class frequencies, strength tuned on held-out rows",
    "p2p": "P2P, training rows",
    "p2p (augmented)": "P2P, augmented training rows",
    "p2p (holdout)": "P2P, held-out rows",
    "p2p (held-out)": "P2P, held-out rows weighted by their labels",
    "match": "match, training rows",
    "match (holdout)": "match, held-out rows",
    "match (target)": "match, the test rows without labels",
    "auto": "auto",
}

Stored = dict[str, Any]


def main_cells() -> list[Stored]:
    return [cell.kept() for cell in cells.main_cells()]


def setting(stored: Stored) -> tuple[str, str, str]:
    """Set, loss and share of mixup, as written in tables."""
    train = stored["options"]["train"]
    return SETS[stored["options"]["data"]], train["loss"], str(train["mixup"])


def by_setting(all_stored: Iterable[Stored]) -> dict[tuple[str, str, str], list[Stored]]:
    groups: dict[tuple[str, str, str], list[Stored]] = {}
    for stored in all_stored:
        groups.setdefault(setting(stored), []).append(stored)
    return groups


def corrections(stored: Stored, place: str = "test") -> dict[str, Any]:
    found: dict[str, Any] = stored["results"]["places"][place]["corrections"]
    return found


def shown(all_metrics: list[dict[str, Any]]) -> list[str | None]:
    """The fields of a line: means over seeds."""
    return [write(mean_of(m[key] for m in all_metrics)) for key, _, write in SHOWN]


def priors() -> str:
    """Effective against empirical prior of each setting."""
    rows = []
    for (data, loss, mixup), group in by_setting(main_cells()).items():
        results = [stored["results"] for stored in group]
        line: list[str | None] = [data, loss, mixup]
        line.append(percent(mean_of(r["train_accuracy"] for r in results), 1))
        for source in ("train", "augmented", "holdout"):
            line.append(number(mean_of(r["priors"][source]["tv"] for r in results)))
        for source in ("train", "holdout"):
            line.append(number(mean_of(r["priors"][source]["slope"] for r in results), 3))
        rows.append(line)
    head = ["set", "loss", "mixup", "training rows right", "TV(q, pi), training rows", "augmented",
            "held-out", "slope of log q, training rows", "held-out"]  # fmt: skip
    return table(head, rows)


def before_after() -> str:
    """Main corrections of each setting."""
    names = ("none", "empirical", "empirical (tuned)", "p2p", "p2p (holdout)", "auto")
    rows = []
    for (data, loss, mixup), group in by_setting(main_cells()).items():
        for name in names:
            metrics = [corrections(stored)[name] for stored in group]
            rows.append([data, loss, mixup, WORDS[name], *shown(metrics)])
    return table(["set", "loss", "mixup", "correction", *HEADINGS], rows)


def difference(
    group: Iterable[Stored], name: str, other: str, key: str, place: str = "test"
) -> Mean:
    """Mean difference of a number between two corrections of the same scores."""
    by_cell: dict[str, list[float]] = {}
    for stored in group:
        found = corrections(stored, place)
        if key in found[name] and key in found[other] and found[name][key] is not None:
            by_cell.setdefault("/".join(setting(stored)), []).append(
                found[name][key] - found[other][key]
            )
    return pooled(by_cell)


def of_loss(loss: str) -> list[Stored]:
    return [s for s in main_cells() if s["options"]["train"]["loss"] == loss]


def differences() -> str:
    """Who gains and who pays."""
    rows = []
    for loss, name, other in (
        ("ce", "p2p", "none"),
        ("ce", "p2p", "empirical"),
        ("ce", "p2p", "empirical (tuned)"),
        ("ce", "p2p (holdout)", "p2p"),
        ("ce", "p2p (augmented)", "p2p"),
        ("la", "p2p", "none"),
        ("la", "p2p (holdout)", "none"),
    ):
        line: list[str] = [loss, f"{WORDS[name]} - {WORDS[other]}"]
        for key in ("balanced_accuracy", "many", "medium", "few"):
            line.append(difference(of_loss(loss), name, other, key).text(100))
        line.append(difference(of_loss(loss), name, other, "nll").text(1, 3))
        rows.append(line)
    return table(["loss", "difference", "accuracy", "many", "medium", "few", "NLL"], rows)


def gains(loss: str) -> list[tuple[str, Mean, Mean, int]]:
    """Of every correction the gain in accuracy and NLL, and in how many cells it failed."""
    group = of_loss(loss)
    names = [name for name in corrections(group[0]) if name != "none"]
    found = []
    for name in names:
        problems = sum("problem" in corrections(stored)[name] for stored in group)
        if problems == len(group):
            continue
        accuracy = difference(group, name, "none", "balanced_accuracy")
        found.append((name, accuracy, difference(group, name, "none", "nll"), problems))
    return sorted(found, key=lambda entry: -entry[1].value)


def methods() -> str:
    """Every correction after both losses."""
    after = {
        loss: {name: (accuracy, nll) for name, accuracy, nll, _ in gains(loss)}
        for loss in ("ce", "la")
    }
    rows = []
    for name in after["ce"]:
        line: list[str | None] = [WORDS.get(name, name)]
        for loss in ("ce", "la"):
            found = after[loss].get(name)
            line += [found[0].text(100), found[1].text(1, 3)] if found else [None, None]
        rows.append(line)
    return table(
        ["correction", "accuracy after ce", "NLL after ce", "accuracy after la", "NLL after la"],
        rows,
    )


def auto() -> str:
    """What auto chose, and what that cost against the best of three."""
    rows = []
    for stored in main_cells():
        found, choice = corrections(stored), stored["results"]["places"]["test"]["auto"]
        best = max(("none", "empirical", "p2p"), key=lambda name: found[name]["balanced_accuracy"])
        taken = choice["method"] if choice["verdict"] == "correct" else choice["verdict"]
        lost = found["auto"]["balanced_accuracy"] - found[best]["balanced_accuracy"]
        rows.append([*setting(stored), stored["options"]["train"]["seed"], taken,
                     percent(found["auto"]["balanced_accuracy"]), WORDS[best],
                     percent(found[best]["balanced_accuracy"]), f"{100 * lost:+.2f}"])  # fmt: skip
    head = ["set", "loss", "mixup", "seed", "auto takes", "accuracy", "best of three", "accuracy",
            "difference"]  # fmt: skip
    return table(head, rows)


OWN = {
    "p2p (labelled)": "P2P, rows of the place weighted by their labels",
    "match (unlabelled)": "match, rows of the place without labels",
    "bias": "bias, labelled rows of the place",
}


def sources() -> str:
    """Accuracy at each place by where q comes from; mean over the settings of a set and loss."""
    rows = []
    groups: dict[tuple[str, str], list[Stored]] = {}
    for stored in main_cells():
        data, loss, _ = setting(stored)
        groups.setdefault((data, loss), []).append(stored)
    for (data, loss), group in groups.items():
        for place in group[0]["results"]["places"]:
            at = [stored["results"]["places"][place] for stored in group]
            line: list[str | None] = [data, loss, place]
            for name in ("none", "empirical", "p2p", "p2p (augmented)", "p2p (holdout)"):
                line.append(
                    percent(mean_of(a["corrections"][name]["balanced_accuracy"] for a in at))
                )
            for name in OWN:
                line.append(percent(mean_of(a["own"][name]["balanced_accuracy"] for a in at)))
            rows.append(line)
    head = ["set", "loss", "test rows", "none", "class frequencies", "P2P, training rows"]
    return table([*head, "augmented", "held-out", *OWN.values()], rows)


def few_labels() -> str:
    """Accuracy at a place from a few of its own rows."""
    rows = []
    for data in SETS.values():
        group = [s for s in main_cells() if setting(s)[:2] == (data, "ce")]
        for place in group[0]["results"]["places"]:
            own = [stored["results"]["places"][place]["own"] for stored in group]
            line: list[str | None] = [data, place]
            for name in ("p2p (labelled)", "bias"):
                for each in (1, 2, 5, 10):
                    key = f"{name}, {each} a class"
                    line.append(percent(mean_of(o[key]["balanced_accuracy"] for o in own)))
                line.append(percent(mean_of(o[name]["balanced_accuracy"] for o in own)))
            rows.append(line)
    head = ["set", "test rows"]
    head += [
        f"{name}, {each}"
        for name in ("P2P", "bias")
        for each in ("1", "2", "5", "10 a class", "half")
    ]
    return table(head, rows)


def few_rows() -> str:
    """Accuracy at a place, matched on a few of its own rows without labels."""
    sizes = ("25", "50", "100", "200", "400", "800")
    rows = []
    for data in SETS.values():
        group = [s for s in main_cells() if setting(s)[:2] == (data, "ce")]
        for place in group[0]["results"]["places"]:
            at = [stored["results"]["places"][place] for stored in group]
            line: list[str | None] = [data, place]
            for name in ("none", "p2p"):
                found = [a["corrections"][name]["balanced_accuracy"] for a in at]
                line.append(percent(mean_of(found)))
            for name in (*(f"match (unlabelled), {n} rows" for n in sizes), "match (unlabelled)"):
                line.append(percent(mean_of(a["own"][name]["balanced_accuracy"] for a in at)))
            rows.append(line)
    head = ["set", "test rows", "none", "P2P, training rows", "match, 25 rows", *sizes[1:], "half"]
    return table(head, rows)


def curves() -> str:
    """Accuracy on the test rows by the number of rows that q is measured on."""
    rows = []
    for data in SETS.values():
        group = [s for s in main_cells() if setting(s)[:2] == (data, "ce")]
        for name in group[0]["results"]["curves"]:
            found = [stored["results"]["curves"][name] for stored in group]
            line: list[str | None] = [data, name]
            for size in ("25", "50", "100", "200", "400", "800"):
                known = all(size in curve for curve in found)
                line.append(
                    percent(mean_of(c[size]["balanced_accuracy"] for c in found)) if known else None
                )
            line.append(percent(mean_of(list(c.values())[-1]["balanced_accuracy"] for c in found)))
            rows.append(line)
    return table(["set", "prior", "25 rows", "50", "100", "200", "400", "800", "all"], rows)


def moves() -> str:
    """Accuracy on test rows whose prior is pi to a power."""
    rows = []
    for data in SETS.values():
        group = [s for s in main_cells() if setting(s)[:2] == (data, "ce")]
        for words, name in (
            ("none", "none"),
            ("P2P to uniform", "uniform"),
            ("P2P to the moved prior", "moved"),
        ):
            line: list[str | None] = [data, words]
            for gamma in group[0]["results"]["moves"]:
                line.append(
                    percent(mean_of(s["results"]["moves"][gamma][name]["accuracy"] for s in group))
                )
            rows.append(line)
    gammas = list(main_cells()[0]["results"]["moves"])
    return table(["set", "correction", *(f"pi^{gamma}" for gamma in gammas)], rows)


def heads() -> str:
    """Retrained last layers before and after."""
    rows = []
    for data in SETS.values():
        group = [s for s in main_cells() if setting(s)[:2] == (data, "ce")]
        for method in group[0]["results"]["heads"]:
            found = [stored["results"]["heads"][method] for stored in group]
            for name in found[0]:
                rows.append([data, method, WORDS_OF_HEADS[name], *shown([f[name] for f in found])])
    return table(["set", "head", "correction", *HEADINGS], rows)


WORDS_OF_HEADS = {
    "none": "none",
    "p2p (train)": "P2P, training rows",
    "p2p (holdout)": "P2P, held-out rows",
    "match (holdout)": "match, held-out rows",
}


#: Bounds of the bins in which the thresholds of the verdicts are looked at.
TV_BOUNDS = (0.0, 0.02, 0.05, 1.0)
SLOPE_BOUNDS = (0.0, 0.05, 0.1, 0.2, 0.4, 2.0)


def tv_threshold() -> str:
    """How far P2P and the class frequencies are apart, by the distance of the two priors."""
    found: list[tuple[float, float, float]] = []
    for stored in main_cells():
        for source, name in (
            ("train", "p2p"),
            ("augmented", "p2p (augmented)"),
            ("holdout", "p2p (holdout)"),
        ):
            one, other = corrections(stored)[name], corrections(stored)["empirical"]
            apart = abs(one["balanced_accuracy"] - other["balanced_accuracy"])
            tv = stored["results"]["priors"][source]["tv"]
            found.append((tv, apart, abs(one["nll"] - other["nll"])))
    rows = []
    for low, high in itertools.pairwise(TV_BOUNDS):
        inside = [f for f in found if low <= f[0] < high]
        rows.append([f"{low:g} to {high:g}", len(inside), percent(mean_of(f[1] for f in inside)),
                     percent(max((f[1] for f in inside), default=None)),
                     number(mean_of(f[2] for f in inside), 3)])  # fmt: skip
    return table(["TV(q, pi)", "priors", "accuracies differ by", "at most", "NLL differs by"], rows)


def slope_threshold() -> str:
    """Accuracy that a correction lacks to the best of its cell, by its residual slope."""
    found: list[tuple[float, float]] = []
    for stored in main_cells():
        judged = [c for c in corrections(stored).values() if c.get("slope") is not None]
        judged += [stored["results"]["moves"]["0.0"][name] for name in ("none", "uniform")]
        best = max(c["balanced_accuracy"] for c in judged)
        found += [(abs(c["slope"]), best - c["balanced_accuracy"]) for c in judged]
    rows = []
    for low, high in itertools.pairwise(SLOPE_BOUNDS):
        inside = [f for f in found if low <= f[0] < high]
        rows.append([f"{low:g} to {high:g}", len(inside), percent(mean_of(f[1] for f in inside)),
                     percent(max((f[1] for f in inside), default=None))])  # fmt: skip
    return table(
        ["residual slope, either sign", "corrections", "behind the best by", "at most"], rows
    )


def summary() -> str:
    """Accuracies after cross-entropy, for the README: means over mixup and seeds."""
    names = ("none", "empirical", "p2p", "p2p (holdout)")
    rows = []
    for data in SETS.values():
        group = [s for s in of_loss("ce") if setting(s)[0] == data]
        for name in names:
            rows.append([data, WORDS[name], *shown([corrections(s)[name] for s in group])])
    return table(["set", "correction", *HEADINGS], rows)


def at_shifted(name: str, own: bool) -> Mean:
    """Gain of a correction over P2P from training rows, at shifted test rows, after ce."""
    by_cell: dict[str, list[float]] = {}
    for stored in of_loss("ce"):
        gains = []
        for place, at in stored["results"]["places"].items():
            if place != "test":
                found = at["own" if own else "corrections"][name]["balanced_accuracy"]
                gains.append(found - at["corrections"]["p2p"]["balanced_accuracy"])
        by_cell.setdefault("/".join(setting(stored)), []).append(sum(gains) / len(gains))
    return pooled(by_cell)


def lost_by_auto() -> list[float]:
    """Of each cell the accuracy of auto less the best of none, class frequencies and P2P."""
    lost = []
    for stored in main_cells():
        found = {
            name: c["balanced_accuracy"] for name, c in corrections(stored).items() if "nll" in c
        }
        lost.append(found["auto"] - max(found[name] for name in ("none", "empirical", "p2p")))
    return lost


def values() -> dict[str, str]:
    """Numbers that the text names."""
    ce, la = of_loss("ce"), of_loss("la")
    accuracy = "balanced_accuracy"
    return {
        "networks": str(len(main_cells())),
        "ce-p2p-none": difference(ce, "p2p", "none", accuracy).text(100),
        "ce-p2p-few": difference(ce, "p2p", "none", "few").text(100),
        "ce-p2p-many": difference(ce, "p2p", "none", "many").text(100),
        "ce-p2p-empirical": difference(ce, "p2p", "empirical", accuracy).text(100),
        "ce-p2p-empirical-nll": difference(ce, "p2p", "empirical", "nll").text(1, 3),
        "la-p2p-none": difference(la, "p2p", "none", accuracy).text(100),
        "shift-match": at_shifted("match (unlabelled)", own=True).text(100),
        "shift-match-25": at_shifted("match (unlabelled), 25 rows", own=True).text(100),
        "shift-match-100": at_shifted("match (unlabelled), 100 rows", own=True).text(100),
        "shift-em": at_shifted("em", own=False).text(100),
        "auto-worst": f"{100 * min(lost_by_auto()):+.2f}",
    }


def tables() -> dict[str, str]:
    return {
        **values(),
        "priors": priors(),
        "before-after": before_after(),
        "differences": differences(),
        "methods": methods(),
        "auto": auto(),
        "sources": sources(),
        "few-rows": few_rows(),
        "few-labels": few_labels(),
        "curves": curves(),
        "moves": moves(),
        "heads": heads(),
        "tv-threshold": tv_threshold(),
        "slope-threshold": slope_threshold(),
    }
