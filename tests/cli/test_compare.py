"""p2p compare: one table of corrections, the same numbers as p2p correct and p2p evaluate."""

import csv
import json

import numpy as np
import pytest
from harness import attempt, p2p, refuse

NUMBERS = ["accuracy", "balanced_accuracy", "nll", "ece"]


@pytest.fixture
def halves(toy):
    """Every other row of the toy data is held out, the rest is judged on."""
    for name, rows in (("holdout", slice(0, None, 2)), ("test", slice(1, None, 2))):
        toy.save(f"{name}.npy", toy.logits[rows])
        toy.save(f"{name}-labels.npy", toy.labels[rows])
    return toy


TRAIN = ["--train", "logits.npy", "--counts", "counts.npy"]
TEST = ["--test", "test.npy", "--test-labels", "test-labels.npy"]
HOLDOUT = ["--holdout", "holdout.npy", "--holdout-labels", "holdout-labels.npy"]


def compare(toy, *args, **options):
    return p2p("compare", *TRAIN, *TEST, *args, "--json", cwd=toy.folder, **options).json


def line(table, name):
    return next(method for method in table["methods"] if method["name"] == name)


def agree(found, expected):
    for name in NUMBERS:
        assert found[name] == pytest.approx(expected[name], abs=1e-6), name
    assert found["groups"] == pytest.approx(expected["groups"], abs=1e-6)


def test_every_method_has_the_numbers_of_correct_and_evaluate(halves):
    table = compare(halves, *HOLDOUT, "--unlabelled", "test.npy", "--bootstrap", 20)
    p2p("estimate", "logits.npy", "--counts", "counts.npy", "-o", "prior.json", cwd=halves.folder)
    compared = [m for m in table["methods"] if "problem" not in m and "(" not in m["name"]]
    assert {"none", "empirical", "p2p"} <= {m["name"] for m in compared}
    for method in compared:
        p2p("correct", "test.npy", "--prior", "prior.json", "--method", method["name"], *HOLDOUT,
            "--unlabelled", "test.npy", "--output", "log-probs", "-o", "corrected.npy",
            cwd=halves.folder)  # fmt: skip
        expected = p2p("evaluate", "corrected.npy", "--labels", "test-labels.npy", "--counts",
                       "counts.npy", "--bootstrap", 20, "--json", cwd=halves.folder).json  # fmt: skip
        agree(method, expected)
        for name in NUMBERS:
            assert method["ci95"][name] == pytest.approx(expected["ci95"][name], abs=1e-6)


def test_test_labels_do_not_influence_a_correction(halves):
    deltas = []
    for labels in (halves.labels[1::2], np.random.default_rng(1).permutation(halves.labels[1::2])):
        halves.save("test-labels.npy", labels)
        table = compare(halves, *HOLDOUT, "--unlabelled", "test.npy", "--bootstrap", 0)
        deltas.append({m["name"]: m["correction"] for m in table["methods"] if "correction" in m})
    assert deltas[0] == deltas[1] and len(deltas[0]) >= 3


def test_a_method_without_its_inputs_is_listed_with_what_it_needs(halves):
    table = compare(halves, "--methods", "bbse,empirical", "--bootstrap", 0)
    assert [m["name"] for m in table["methods"]] == ["empirical", "p2p", "bbse"]
    problem = line(table, "bbse")["problem"]
    assert "--holdout" in problem and "--unlabelled" in problem


def test_methods_that_fail_are_below_the_table(halves):
    text = p2p(
        "compare", *TRAIN, *TEST, "--methods", "bbse", "--bootstrap", 0, cwd=halves.folder
    ).out
    table, _, rest = text.partition("\nnot compared\n")
    assert "p2p" in table and "bbse" not in table
    assert rest.startswith("  bbse: ") and "--unlabelled" in rest


def test_p2p_is_measured_on_held_out_rows_too(halves):
    table = compare(halves, *HOLDOUT, "--methods", "p2p", "--bootstrap", 0)
    p2p("estimate", "holdout.npy", "--labels", "holdout-labels.npy", "--counts", "counts.npy", "--rows",
        "holdout", "-o", "held-out.json", cwd=halves.folder)  # fmt: skip
    p2p("correct", "test.npy", "--prior", "held-out.json", "-o", "corrected.npy", cwd=halves.folder)
    agree(line(table, "p2p (held-out)"),
          p2p("evaluate", "corrected.npy", "--labels", "test-labels.npy", "--counts", "counts.npy",
              "--json", cwd=halves.folder).json)  # fmt: skip


