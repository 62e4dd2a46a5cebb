"""What cannot be used is refused with one sentence: what, where, found, expected, how to mend."""

import io

import numpy as np
import pandas
import prior2posterior as p2p
import pytest
import scipy.sparse


@pytest.fixture(scope="module")
def prior(toy):
    return p2p.estimate_prior(toy.logits, counts=toy.counts, classes=toy.names)


def refused(call, *words):
    """The sentence of the Error that the call raises, which has the words in it."""
    with pytest.raises(p2p.Error) as failure:
        call()
    sentence = str(failure.value)
    assert isinstance(failure.value, ValueError)
    assert "\n" not in sentence
    assert "--" not in sentence, "an option of the command, not an argument"
    for word in words:
        assert word in sentence, sentence
    return sentence


BAD_SCORES = {
    "rank 1": (lambda z: z[0], ["(7,)", "(rows, classes)"]),
    "rank 5": (lambda z: z[:, :, None, None, None], ["(9000, 7, 1, 1, 1)"]),
    "rank 3 without an axis": (lambda z: z[:, :, None], ["class_axis"]),
    "no rows": (lambda z: z[:0], ["empty", "at least one row"]),
    "no classes": (lambda z: z[:, :0], ["empty"]),
    "one class": (lambda z: z[:, :1], ["gives 1 classes", "2 or more"]),
    "objects": (lambda z: z.astype(object), ["object", "astype"]),
    "complex": (lambda z: z.astype(complex), ["complex128", "real"]),
    "integers": (lambda z: z.astype(int), ["int64", "float"]),
    "booleans": (lambda z: z > 0, ["bool"]),
    "strings": (lambda z: z[:3].astype(str), ["<U"]),
    "long doubles": (lambda z: z.astype(np.longdouble), [str(np.dtype(np.longdouble))]),
    "a masked array": (lambda z: np.ma.masked_less(z, 0), ["masked"]),
    "a path": (lambda z: "scores.npy", ["numpy.load"]),
    "a number": (lambda z: 3.0, ["float"]),
    "None": (lambda z: None, ["NoneType"]),
    "ragged lists": (lambda z: [[1.0, 2.0], [3.0]], ["different lengths"]),
    "NaN": (lambda z: np.where(z == z[5, 3], np.nan, z), ["row 5, column 3", "NaN"]),
    "infinity": (lambda z: np.where(z == z[5, 3], np.inf, z), ["row 5, column 3", "inf"]),
    "only -inf": (lambda z: np.where(np.arange(9000)[:, None] == 8, -np.inf, z), ["row 8"]),
    "saturated float16": (lambda z: np.where(z == z[5, 3], 65504, z).astype(np.float16), ["65504"]),
    "kinds mixed": (
        lambda z: np.where(np.arange(9000)[:, None] % 2 == 0, np.float32(1 / 7), z),
        ["probabilities", "with input"],
    ),
    "a text column": (lambda z: pandas.DataFrame(z).assign(extra="x"), ["column 'extra'", "drop"]),
    "two columns of one name": (
        lambda z: pandas.DataFrame(z, columns=["a", "b", "a", "d", "e", "f", "g"]),
        ["two columns 'a'"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_SCORES)
def test_scores(toy, prior, case):
    make, words = BAD_SCORES[case]
    bad = make(toy.logits)
    refused(lambda: p2p.estimate_prior(bad), *words)
    refused(lambda: p2p.PosteriorSum().update(bad), *words)
    refused(lambda: p2p.evaluate(bad, toy.labels), *words)
    if case not in ("one class", "no classes"):
        refused(lambda: p2p.correct(bad, prior), *words)


NO_SCORES = {
    "a sparse matrix": (lambda z: scipy.sparse.csr_matrix(z), ["sparse csr_matrix", "toarray()"]),
    "a sparse array": (lambda z: scipy.sparse.coo_array(z), ["sparse coo_array", "toarray()"]),
    "a set": (lambda z: {1.0, 2.0}, ["is a set", "array"]),
    "a range": (lambda z: range(9000), ["is a range", "array"]),
    "an open file": (lambda z: io.BytesIO(b"1,2"), ["is a BytesIO", "array"]),
    "a model": (lambda z: Model(), ["is a Model", "the scores that it makes"]),
    "a list with a set": (lambda z: [z, {1.0}], ["'scores[1]' is a set"]),
}


class Model:
    """Layers, as of an nn.Sequential: callable, and iterable."""

    def __call__(self, x):
        return x

    def __iter__(self):
        return iter([self])


@pytest.mark.parametrize("case", NO_SCORES)
def test_what_holds_no_scores_is_refused_when_called(toy, prior, case):
    make, words = NO_SCORES[case]
    bad = make(toy.logits)
    refused(lambda: p2p.correct(bad, prior), *words)
    refused(lambda: p2p.estimate_prior(bad), *words)
    refused(lambda: p2p.evaluate(bad, toy.labels), *words)


@pytest.mark.parametrize("name", ["holdout", "unlabelled", "holdout_second"])
def test_evidence_that_holds_no_scores_is_refused_by_name(toy, prior, name):
    refused(lambda: p2p.make_correction(prior, **{name: {1.0}}), f"'{name}' is a set")


def test_labels_that_are_no_array_are_named(toy):
    refused(lambda: p2p.evaluate(toy.logits, {0, 1}), "'labels' is a set")
    refused(lambda: p2p.evaluate(toy.logits, 3), "one number")


def test_one_axis_gets_the_recipe_of_its_kind(toy):
    refused(lambda: p2p.estimate_prior(np.array([0.1, 0.9])), "column_stack([1 - p, p])")
    refused(lambda: p2p.estimate_prior(np.array([-2.0, 3.0])), "column_stack([0 * s, s])")


def test_scores_of_another_number_of_classes(toy, prior):
    narrow = toy.logits[:, :5]
    refused(lambda: p2p.correct(narrow, prior), "5 classes", "7")
    refused(lambda: p2p.inspect(prior, narrow, toy.labels % 5), "5", "7 classes")
    refused(lambda: p2p.PosteriorSum().update(toy.logits).update(narrow), "5 classes", "had 7")


def test_blocks_of_different_widths(toy):
    blocks = (toy.logits[:10, :width] for width in (7, 7, 6))
    refused(lambda: p2p.estimate_prior(blocks), "'scores[2]' has 6 classes", "had 7")
    refused(
        lambda: p2p.evaluate([toy.logits[:10], toy.logits[:10, :6]], toy.labels[:20]),
        "'scores[1]' has 6 classes",
    )


def test_a_bad_row_of_a_block(toy):
    bad = toy.logits[:10].copy()
    bad[4, 2] = np.nan
    refused(
        lambda: p2p.estimate_prior(iter([toy.logits[:10], bad])), "'scores[1]', row 4, column 2"
    )


def test_pairs_of_scores_and_labels(toy):
    pairs = ((toy.logits[:10], toy.labels[:10]) for _ in range(2))
    refused(lambda: p2p.estimate_prior(pairs), "pair", "PosteriorSum().update(scores, labels)")


def test_no_blocks():
    refused(lambda: p2p.estimate_prior(iter([])), "no block")
    refused(lambda: p2p.estimate_prior([]), "no block")
    refused(lambda: p2p.evaluate([], [0]), "empty list")


def test_a_generator_where_rows_are_read_again(toy):
    refused(lambda: p2p.evaluate((z for z in [toy.logits]), toy.labels), "generator", "only once")
    refused(lambda: p2p.estimate_prior(iter([toy.logits]), iterate=True), "iterate")


def test_what_a_generator_raises_comes_through(toy):
    def blocks():
        yield toy.logits
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        p2p.estimate_prior(blocks())


BAD_LABELS = {
    "out of range": (lambda y: np.where(np.arange(9000) == 17, 7, y), ["row 17", "7", "0 to 6"]),
    "negative": (lambda y: np.where(np.arange(9000) == 17, -1, y), ["row 17", "ignore_index=-1"]),
    "another length": (lambda y: y[:-1], ["8999", "9000"]),
    "floats": (lambda y: y.astype(float), ["float64", "astype(int)"]),
    "one number": (lambda y: 3, ["one number"]),
    "names nobody knows": (lambda y: np.array(["yak"] * 9000), ["yak"]),
    "objects": (lambda y: np.array(["ant"] * 8999 + [None]), ["None in row 8999", "integers"]),
    "one-hot": (lambda y: np.eye(7)[y], ["argmax(axis=1)"]),
    "counted from 1": (lambda y: y + 1, ["label 7", "subtract 1"]),
    "too large for 64 bits": (lambda y: y.astype(np.uint64) + np.uint64(2**63), ["0 to C - 1"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_LABELS)
def test_labels(toy, case):
    make, words = BAD_LABELS[case]
    bad = make(toy.labels)
    refused(lambda: p2p.evaluate(toy.logits, bad, classes=toy.names), *words)
    refused(lambda: p2p.estimate_prior(toy.logits, labels=bad, classes=toy.names), *words)


def test_names_without_class_names(toy):
    refused(lambda: p2p.evaluate(toy.logits, np.array(toy.names)[toy.labels]), "classes=[...]")


BAD_OPTIONS = {
    "counts of another length": ({"counts": [1, 2]}, ["2 values", "7 classes"]),
    "negative counts": ({"counts": [-1, 1, 1, 1, 1, 1, 1]}, ["class 0"]),
    "counts that are text": ({"counts": "many"}, ["counts", "numbers"]),
    "counts of rank 2": ({"counts": np.ones((7, 1))}, ["(7, 1)"]),
    "counts of other names": ({"counts": {"ant": 1}, "classes": "abcdefg"}, ["'a'"]),
    "named counts for nameless classes": ({"counts": {"ant": 1}}, ["classes=[...]"]),
    "loss": ({"trained_with": "focal"}, ["focal", "'la:TAU'"]),
    "tau": ({"trained_with": "la:x"}, ["la:x"]),
    "la without counts": ({"trained_with": "la"}, ["counts"]),
    "weights of another length": ({"trained_with": ("weights", [1.0])}, ["1 values"]),
    "a loss that is a number": ({"trained_with": 3}, ["int"]),
    "kind": ({"input": "scores"}, ["'scores'", "'logits'"]),
    "kind stated wrongly": ({"input": "probs"}, ["probabilities cannot be negative"]),
    "temperature": ({"temperature": 0}, ["temperature", "positive"]),
    "smoothing": ({"smoothing": -1}, ["smoothing"]),
    "smoothing without counts": ({"smoothing": 1}, ["smoothing", "counts"]),
    "pool without counts": ({"pool": True}, ["pool=True", "counts"]),
    "pool beside smoothing": (
        {"pool": True, "smoothing": 1, "counts": [3, 2, 1, 1, 1, 1, 1]}, ["pool=True", "smoothing"]
    ),
    "pool beside iterate": (
        {"pool": True, "iterate": True, "counts": [3, 2, 1, 1, 1, 1, 1]},
        ["pool=True", "iterate=True"],
    ),
    "pool of equal counts": ({"pool": True, "counts": [5] * 7}, ["pool=True", "one frequency"]),
    "floor": ({"floor": 0.5}, ["floor", "1/C"]),
    "rows": ({"rows": "test"}, ["'test'", "'holdout'"]),
    "excluded class": ({"exclude": [9]}, ["9", "0 to 6"]),
    "excluded name": ({"exclude": "yak"}, ["yak"]),
    "threads": ({"threads": 0}, ["threads"]),
    "too few names": ({"classes": ["a"]}, ["1 class names", "7"]),
    "an axis that does not exist": ({"class_axis": 2}, ["class_axis=2"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_options_of_an_estimate(toy, case):
    options, words = BAD_OPTIONS[case]
    refused(lambda: p2p.estimate_prior(toy.logits, **options), *words)


BAD_CORRECTIONS = {
    "method": ({"method": "magic"}, ["magic", "p2p"]),
    "target": ({"target": "flat"}, ["'flat'", "'uniform'"]),
    "target of another length": ({"target": [1, 2]}, ["2 values", "7 classes"]),
    "target of zeros": ({"target": np.zeros(7)}, ["0"]),
    "estimated target without rows": ({"target": "estimated:em"}, ["unlabelled"]),
    "estimator": ({"target": "estimated:x"}, ["em, map-em"]),
    "strength": ({"strength": "strong"}, ["strong", "'auto'"]),
    "negative strength": ({"strength": -1}, ["strength"]),
    "auto strength without rows": ({"method": "temperature"}, ["holdout"]),
    "labels without scores": ({"holdout_labels": [1, 2]}, ["holdout"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_CORRECTIONS)
def test_options_of_a_correction(toy, prior, case):
    options, words = BAD_CORRECTIONS[case]
    refused(lambda: p2p.make_correction(prior, **options), *words)
    refused(lambda: p2p.correct(toy.logits, prior, **options), *words)


def test_a_prior_that_is_none(toy):
    refused(lambda: p2p.correct(toy.logits, toy.counts), "ndarray", "ClassPrior")


def test_options_beside_a_correction(toy, prior):
    correction = p2p.make_correction(prior)
    refused(lambda: p2p.correct(toy.logits, correction, method="none"), "make_correction")


BAD_OUT = {
    "another shape": (lambda z: np.empty((3, 7), np.float32), ["(3, 7)", "(9000, 7)"]),
    "another type": (lambda z: np.empty(z.shape), ["float64", "float32"]),
    "the scores themselves": (lambda z: z, ["shares memory"]),
    "a list": (lambda z: z.tolist(), ["list"]),
}


@pytest.mark.parametrize("case", BAD_OUT)
def test_out(toy, prior, case):
    make, words = BAD_OUT[case]
    scores = toy.logits.copy()
    refused(lambda: p2p.correct(scores, prior, out=make(scores)), *words)


def test_a_read_only_out(toy, prior):
    out = np.empty_like(toy.logits)
    out.flags.writeable = False
    refused(lambda: p2p.correct(toy.logits, prior, out=out), "read-only")


def test_a_score_that_the_type_cannot_hold(prior):
    scores = np.zeros((4, 7), np.float16)
    scores[:, 6] = 65472
    target = [1e-40] * 6 + [1]
    refused(
        lambda: p2p.correct(scores, prior, target=target, input="logits"),
        "float16",
        'output="probs"',
    )


def test_prior_files(tmp_path):
    (tmp_path / "bad.json").write_text("{}")
    refused(lambda: p2p.load_prior(tmp_path / "bad.json"), "bad.json")
    refused(lambda: p2p.load_prior(tmp_path / "none.json"), "none.json")
    refused(lambda: p2p.ClassPrior.from_json("[1]"))


def test_a_prior_that_cannot_be_written(prior, tmp_path):
    refused(lambda: p2p.save(prior, tmp_path / "no folder" / "p.json"), "no folder")
    assert list(tmp_path.iterdir()) == []


BAD_TYPES = {
    "temperature": "1",
    "smoothing": "x",
    "floor": [1],
    "ignore_index": "a",
    "threads": 1.5,
    "max_rounds": None,
    "exclude": [1.5],
}


@pytest.mark.parametrize("name", BAD_TYPES)
def test_options_of_another_type(toy, name):
    refused(lambda: p2p.estimate_prior(toy.logits, **{name: BAD_TYPES[name]}), name)


def test_options_may_be_numpy_scalars(toy):
    plain = p2p.estimate_prior(
        toy.logits, temperature=2, ignore_index=255, threads=2, exclude=[1], max_rounds=1000
    )
    numpy = p2p.estimate_prior(
        toy.logits,
        temperature=np.float32(2),
        ignore_index=np.int64(255),
        threads=np.int8(2),
        exclude=np.array([1]),
        max_rounds=1e3,
    )
    assert numpy == plain


def test_an_argument_that_does_not_exist(toy, prior):
    with pytest.raises(TypeError, match="no argument is named 'temprature'"):
        p2p.correct(toy.logits, prior, temprature=2)


SENTENCES = [
    (lambda toy, p: p2p.make_correction(p, strength=-1), "strength must be finite and at least 0"),
    (
        lambda toy, p: p2p.make_correction(p, method="em", unlabelled=toy.logits, target=[1] * 7),
        "leave target out",
    ),
    (
        lambda toy, p: p2p.estimate_prior(toy.logits, trained_with=("weights", [1, 2])),
        'trained_with=("weights", ...): 2 values',
    ),
    (lambda toy, p: p2p.make_correction(p, strength="auto"), 'strength="auto" needs'),
    (
        lambda toy, p: p2p.make_correction(
            p2p.estimate_prior(toy.logits, counts=toy.counts, iterate=True).merge(p)
        ),
        "estimate_prior(iterate=True)",
    ),
    (
        lambda toy, p: p2p.make_correction(p2p.estimate_prior(toy.logits), method="empirical"),
        "estimate_prior(counts=...)",
    ),
]


@pytest.mark.parametrize(("call", "words"), SENTENCES)
def test_sentences_speak_of_arguments(toy, prior, call, words):
    refused(lambda: call(toy, prior), words)


def test_the_text_of_an_inspection_speaks_of_arguments(toy):
    assert "--" not in str(p2p.inspect(p2p.estimate_prior(toy.logits)))


def test_what_is_no_prior(toy, prior, tmp_path):
    refused(lambda: p2p.inspect(toy.logits), "ndarray")
    refused(lambda: p2p.make_correction(None), "NoneType")
    refused(lambda: p2p.save(p2p.make_correction(prior), tmp_path / "p.json"), "Correction")
    refused(lambda: p2p.save("p.json", prior), "str")
    refused(lambda: p2p.load_prior(None), "NoneType")


@pytest.mark.parametrize("decimals", [1, 2, 3])
def test_rounded_probabilities(toy, decimals):
    probs = np.round(np.exp(toy.logits) / np.exp(toy.logits).sum(1, keepdims=True), decimals)
    refused(
        lambda: p2p.estimate_prior(probs, input="probs"),
        "normalise=True divides each row by its sum",
    )


def test_half_of_what_inspect_needs(toy, prior):
    refused(lambda: p2p.inspect(prior, toy.logits), "together")


def test_models_that_are_none(prior, tmp_path):
    refused(lambda: p2p.bake(3, prior), "int", "path of a model file")
    refused(lambda: p2p.bake(tmp_path / "m.onnx", prior), "output is missing")
    refused(lambda: p2p.bake(tmp_path / "m.onnx", prior, tmp_path / "n.onnx"), "m.onnx")
    refused(lambda: p2p.unbake(tmp_path / "m.onnx"), "output is missing")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda z: 1 / (1 + np.exp(-z)), ["normalise=True", 'input="logits"']),
        (lambda z: 100 * np.exp(z) / np.exp(z).sum(1, keepdims=True), ["normalise=True"]),
        (lambda z: np.log10(np.exp(z) / np.exp(z).sum(1, keepdims=True)), ["log_base=10"]),
        (lambda z: z[:, 0], ["binary=True"]),
        (lambda z: z[:, :1], ["binary=True"]),
    ],
)
def test_numbers_that_are_asked_about(toy, make, words):
    refused(lambda: p2p.estimate_prior(make(toy.logits)), *words)


def test_binary_scores_of_several_columns(toy):
    refused(lambda: p2p.estimate_prior(toy.logits, binary=True), "columns", "class 1 of two")


def test_binary_batches_say_what_they_are():
    refused(lambda: p2p.PosteriorSum(2, binary=True), "input='probs'")


@pytest.mark.parametrize(("options", "words"), [
    ({"tau": 2.0}, 'method="p2p" does not look at tau'),
    ({"method": "none", "target": "empirical"}, 'method="none" does not look at target'),
    ({"scoring": "accuracy"}, 'scoring, folds and max_group_loss are for method="auto"'),
    ({"ignore_index": 255}, "ignore_index is a value of labels"),
])  # fmt: skip
def test_what_is_given_and_not_looked_at_is_warned_of(prior, options, words):
    with pytest.warns(p2p.PriorWarning, match=words):
        p2p.make_correction(prior, **options)


@pytest.mark.parametrize(("call", "words"), [
    (lambda toy, p: p2p.correct(toy.logits, p, second=toy.logits), "does not look at second"),
    (lambda toy, p: p2p.estimate_prior(toy.logits, ignore_index=9), "ignore_index"),
    (lambda toy, p: p2p.estimate_prior(toy.logits, max_rounds=9), "without iterate=True"),
    (lambda toy, p: p2p.evaluate(toy.logits, toy.labels, few=9), "many and few are not looked at"),
    (lambda toy, p: p2p.inspect(p, input="logits"), "there are none"),
    (lambda toy, p: p2p.inspect(p, normalise=True), "there are none"),
])  # fmt: skip
def test_an_argument_that_means_nothing_here_is_warned_of(toy, prior, call, words):
    with pytest.warns(p2p.PriorWarning, match=words):
        call(toy, prior)


def test_held_out_rows_that_are_not_looked_at_are_warned_of(toy, prior):
    with pytest.warns(p2p.PriorWarning, match='method="p2p" does not look at holdout'):
        p2p.make_correction(prior, holdout=toy.logits, holdout_labels=toy.labels)


def test_a_scoring_is_one_of_four(prior):
    refused(lambda: p2p.make_correction(prior, scoring="f1"), "'f1'", "'macro-f1'")


def test_auto_warns_when_nothing_was_held_out(toy, prior):
    with pytest.warns(p2p.PriorWarning):
        p2p.make_correction(prior, method="auto")


def test_warnings_have_a_category_and_point_at_the_caller(toy):
    with pytest.warns(p2p.PriorWarning, match="far from the class frequencies") as caught:
        p2p.estimate_prior(toy.logits, counts=toy.counts[::-1].copy())
    assert caught[0].filename == __file__


def maps(toy):
    """Scores of maps [2, 7, 45, 100], classes on axis 1, and their labels [2, 45, 100]."""
    scores = np.ascontiguousarray(toy.logits.reshape(2, 45, 100, 7).transpose(0, 3, 1, 2))
    return scores, toy.labels.reshape(2, 45, 100)


def test_labels_of_transposed_maps(toy):
    scores, labels = maps(toy)
    for call in (p2p.evaluate, p2p.estimate_prior):
        words = ["(2, 100, 45)", "(2, 45, 100)"]
        refused(lambda c=call: c(scores, labels=labels.transpose(0, 2, 1), class_axis=1), *words)


def test_labels_of_maps_as_they_are_or_flat_are_read(toy):
    scores, labels = maps(toy)
    expected = (toy.logits.argmax(axis=1) == toy.labels).mean()
    for given in (labels, labels.ravel()):
        found = p2p.evaluate(scores, labels=given, class_axis=1)
        assert found.accuracy == pytest.approx(expected)


def test_one_hot_labels(toy):
    rows = np.eye(7, dtype=int)[toy.labels]
    refused(lambda: p2p.evaluate(toy.logits, labels=rows), "one-hot", "argmax(axis=1)")


def test_counts_keyed_by_numbers_as_text_are_read(toy):
    counts = {str(c): toy.counts[c] for c in reversed(range(7))}
    prior = p2p.estimate_prior(toy.logits, counts=counts)
    assert prior.counts == pytest.approx(toy.counts)
