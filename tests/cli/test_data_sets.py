"""Which files a SCORES argument stands for: FILE:NAME, folders, lists, several files."""

import hashlib

import numpy as np
import pytest
from files import safetensors
from harness import estimate, p2p, refuse


def shares(toy, *scores):
    """The prior, and the names of the inputs behind it."""
    found = estimate(*scores, cwd=toy.folder, output="found.json")
    return found["effective"], [entry["name"] for entry in found["inputs"]]


@pytest.fixture
def halves(toy):
    """The toy scores cut into two files."""
    toy.save("a.npy", toy.logits[:100])
    toy.save("b.npy", toy.logits[100:])
    return toy


def test_several_files_are_one_data_set(halves, prior):
    q, names = shares(halves, "a.npy", "b.npy")
    assert q == pytest.approx(prior["effective"], rel=1e-7)
    assert names == ["a.npy", "b.npy"]


def test_splitting_a_block_between_files_changes_less_than_1e_12(halves, prior):
    q, _ = shares(halves, "a.npy", "b.npy")
    assert q == pytest.approx(prior["effective"], rel=1e-12)


def test_several_files_are_joined_in_the_order_given(halves, prior):
    for order in (["a.npy", "b.npy"], ["b.npy", "a.npy"]):
        p2p("correct", *order, "--prior", "prior.json", "--method", "none", "-o", "out.npy",
            cwd=halves.folder)  # fmt: skip
        expected = np.concatenate([halves.load(name) for name in order])
        np.testing.assert_array_equal(halves.load("out.npy"), expected)


def test_labels_repeat_in_the_order_of_the_scores(halves):
    halves.save("la.npy", halves.labels[:100])
    halves.save("lb.npy", halves.labels[100:])
    once = p2p("evaluate", "a.npy", "b.npy", "--labels", "labels.npy", "--json", cwd=halves.folder)
    each = p2p("evaluate", "a.npy", "b.npy", "--labels", "la.npy", "lb.npy", "--json",
               cwd=halves.folder)  # fmt: skip
    assert each.json == once.json


def test_estimate_takes_labels_once_for_each_file(halves):
    halves.save("la.npy", halves.labels[:100])
    halves.save("lb.npy", halves.labels[100:])
    found = estimate(
        "a.npy", "b.npy", "--labels", "la.npy", "--labels", "lb.npy", cwd=halves.folder
    )
    assert found["counts"] == halves.counts.tolist()


def test_files_of_different_types_are_corrected_in_the_wider_one(halves, prior):
    halves.save("b.npy", halves.logits[100:].astype("f8"))
    p2p("correct", "a.npy", "b.npy", "--prior", "prior.json", "-o", "out.npy", cwd=halves.folder)
    assert halves.load("out.npy").dtype == np.float64


def test_a_folder_is_read_in_the_order_of_the_numbers_in_its_names(halves):
    folder = halves.folder / "scores"
    folder.mkdir()
    np.save(folder / "10.npy", halves.logits[100:])
    np.save(folder / "2.npy", halves.logits[:100])
    (folder / "rest.npy.gz").write_text("not scores")
    (folder / "more").mkdir()
    (folder / ".hidden.npy").write_text("not scores")
    found = p2p("evaluate", "scores", "--labels", "labels.npy", "--json", cwd=halves.folder)
    correct = halves.logits.argmax(axis=1) == halves.labels
    assert found.json["accuracy"] == pytest.approx(correct.mean(), abs=1e-12)
    assert "warning: folder 'scores': of its 4 entries, 2 are read; passed over: more/, rest.npy.gz" in (
        found.err
    )


@pytest.mark.parametrize("role", ["scores", "labels"])
def test_files_that_are_not_in_the_order_of_their_numbers_are_warned_of(halves, role):
    first, second = ("part_10.npy", "part_2.npy")
    for name, rows in ((first, slice(0, 100)), (second, slice(100, 300))):
        halves.save(name, getattr(halves, "logits" if role == "scores" else "labels")[rows])
    files = [first, second]
    found = (
        p2p("evaluate", *files, "--labels", "labels.npy", cwd=halves.folder)
        if role == "scores"
        else p2p("evaluate", "logits.npy", "--labels", *files, cwd=halves.folder)
    )
    assert "warning: 'part_10.npy' is read before 'part_2.npy'" in found.err


def test_endings_may_be_in_capitals(halves):
    halves.save("x.npy", halves.logits)
    (halves.folder / "x.npy").rename(halves.folder / "X.NPY")
    p2p("estimate", "X.NPY", "--counts", "counts.npy", "-o", "upper.json", cwd=halves.folder)
    p2p("correct", "X.NPY", "--prior", "upper.json", "-o", "OUT.CSV", cwd=halves.folder)
    assert len((halves.folder / "OUT.CSV").read_text().splitlines()) >= 300


def test_a_list_names_files_relative_to_itself(halves):
    folder = halves.folder / "lists"
    folder.mkdir()
    (folder / "all.txt").write_text("# both halves\n../a.npy\n\n../b.npy\n")
    assert shares(halves, "@lists/all.txt") == shares(halves, "a.npy", "b.npy")


def test_a_list_may_name_archive_members(toy):
    np.savez(toy.folder / "both.npz", first=toy.logits[:100], second=toy.logits[100:])
    (toy.folder / "all.txt").write_text("both.npz:first\nboth.npz:second\n")
    assert shares(toy, "@all.txt") == shares(toy, "both.npz:first", "both.npz:second")


