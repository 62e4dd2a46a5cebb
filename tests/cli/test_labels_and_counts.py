"""Labels and counts in every format, and what is refused in them."""

import json

import numpy as np
import pytest
from files import npy_bytes, safetensors
from harness import estimate, p2p, refuse

INTEGERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]


def counts_of(toy, counts):
    return estimate("logits.npy", "--counts", counts, cwd=toy.folder)["counts"]


def label_counts(toy, labels):
    return estimate("logits.npy", "--labels", labels, cwd=toy.folder)["counts"]


@pytest.mark.parametrize("endian", "<>")
@pytest.mark.parametrize("dtype", INTEGERS)
def test_labels_of_each_integer_type(toy, dtype, endian):
    (toy.folder / "y.npy").write_bytes(npy_bytes(toy.labels.astype(endian + dtype)))
    assert label_counts(toy, "y.npy") == toy.counts.tolist()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_labels_of_an_archive(toy, save):
    save(toy.folder / "y.npz", labels=toy.labels.astype("i4"))
    assert label_counts(toy, "y.npz") == toy.counts.tolist()


def test_labels_of_safetensors(toy):
    safetensors(toy.folder / "y.safetensors", labels=toy.labels)
    assert label_counts(toy, "y.safetensors") == toy.counts.tolist()


@pytest.mark.parametrize("header", ["", "label\n"])
@pytest.mark.parametrize("name", ["y.txt", "y.csv"])
def test_labels_of_text(toy, name, header):
    (toy.folder / name).write_text(header + "\n".join(map(str, toy.labels)) + "\n")
    assert label_counts(toy, name) == toy.counts.tolist()


@pytest.mark.parametrize("dtype", INTEGERS[1:4] + INTEGERS[4:] + ["f4", "f8"])
def test_counts_of_each_number_type(toy, dtype):
    toy.save("n.npy", toy.counts.astype(dtype))
    assert counts_of(toy, "n.npy") == toy.counts.tolist()


def test_counts_of_an_archive_are_found_among_other_arrays(toy):
    np.savez(toy.folder / "all.npz", scores=toy.logits, counts=toy.counts)
    assert counts_of(toy, "all.npz") == toy.counts.tolist()


def test_counts_of_safetensors(toy):
    safetensors(toy.folder / "n.safetensors", counts=toy.counts)
    assert counts_of(toy, "n.safetensors") == toy.counts.tolist()


@pytest.mark.parametrize("name", ["n.txt", "n.csv"])
def test_counts_of_text(toy, name):
    (toy.folder / name).write_text("\n".join(map(str, toy.counts)) + "\n")
    assert counts_of(toy, name) == toy.counts.tolist()


def test_counts_of_json(toy):
    (toy.folder / "n.json").write_text(json.dumps(toy.counts.tolist()))
    assert counts_of(toy, "n.json") == toy.counts.tolist()


BAD_COUNTS = {
    "wrong length": ([1, 2, 3], "5 classes"),
    "all zero": ([0, 0, 0, 0, 0], "0"),
    "negative": ([5, 4, -3, 2, 1], "-3"),
    "not a number": ([5, 4, float("nan"), 2, 1], "n.npy"),
}


@pytest.mark.parametrize("case", BAD_COUNTS)
@pytest.mark.parametrize("verb", ["estimate", "evaluate"])
def test_bad_counts_are_refused(toy, verb, case):
    values, said = BAD_COUNTS[case]
    toy.save("n.npy", np.array(values))
    args = {"estimate": ["-o", "x.json"], "evaluate": ["--labels", "labels.npy"]}[verb]
    refuse(toy.folder, verb, "logits.npy", "--counts", "n.npy", *args, words=[said])


@pytest.mark.parametrize("case", ["wrong length", "all zero", "negative"])
@pytest.mark.parametrize("verb", ["estimate", "evaluate"])
def test_the_file_of_bad_counts_is_named(toy, verb, case):
    toy.save("n.npy", np.array(BAD_COUNTS[case][0]))
    args = {"estimate": ["-o", "x.json"], "evaluate": ["--labels", "labels.npy"]}[verb]
    refuse(toy.folder, verb, "logits.npy", "--counts", "n.npy", *args, words=["n.npy"])


