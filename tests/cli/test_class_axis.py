"""Rank 3 and 4: rows are all positions but the class axis, in C order."""

import numpy as np
import pytest
from files import npy_bytes
from harness import attempt, estimate, p2p, refuse


def cube(toy, axis, rank):
    """The toy rows as an array whose class axis is `axis`."""
    shape = (20, 15) if rank == 3 else (5, 6, 10)
    return np.ascontiguousarray(np.moveaxis(toy.logits.reshape(*shape, 5), -1, axis))


AXES = [(3, 0), (3, 1), (3, 2), (3, -1), (3, -2), (4, 1), (4, 3), (4, 0), (4, -1), (4, -3)]


@pytest.mark.parametrize("rank, axis", AXES)
def test_rows_are_the_positions_but_the_class_axis(toy, prior, rank, axis):
    toy.save("cube.npy", cube(toy, axis, rank))
    found = estimate("cube.npy", "--class-axis", axis, "--counts", "counts.npy", cwd=toy.folder)
    assert found["sums"] == prior["sums"]


@pytest.mark.parametrize("rank, axis", AXES)
def test_corrected_scores_keep_shape_and_axis(toy, prior, rank, axis):
    toy.save("cube.npy", cube(toy, axis, rank))
    toy_args = ("--prior", "prior.json", "--output", "probs")
    p2p("correct", "logits.npy", *toy_args, "-o", "flat.npy", cwd=toy.folder)
    p2p("correct", "cube.npy", "--class-axis", axis, *toy_args, "-o", "out.npy", cwd=toy.folder)
    rows = np.moveaxis(toy.load("out.npy"), axis, -1)
    assert toy.load("out.npy").shape == toy.load("cube.npy").shape
    np.testing.assert_array_equal(rows.reshape(300, 5), toy.load("flat.npy"))


def test_predicted_labels_lose_the_class_axis(toy, prior):
    toy.save("nchw.npy", cube(toy, 1, 4))
    p2p("correct", "nchw.npy", "--class-axis", 1, "--prior", "prior.json", "--method", "none",
        "--output", "labels", "-o", "out.npy", cwd=toy.folder)  # fmt: skip
    np.testing.assert_array_equal(toy.load("out.npy"), toy.load("nchw.npy").argmax(axis=1))


def test_labels_may_have_the_shape_of_the_positions(toy):
    toy.save("nchw.npy", cube(toy, 1, 4))
    toy.save("nhw.npy", toy.labels.reshape(5, 6, 10))
    flat = p2p("evaluate", "logits.npy", "--labels", "labels.npy", "--json", cwd=toy.folder)
    image = p2p("evaluate", "nchw.npy", "--class-axis", 1, "--labels", "nhw.npy", "--json",
                cwd=toy.folder)  # fmt: skip
    assert image.json == flat.json


def test_ignored_pixels_are_left_out(toy):
    toy.save("nchw.npy", cube(toy, 1, 4))
    labels = toy.labels.copy()
    labels[::4] = 255
    toy.save("nhw.npy", labels.reshape(5, 6, 10).astype(np.uint8))
    found = p2p("evaluate", "nchw.npy", "--class-axis", 1, "--labels", "nhw.npy",
                "--ignore-index", 255, "--json", cwd=toy.folder).json  # fmt: skip
    kept = labels != 255
    assert found["n_rows"] == kept.sum()
    assert found["accuracy"] == pytest.approx(np.mean(toy.logits[kept].argmax(1) == labels[kept]))


def test_rank_two_may_have_its_classes_first(toy, prior):
    toy.save("cn.npy", np.ascontiguousarray(toy.logits.T))
    found = estimate("cn.npy", "--class-axis", 0, "--counts", "counts.npy", cwd=toy.folder)
    assert found["sums"] == prior["sums"]


@pytest.mark.parametrize("rank", [3, 4])
def test_rank_three_and_four_need_the_axis(toy, rank):
    toy.save("cube.npy", cube(toy, 1, rank))
    refuse(toy.folder, "estimate", "cube.npy", "-o", "x.json", words=["cube.npy", "--class-axis"])


@pytest.mark.parametrize("axis", [4, -5])
def test_an_axis_that_is_not_there_is_refused(toy, axis):
    toy.save("cube.npy", cube(toy, 1, 4))
    refuse(toy.folder, "estimate", "cube.npy", "--class-axis", axis, "-o", "x.json",
           words=["cube.npy", str(axis)])  # fmt: skip


def test_fortran_order_of_rank_four_is_read_or_refused_by_name(toy):
    (toy.folder / "cube.npy").write_bytes(npy_bytes(np.asfortranarray(cube(toy, 1, 4))))
    outcome = attempt("estimate", "cube.npy", "--class-axis", 1, "-o", "x.json", cwd=toy.folder)
    assert outcome.code in (0, 3), outcome
    if outcome.code == 3:
        assert "cube.npy" in outcome.err and "Fortran" in outcome.err