def test_the_others_are_compared_with_p2p(halves):
    table = compare(halves, "--methods", "none", "--bootstrap", 200)
    none, reference = line(table, "none"), line(table, "p2p")
    assert "difference" not in reference
    for name in ("accuracy", "balanced_accuracy", "nll"):
        difference = none["difference"][name]
        assert difference["value"] == pytest.approx(none[name] - reference[name])
        low, high = difference["ci95"]
        assert low <= difference["value"] <= high
        assert (difference["standing"] == "undecided") == (low <= 0 <= high)


def test_without_a_bootstrap_there_are_no_intervals(halves):
    for method in compare(halves, "--methods", "none", "--bootstrap", 0)["methods"]:
        assert "ci95" not in method and "difference" not in method


def test_the_best_of_each_column_is_marked(halves):
    table = compare(halves, "--methods", "none,empirical", "--bootstrap", 0)
    for name, best in (("accuracy", max), ("balanced_accuracy", max), ("nll", min), ("ece", min)):
        value = best(m[name] for m in table["methods"])
        for method in table["methods"]:
            assert (name in method["best"]) == (method[name] == value)
    text = p2p("compare", *TRAIN, *TEST, "--methods", "none,empirical", "--bootstrap", 0,
               cwd=halves.folder).out  # fmt: skip
    assert text.count("*") >= 7


def test_a_prior_takes_the_place_of_the_training_rows(halves):
    p2p("estimate", "logits.npy", "--counts", "counts.npy", "-o", "prior.json", cwd=halves.folder)
    table = p2p("compare", "--prior", "prior.json", *TEST, "--methods", "none", "--bootstrap", 0,
                "--json", cwd=halves.folder).json  # fmt: skip
    agree(line(table, "p2p"), line(compare(halves, "--methods", "none", "--bootstrap", 0), "p2p"))
    assert table["prior_seconds"] is None


def test_how_the_model_was_trained_is_taken_into_account(halves):
    table = compare(halves, "--trained-with", "la", "--methods", "none", "--bootstrap", 0)
    p2p("estimate", "logits.npy", "--counts", "counts.npy", "--trained-with", "la", "-o", "la.json",
        cwd=halves.folder)  # fmt: skip
    found = p2p(
        "correct", "test.npy", "--prior", "la.json", "-o", "x.npy", "--json", cwd=halves.folder
    )
    assert line(table, "p2p")["correction"]["delta"] == pytest.approx(found.json["delta"])


def test_target_and_strength_hold_for_every_method(halves):
    table = compare(halves, "--methods", "none,empirical", "--bootstrap", 0, "--strength", 0.5, "--target",
                    "empirical")  # fmt: skip
    assert np.allclose(line(table, "empirical")["correction"]["delta"], 0)
    assert table["strength"] == 0.5 and table["target"] == "empirical"


def test_csv_and_markdown_hold_the_numbers_of_the_json(halves):
    table = p2p("compare", *TRAIN, *TEST, "--methods", "none,bbse", "--bootstrap", 20, "--json",
                "-o", "t.csv", "-o", "t.md", "-o", "t.json", cwd=halves.folder).json  # fmt: skip
    assert json.loads((halves.folder / "t.json").read_text()) == table
    with open(halves.folder / "t.csv", newline="") as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["none", "p2p", "bbse"]
    for name in ("none", "p2p"):
        found = line(table, name)
        assert float(rows[name]["nll"]) == found["nll"]
        assert float(rows[name]["accuracy_low"]) == found["ci95"]["accuracy"][0]
    assert (
        float(rows["none"]["nll_difference"]) == line(table, "none")["difference"]["nll"]["value"]
    )
    assert rows["p2p"]["nll_difference"] == "" and rows["bbse"]["accuracy"] == ""
    assert rows["bbse"]["problem"] == line(table, "bbse")["problem"]
    text = (halves.folder / "t.md").read_text()
    lines = [text_line for text_line in text.splitlines() if text_line.startswith("|")]
    assert len(lines) == 4 and len({text_line.count("|") for text_line in lines}) == 1
    assert f"{100 * line(table, 'p2p')['accuracy']:.2f}" in text and "- bbse: " in text