@pytest.mark.parametrize("content", ['{"a": []}', "[1, [2], 3]", "5", "[1, 2", '["a"]'])
def test_json_that_is_no_list_of_numbers_is_refused(toy, content):
    (toy.folder / "n.json").write_text(content)
    refuse(toy.folder, "estimate", "logits.npy", "--counts", "n.json", "-o", "x.json",
           words=["n.json", "JSON"])  # fmt: skip


@pytest.mark.parametrize("label", [5, -1, 4_000_000_000])
@pytest.mark.parametrize("verb", ["estimate", "evaluate"])
def test_a_label_out_of_range_is_refused_with_its_row(toy, verb, label):
    labels = toy.labels.copy()
    labels[17] = label
    toy.save("y.npy", labels)
    output = ["-o", "x.json"] if verb == "estimate" else []
    refuse(toy.folder, verb, "logits.npy", "--labels", "y.npy", *output,
           words=["y.npy", "row 17", str(label), "0 to 4"])  # fmt: skip


@pytest.mark.parametrize("rows", [1, 299, 301])
@pytest.mark.parametrize("verb", ["estimate", "evaluate"])
def test_labels_of_the_wrong_length_are_refused(toy, verb, rows):
    toy.save("y.npy", np.zeros(rows, int))
    output = ["-o", "x.json"] if verb == "estimate" else []
    refuse(toy.folder, verb, "logits.npy", "--labels", "y.npy", *output,
           words=["y.npy", f"{rows} label", "300 rows"])  # fmt: skip


def test_labels_that_are_floats_are_refused(toy):
    toy.save("y.npy", toy.labels.astype("f4"))
    refuse(toy.folder, "evaluate", "logits.npy", "--labels", "y.npy", words=["y.npy", "int"])


def test_labels_that_are_no_numbers_are_refused_with_their_line(toy):
    (toy.folder / "y.txt").write_text("1\n2\ncat\n")
    refuse(toy.folder, "evaluate", "logits.npy", "--labels", "y.txt",
           words=["y.txt", "line 3", "cat"])  # fmt: skip


@pytest.mark.parametrize("verb", ["estimate", "evaluate"])
def test_the_row_of_a_bad_label_counts_within_its_own_file(toy, verb):
    toy.save("a.npy", toy.logits[:100])
    toy.save("b.npy", toy.logits[100:])
    toy.save("ya.npy", toy.labels[:100])
    bad = toy.labels[100:].copy()
    bad[7] = 9
    toy.save("yb.npy", bad)
    output = ["-o", "x.json"] if verb == "estimate" else []
    refuse(toy.folder, verb, "a.npy", "b.npy", "--labels", "ya.npy", "--labels", "yb.npy", *output,
           words=["'yb.npy', row 7 ", "label 9"])  # fmt: skip


@pytest.mark.parametrize("ignored", [-100, 255, 2])
def test_ignored_rows_are_left_out_of_the_estimate(toy, ignored):
    labels = toy.labels.copy()
    labels[::3] = ignored
    toy.save("y.npy", labels)
    found = estimate("logits.npy", "--labels", "y.npy", "--ignore-index", ignored, cwd=toy.folder)
    kept = labels != ignored
    toy.save("kept.npy", toy.logits[kept])
    expected = estimate("kept.npy", cwd=toy.folder)
    assert found["n_rows"] == kept.sum()
    assert found["effective"] == pytest.approx(expected["effective"], rel=1e-7)


def test_ignored_rows_are_counted(toy):
    labels = toy.labels.copy()
    labels[:30] = -1
    toy.save("y.npy", labels)
    found = p2p("estimate", "logits.npy", "--labels", "y.npy", "--ignore-index", -1,
                "-o", "x.json", "--json", cwd=toy.folder).json  # fmt: skip
    assert found["n_ignored"] == 30


def test_rows_all_ignored_are_refused(toy):
    toy.save("y.npy", np.full(300, -1))
    for verb, output in (("estimate", ["-o", "x.json"]), ("evaluate", [])):
        refuse(toy.folder, verb, "logits.npy", "--labels", "y.npy", "--ignore-index", -1, *output)
