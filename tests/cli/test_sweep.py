"""p2p sweep: the same numbers as p2p correct and p2p evaluate at every point."""

import csv
import json

import numpy as np
import pytest
from harness import estimate, p2p, refuse


def sweep(toy, *args):
    return p2p("sweep", "logits.npy", "--labels", "labels.npy", "--prior", "prior.json", *args, "--json",
               cwd=toy.folder).json  # fmt: skip


def test_every_point_has_the_numbers_of_correct_and_evaluate(toy, prior):
    points = sweep(toy, "--strengths", "0.5,1", "--targets", 3)["points"]
    assert [(p["gamma"], p["strength"]) for p in points] == [
        (0, 0.5), (0, 1), (0.5, 0.5), (0.5, 1), (1, 0.5), (1, 1)
    ]  # fmt: skip
    for point in points:
        toy.save("target.npy", np.asarray(prior["empirical"]) ** point["gamma"])
        p2p("correct", "logits.npy", "--prior", "prior.json", "--strength", point["strength"], "--target",
            "target.npy", "--output", "log-probs", "-o", "x.npy", cwd=toy.folder)  # fmt: skip
        expected = p2p("evaluate", "x.npy", "--labels", "labels.npy", "--counts", "counts.npy", "--json",
                       cwd=toy.folder).json  # fmt: skip
        for name in ("accuracy", "balanced_accuracy", "nll", "ece", "groups"):
            assert point[name] == pytest.approx(expected[name], abs=1e-6), name


def test_strength_zero_is_no_correction(toy, prior):
    z = toy.logits
    assert sweep(toy, "--strengths", "0")["points"][0]["accuracy"] == pytest.approx(
        np.mean(z.argmax(1) == toy.labels)
    )


def test_a_range_of_strengths_ends_where_it_says(toy, prior):
    points = sweep(toy, "--strengths", "0:0.3:0.1", "--targets", 1)["points"]
    assert [p["strength"] for p in points] == [0, 0.1, 0.2, 0.3]


def test_the_default_is_sixteen_strengths_by_five_targets(toy, prior):
    points = sweep(toy)["points"]
    assert len(points) == 80
    assert sorted({p["gamma"] for p in points}) == [0, 0.25, 0.5, 0.75, 1]


def test_without_counts_only_the_strength_is_swept(toy):
    estimate("logits.npy", cwd=toy.folder)
    points = sweep(toy)["points"]
    assert {p["gamma"] for p in points} == {0} and points[0]["groups"] == {}
    refuse(toy.folder, "sweep", "logits.npy", "--labels", "labels.npy", "--prior", "prior.json",
           "--targets", 3, words=["counts"], code=2)  # fmt: skip


def test_csv_is_made_for_plots(toy, prior):
    found = sweep(toy, "--strengths", "0,1", "-o", "s.csv", "-o", "s.json")
    assert json.loads((toy.folder / "s.json").read_text()) == found
    with open(toy.folder / "s.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["nll"]) for row in rows] == [p["nll"] for p in found["points"]]
    assert [float(row["few"]) for row in rows] == [p["groups"]["few"] for p in found["points"]]


def test_it_says_that_the_best_point_is_no_choice(toy, prior):
    outcome = p2p(
        "sweep", "logits.npy", "--labels", "labels.npy", "--prior", "prior.json", cwd=toy.folder
    )
    assert "no choice" in outcome.err and "--strength auto" in outcome.err


def test_bytes_do_not_depend_on_threads(toy, prior):
    assert sweep(toy, "--threads", 1) == sweep(toy, "--threads", 3)


@pytest.mark.parametrize("args, words", [
    (["--strengths", "1:0:0.1"], ["1:0:0.1", "FIRST:LAST:STEP"]),
    (["--strengths", "0:1"], ["0:1"]),
    (["--strengths", "0:1:0"], ["0:1:0"]),
    (["--strengths", "0:1e9:0.1"], ["1000"]),
    (["--strengths", "-1"], ["-1"]),
    (["--strengths", "a"], ["'a'"]),
    (["--strengths", "0,"], ["0,"]),
    (["--targets", "0"], ["--targets"]),
    (["--method", "magic"], ["'magic'"]),
    (["--method", "bbse"], ["--holdout", "--unlabelled"]),
    (["-o", "s.md"], ["s.md", ".csv"]),
])  # fmt: skip
def test_wrong_usage_is_said(toy, prior, args, words):
    refuse(toy.folder, "sweep", "logits.npy", "--labels", "labels.npy", "--prior", "prior.json", *args,
           words=words, code=2)  # fmt: skip