def test_the_member_may_be_left_out_when_one_fits(toy):
    np.savez(toy.folder / "all.npz", scores=toy.logits, labels=toy.labels, counts=toy.counts)
    found = estimate("all.npz", "--counts", "all.npz:counts", cwd=toy.folder)
    assert found["inputs"][0]["name"] == "all.npz:scores"


@pytest.mark.parametrize("name, save", [("all.npz", np.savez), ("all.safetensors", safetensors)])
def test_members_that_fit_are_listed_when_there_are_several(toy, name, save):
    save(toy.folder / name, train=toy.logits, test=toy.logits, labels=toy.labels)
    text = refuse(toy.folder, "estimate", name, "-o", "x.json", words=[name, "train", "test"])
    assert "labels" not in text


def test_members_are_listed_when_the_name_is_wrong(toy):
    np.savez(toy.folder / "all.npz", train=toy.logits, labels=toy.labels)
    refuse(toy.folder, "estimate", "all.npz:tran", "-o", "x.json",
           words=["all.npz", "'tran'", "train", "labels"])  # fmt: skip


def test_a_path_that_exists_wins_over_a_member(toy):
    np.savez(toy.folder / "odd.npz", x=toy.logits[:10])
    assert estimate("odd.npz:x.npy", cwd=toy.folder)["n_rows"] == 10
    toy.save("odd.npz:x.npy", toy.logits)
    assert estimate("odd.npz:x.npy", cwd=toy.folder)["n_rows"] == 300


def test_the_split_is_after_the_last_archive_ending(toy):
    folder = toy.folder / "old.npz:copy"
    folder.mkdir()
    np.savez(folder / "new.npz", x=toy.logits)
    assert estimate("old.npz:copy/new.npz:x", cwd=toy.folder)["n_rows"] == 300


def test_a_colon_in_an_ordinary_name_is_no_member(toy):
    toy.save("run:3.npy", toy.logits)
    assert estimate("run:3.npy", cwd=toy.folder)["n_rows"] == 300


def test_a_member_name_may_hold_a_colon(toy):
    safetensors(toy.folder / "all.safetensors", **{"head:0": toy.logits, "other": toy.logits})
    assert estimate("all.safetensors:head:0", cwd=toy.folder)["n_rows"] == 300


def test_members_of_labels_and_counts_are_named_alike(toy):
    np.savez(toy.folder / "all.npz", z=toy.logits, y=toy.labels, n=toy.counts)
    direct = estimate(
        "logits.npy", "--labels", "labels.npy", "--counts", "counts.npy", cwd=toy.folder
    )
    member = estimate("all.npz:z", "--labels", "all.npz:y", "--counts", "all.npz:n", cwd=toy.folder)
    assert member["residual"] == direct["residual"]


@pytest.mark.parametrize("loss", ["weights", "offset"])
def test_members_of_weights_and_offsets_are_named_alike(toy, loss):
    values = np.array([0.2, 0.5, 1, 2, 5])
    toy.save("w.npy", values)
    np.savez(toy.folder / "all.npz", w=values, n=toy.counts)
    direct = estimate("logits.npy", "--trained-with", f"{loss}:w.npy", cwd=toy.folder)
    member = estimate("logits.npy", "--trained-with", f"{loss}:all.npz:w", cwd=toy.folder)
    assert member["residual"] == direct["residual"]


def test_a_folder_without_scores_is_refused(toy):
    (toy.folder / "empty").mkdir()
    (toy.folder / "empty" / "notes.md").write_text("nothing")
    refuse(toy.folder, "estimate", "empty", "-o", "x.json", words=["empty", ".npy"])


def test_a_missing_file_is_refused(toy):
    refuse(toy.folder, "estimate", "no.npy", "-o", "x.json", words=["'no.npy'", "does not exist"])


def test_a_missing_file_of_a_list_is_refused(toy):
    (toy.folder / "all.txt").write_text("logits.npy\nno.npy\n")
    refuse(toy.folder, "estimate", "@all.txt", "-o", "x.json", words=["no.npy", "does not exist"])


def test_files_of_different_widths_are_refused(halves):
    halves.save("b.npy", halves.logits[100:, :4])
    refuse(halves.folder, "estimate", "a.npy", "b.npy", "-o", "x.json",
           words=["a.npy", "b.npy", "4 classes", "5"])  # fmt: skip


def test_an_unknown_ending_is_refused(toy):
    (toy.folder / "scores.pt").write_bytes(b"PK")
    refuse(toy.folder, "estimate", "scores.pt", "-o", "x.json", words=["'scores.pt'", ".npy"])


def test_the_inputs_of_a_prior_are_named_without_their_folder(toy):
    (toy.folder / "deep").mkdir()
    np.save(toy.folder / "deep" / "z.npy", toy.logits)
    entry = estimate("deep/z.npy", cwd=toy.folder)["inputs"][0]
    assert entry["name"] == "z.npy"
    assert entry["shape"] == [300, 5]


def test_the_inputs_of_a_prior_have_their_sha256(toy):
    digest = hashlib.sha256((toy.folder / "logits.npy").read_bytes()).hexdigest()
    assert estimate("logits.npy", cwd=toy.folder)["inputs"][0]["sha256"] == digest