def without_seconds(value):
    if isinstance(value, dict):
        return {k: without_seconds(v) for k, v in value.items() if not k.endswith("seconds")}
    return [without_seconds(v) for v in value] if isinstance(value, list) else value


def test_numbers_do_not_depend_on_threads(halves):
    runs = [
        without_seconds(compare(halves, *HOLDOUT, "--bootstrap", 30, "--threads", t))
        for t in (1, 3)
    ]
    assert runs[0] == runs[1]


def test_the_seed_moves_the_intervals_alone(halves):
    one, two = (
        compare(halves, "--methods", "none", "--bootstrap", 30, "--seed", s) for s in (1, 2)
    )
    assert line(one, "none")["nll"] == line(two, "none")["nll"]
    assert line(one, "none")["ci95"] != line(two, "none")["ci95"]


def test_warnings_name_their_method(halves):
    table = compare(halves, "--unlabelled", "test.npy", "--bootstrap", 0)
    outcome = p2p(
        "compare", *TRAIN, *TEST, "--unlabelled", "test.npy", "--bootstrap", 0, cwd=halves.folder
    )
    for method in table["methods"]:
        for warning in method.get("correction", {}).get("warnings", []):
            assert f"warning: {method['name']}: {warning}" in outcome.err


@pytest.mark.parametrize("args, words", [
    ([*TEST], ["--train", "--prior"]),
    (["--train", "logits.npy", "--prior", "prior.json", *TEST], ["--prior", "--train"]),
    ([*TRAIN, *TEST, "--methods", "magic"], ["'magic'", "empirical"]),
    ([*TRAIN, *TEST, "--strength", "auto"], ["auto"]),
    ([*TRAIN, *TEST, "-o", "table.pdf"], ["table.pdf", ".csv"]),
    ([*TRAIN, *TEST, "--bootstrap", "-1"], ["bootstrap"]),
    ([*TRAIN, "--test", "test.npy"], ["--test-labels"]),
    ([*TRAIN, *TEST, "--holdout-labels", "test-labels.npy"], ["--holdout"]),
    ([*TRAIN, *TEST, "--trained-with", "magic"], ["magic", "balanced-softmax"]),
])  # fmt: skip
def test_wrong_usage_is_said(halves, args, words):
    p2p("estimate", "logits.npy", "--counts", "counts.npy", "-o", "prior.json", cwd=halves.folder)
    refuse(halves.folder, "compare", *args, words=words, code=2)


def test_labels_of_another_length_are_refused(halves):
    halves.save("short.npy", halves.labels[:7])
    refuse(halves.folder, "compare", *TRAIN, "--test", "test.npy", "--test-labels", "short.npy",
           words=["short.npy", "7 labels", "150 rows"])  # fmt: skip


def test_scores_of_another_width_are_refused(halves):
    halves.save("narrow.npy", halves.logits[1::2, :4])
    refuse(halves.folder, "compare", *TRAIN, "--test", "narrow.npy", "--test-labels", "test-labels.npy",
           words=["narrow.npy", "4 classes", "5"])  # fmt: skip


def test_a_bad_test_row_is_named(halves):
    z = halves.logits[1::2].copy()
    z[3, 2] = np.nan
    halves.save("test.npy", z)
    refuse(halves.folder, "compare", *TRAIN, *TEST, words=["test.npy", "row 3", "column 2", "NaN"])


def test_standard_input_cannot_be_judged_on(halves):
    outcome = attempt("compare", *TRAIN, "--test", "-", "--test-labels", "test-labels.npy",
                      cwd=halves.folder, stdin=(halves.folder / "test.npy").read_bytes())  # fmt: skip
    assert outcome.code == 2 and "only once" in outcome.err


def test_an_input_is_not_overwritten(halves):
    halves.save("x.csv", halves.labels)
    refuse(
        halves.folder, "compare", *TRAIN, *TEST, "--target", "x.csv", "-o", "x.csv", words=["x.csv"]
    )
