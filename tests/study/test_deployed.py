"""Types of files by their names, samples of them, and the kept posteriors of the model."""

import pathlib

import deployed
import numpy as np
import page
import pytest


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.py", "python"),
        ("A.JSON", "json"),
        ("x.tar.gz", "gzip"),
        ("libz.so", "elf"),
        ("libz.so.1.2.13", "elf"),
        ("x.h", None),  # C or C++
        ("x.txt", None),
        ("Makefile", None),
        (".py", None),
        ("x.so.conf", None),
    ],
)
def test_types_come_from_names_without_doubt(name, kind):
    assert deployed.type_of(name) == kind


def test_every_type_is_one_of_the_model():
    from magika import Magika

    known = set(map(str, Magika()._target_labels_space))
    assert set(deployed.TYPES.values()) <= known


def test_equal_contents_count_once_and_links_do_not(tmp_path):
    (tmp_path / "a.py").write_text("print('hello')")
    (tmp_path / "b.py").write_text("print('hello')")
    (tmp_path / "c.py").write_text("short")
    (tmp_path / "d.py").symlink_to(tmp_path / "a.py")
    rows = deployed.distinct(deployed.files([str(tmp_path)]))
    assert [(path.name, kind) for _, path, kind in rows] == [("a.py", "python")]


def test_samples_are_disjoint_and_capped():
    rows = [(f"{k:03}", pathlib.Path(str(k)), "py" if k % 10 else "c") for k in range(200)]
    found = deployed.samples(rows, {"natural": 50, "cap": 12, "least": 12})
    assert [str(path) for path, _ in found["natural_holdout"]] == [str(k) for k in range(0, 50, 2)]
    # of 150 rows behind the first 50, 15 are c and 135 py: 12 of each, by turns
    assert [kind for _, kind in found["capped_holdout"]] == ["c"] * 6 + ["py"] * 6
    paths = [path for rows_of in found.values() for path, _ in rows_of]
    assert len(paths) == len(set(paths)) == 74


def test_scores_are_the_log_posteriors_behind_the_answers_of_the_package(tmp_path):
    from magika import Magika

    here = pathlib.Path(__file__)
    short = tmp_path / "short.py"
    short.write_text("\n\n\n\n\nx = 1")  # 5 bytes without white space: the model is not asked
    paths = [here, here.with_name("requirements.txt"), short]
    scores, labels, used = deployed.score(paths)
    assert used == [True, True, False]
    for row, path in zip(scores, paths, strict=False):
        answer = Magika().identify_path(path)
        assert labels[row.argmax()] == str(answer.dl.label)
        assert np.isclose(np.exp(row.max()), answer.score, atol=1e-3)
        assert np.isclose(np.exp(row).sum(), 1, atol=1e-4)


def test_gains_are_paired_with_intervals():
    labels = np.array([0, 0, 0, 0, 1, 1])
    before = np.array([0, 1, 0, 0, 1, 1])
    after = np.array([0, 0, 0, 0, 0, 1])
    found = deployed.gains(before, after, labels)
    d = np.array([0, 1, 0, 0, -1, 0])
    assert np.allclose(found["accuracy"], [0, 1.96 * d.std(ddof=1) / np.sqrt(6)])
    variance = (d[:4].var(ddof=1) / 4 + d[4:].var(ddof=1) / 2) / 4
    assert np.allclose(found["balanced_accuracy"], [(1 / 4 - 1 / 2) / 2, 1.96 * np.sqrt(variance)])


def test_kept_posteriors_give_the_kept_accuracies():
    import deployed_tables

    places = deployed_tables.results()["places"]
    with np.load(deployed.KEPT_SCORES) as arrays:
        for place in deployed.PLACES:
            z = arrays[f"{place}_scores"].astype(np.float64)
            labels = arrays[f"{place}_labels"]
            assert (
                abs((z.argmax(axis=1) == labels).mean() - places[place]["none"]["accuracy"]) < 1e-6
            )
            p = np.exp(arrays["natural_holdout_scores"].astype(np.float64))
            q = (p / p.sum(axis=1, keepdims=True)).mean(axis=0)
            found = places[place]["p2p (natural)"]["accuracy"]
            assert abs(((z - np.log(q)).argmax(axis=1) == labels).mean() - found) < 2e-3


def test_the_section_shows_every_table():
    import deployed_tables

    values, used = deployed_tables.tables(), set()
    page.filled((page.SECTIONS / "deployed.md").read_text(), values, used)
    assert used == values.keys()
