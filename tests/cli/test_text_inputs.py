"""Text as people have it: what else is in a table than scores, what labels and counts look like."""

import json

import numpy as np
import pytest
from harness import attempt, estimate, p2p, refuse

NAMES = ["cat", "dog", "owl", "fox", "emu"]


def probabilities(toy):
    e = np.exp(toy.logits.astype("f8"))
    return e / e.sum(axis=1, keepdims=True)


def table(toy, name, scores, header=None, before=None, after=None):
    """A table of scores with 8 digits, and further columns before and after them."""
    lines = [header] if header else []
    for i, row in enumerate(scores):
        fields = [f"{v:.8f}" for v in row]
        fields = [str(c[i]) for c in before or []] + fields + [str(c[i]) for c in after or []]
        lines.append(",".join(fields))
    (toy.folder / name).write_text("\n".join(lines) + "\n")


def q(toy, *args):
    return estimate(*args, cwd=toy.folder)["effective"]


IDS = range(615, 915)


@pytest.mark.parametrize("header", ["id,", "object_id,", "Unnamed: 0,", None])
def test_an_id_column_is_refused_and_can_be_left_out(toy, header):
    names = header + ",".join(NAMES) if header else None
    table(toy, "a.csv", probabilities(toy), names, before=[IDS])
    refuse(toy.folder, "estimate", "a.csv", "-o", "x.json", words=["a.csv", "--skip-columns 1"])
    expected = probabilities(toy).mean(axis=0)
    column = header[:-1] if header else "1"
    assert q(toy, "a.csv", "--skip-columns", column) == pytest.approx(expected, rel=1e-6)
    assert q(toy, "a.csv", "--skip-columns", "1") == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("header", ["label", "predict", None])
def test_a_column_of_labels_at_the_end_is_refused(toy, header):
    names = ",".join([*NAMES, header]) if header else None
    table(toy, "a.csv", toy.logits, names, after=[toy.labels])
    refuse(toy.folder, "estimate", "a.csv", "-o", "x.json", words=["--skip-columns 6"])
    found = q(toy, "a.csv", "--skip-columns", "6")
    assert found == pytest.approx(probabilities(toy).mean(axis=0), rel=1e-6)


def test_several_columns_are_left_out_of_all_scores_a_verb_reads(toy, prior):
    header = ",".join(["id", *NAMES, "fold"])
    table(toy, "a.csv", toy.logits, header, before=[IDS], after=[toy.labels])
    toy.save("y.npy", toy.labels)
    skip = ["--skip-columns", "id,fold"]
    p2p("correct", "a.csv", "--prior", "prior.json", "--method", "temperature",
        "--holdout", "a.csv",
        "--holdout-labels", "y.npy", *skip, "-o", "a.npy", cwd=toy.folder)  # fmt: skip
    p2p("correct", "logits.npy", "--prior", "prior.json", "--method", "temperature", "--holdout",
        "logits.npy", "--holdout-labels", "y.npy", "-o", "b.npy", cwd=toy.folder)  # fmt: skip
    assert np.allclose(toy.load("a.npy"), toy.load("b.npy"), rtol=1e-5, atol=1e-6)


def test_a_header_of_other_integers_is_no_row(toy):
    table(toy, "a.csv", probabilities(toy), "1,2,3,4,5")
    found = p2p("estimate", "a.csv", "-o", "x.json", cwd=toy.folder)
    assert "line 1 (1, 2, 3, 4, 5) was taken for names" in found.err
    written = json.loads((toy.folder / "x.json").read_text())
    assert written["n_rows"] == 300


def test_a_first_row_0_1_of_probabilities_is_a_row(toy):
    p = np.array([[0, 1], [0.25, 0.75], [1, 0], [0.5, 0.5]])
    (toy.folder / "a.csv").write_text("".join(f"{a:g},{b:g}\n" for a, b in p))
    found = estimate("a.csv", "--input", "probs", cwd=toy.folder)
    assert found["n_rows"] == 4
    assert found["effective"] == pytest.approx(p.mean(axis=0), abs=1e-6)


@pytest.mark.parametrize("classes", [None, "#a b\nb;c\n", "0\n1\n", "1.5\nx\n"])
def test_what_correct_writes_is_read_back(toy, classes):
    p = np.array([[0, 1], [0.25, 0.75], [0.5, 0.5]])
    toy.save("p.npy", p)
    named = []
    if classes:
        (toy.folder / "c.txt").write_text(classes)
        named = ["--classes", "c.txt"]
    estimate("p.npy", "--input", "probs", *named, cwd=toy.folder)
    p2p("correct", "p.npy", "--input", "probs", "--method", "none", "--prior", "prior.json",
        "-o", "out.csv", cwd=toy.folder)  # fmt: skip
    back = estimate("out.csv", "--input", "probs", output="back.json", cwd=toy.folder)
    assert back["n_rows"] == 3
    assert back["effective"] == pytest.approx(p.mean(axis=0), abs=1e-6)
    if classes:
        assert back["classes"] == classes.split("\n")[:-1]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_read_everywhere(toy, end):
    lines = [",".join(NAMES), *(",".join(f"{v:.8f}" for v in row) for row in toy.logits)]
    (toy.folder / "a.csv").write_bytes(end.join(lines).encode())
    (toy.folder / "y.txt").write_bytes(end.join(map(str, toy.labels)).encode())
    (toy.folder / "c.txt").write_bytes(end.join(NAMES).encode())
    found = estimate("a.csv", "--labels", "y.txt", "--classes", "c.txt", cwd=toy.folder)
    assert found["counts"] == toy.counts.tolist()
    assert found["classes"] == NAMES


def text_of_labels(labels, names=NAMES):
    folders = [f"train/n{c:02}/img {i}.jpg" for i, c in enumerate(labels)]
    return {
        "names": "\n".join(names[c] for c in labels),
        "names with header": "label\n" + "\n".join(f'"{names[c]}"' for c in labels),
        "quoted": "\n".join(f'"{c}"' for c in labels),
        "path and label": "\n".join(f"{f} {c}" for f, c in zip(folders, labels, strict=True)),
        "path and name": "\n".join(f"{f},{names[c]}" for f, c in zip(folders, labels, strict=True)),
        "id and label": "id,label\n" + "\n".join(f"{i},{c}" for i, c in enumerate(labels)),
    }


@pytest.mark.parametrize("how", text_of_labels([0]))
@pytest.mark.parametrize("ending", ["csv", "txt"])
def test_labels_as_people_have_them(toy, how, ending):
    (toy.folder / "classes.txt").write_text("\n".join(NAMES))
    (toy.folder / f"y.{ending}").write_text(text_of_labels(toy.labels)[how] + "\n")
    found = p2p("evaluate", "logits.npy", "--labels", f"y.{ending}", "--classes", "classes.txt",
                "--json", cwd=toy.folder).json  # fmt: skip
    assert found["accuracy"] == pytest.approx((toy.logits.argmax(1) == toy.labels).mean())


def test_names_of_labels_may_come_from_the_header_of_the_scores(toy):
    table(toy, "a.csv", toy.logits, ",".join(NAMES))
    (toy.folder / "y.txt").write_text(text_of_labels(toy.labels)["names"])
    found = estimate("a.csv", "--labels", "y.txt", cwd=toy.folder)
    assert found["counts"] == toy.counts.tolist()


def test_labels_of_a_list_that_contradict_their_folders_are_refused(toy):
    (toy.folder / "classes.txt").write_text("n01\nn00\nn02\nn03\nn04\n")
    (toy.folder / "y.txt").write_text(text_of_labels(toy.labels)["path and label"])
    refuse(toy.folder, "evaluate", "logits.npy", "--labels", "y.txt", "--classes", "classes.txt",
           words=["y.txt", "folder of class"])  # fmt: skip


@pytest.mark.parametrize("dtype", ["i8", "f4", "?"])
def test_one_hot_labels_name_the_remedy(toy, dtype):
    toy.save("y.npy", np.eye(5, dtype=dtype)[toy.labels])
    refuse(
        toy.folder, "evaluate", "logits.npy", "--labels", "y.npy", words=["argmax(labels, axis=1)"]
    )


def test_labels_that_begin_at_one_without_the_last_class_are_warned_of(toy):
    kept = toy.labels < 4
    toy.save("z.npy", toy.logits[kept])
    toy.save("y.npy", toy.labels[kept] + 1)
    found = p2p("evaluate", "z.npy", "--labels", "y.npy", cwd=toy.folder)
    assert "no row has label 0" in found.err


def test_labels_of_transposed_maps_are_refused_and_flat_ones_read(toy):
    z = toy.logits.reshape(5, 6, 10, 5).transpose(0, 3, 1, 2)
    y = toy.labels.reshape(5, 6, 10)
    toy.save("z.npy", np.ascontiguousarray(z))
    for name, labels in {"y": y, "flat": y.ravel(), "t": y.transpose(0, 2, 1)}.items():
        toy.save(f"{name}.npy", np.ascontiguousarray(labels))
    expected = pytest.approx((toy.logits.argmax(1) == toy.labels).mean())
    for name in ("y", "flat"):
        found = p2p("evaluate", "z.npy", "--class-axis", 1, "--labels", f"{name}.npy", "--json",
                    cwd=toy.folder).json  # fmt: skip
        assert found["accuracy"] == expected
    refuse(toy.folder, "evaluate", "z.npy", "--class-axis", 1, "--labels", "t.npy",
           words=["[5, 10, 6]", "[5, 6, 10]"])  # fmt: skip


def texts_of_counts(counts):
    pairs = list(zip(NAMES, counts.tolist(), strict=True))
    mixed = [pairs[i] for i in (4, 2, 0, 3, 1)]
    return {
        "a.json": json.dumps(dict(mixed)),
        "a.csv": "name,count\n" + "".join(f"{n},{k}\n" for n, k in mixed),
        "b.csv": "".join(f"{k};{n}\n" for n, k in mixed),
        "a.txt": "".join(f"{n} {k}\n" for n, k in mixed),
        "b.json": json.dumps({str(i): k for i, k in enumerate(counts.tolist())}),
        "b.txt": "[ " + " ".join(map(str, counts)) + " ]\n",
        "c.txt": str(counts) + "\n",
    }


@pytest.mark.parametrize("name", texts_of_counts(np.ones(5, int)))
def test_counts_by_name_or_in_one_line(toy, name):
    (toy.folder / "classes.txt").write_text("\n".join(NAMES))
    (toy.folder / name).write_text(texts_of_counts(toy.counts)[name])
    found = estimate("logits.npy", "--counts", name, "--classes", "classes.txt", cwd=toy.folder)
    assert found["counts"] == toy.counts.tolist()


@pytest.mark.parametrize("name", ["a.json", "a.csv", "a.txt"])
def test_names_of_counts_that_nothing_else_knows_are_asked_about(toy, name):
    (toy.folder / name).write_text(texts_of_counts(toy.counts)[name])
    refuse(toy.folder, "estimate", "logits.npy", "--counts", name, "-o", "x.json",
           words=[name, "--classes"])  # fmt: skip


def test_a_target_and_weights_by_name(toy):
    (toy.folder / "classes.txt").write_text("\n".join(NAMES))
    (toy.folder / "t.json").write_text(
        json.dumps({"emu": 5, "fox": 4, "owl": 3, "dog": 2, "cat": 1})
    )
    toy.save("t.npy", np.array([1, 2, 3, 4, 5]))
    for t, trained in (("t.json", "weights:t.json"), ("t.npy", "weights:t.npy")):
        p2p("estimate", "logits.npy", "--counts", "counts.npy", "--classes", "classes.txt",
            "--trained-with", trained, "-o", "prior.json", cwd=toy.folder)  # fmt: skip
        p2p("correct", "logits.npy", "--prior", "prior.json", "--target", t, "-o", t + ".out.npy",
            cwd=toy.folder)  # fmt: skip
    assert (toy.load("t.json.out.npy") == toy.load("t.npy.out.npy")).all()


def test_skip_columns_without_a_table_is_said(toy):
    found = attempt(
        "estimate", "logits.npy", "--skip-columns", "id", "-o", "x.json", cwd=toy.folder
    )
    assert found.code == 0
    assert "--skip-columns leaves nothing out" in found.err
