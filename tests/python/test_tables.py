"""Tables: their columns are the classes, matched by name; a column that is none is refused."""

import numpy as np
import pandas
import polars
import prior2posterior as p2p
import pyarrow
import pytest

dask_frame = pytest.importorskip("dask.dataframe")


def as_pyarrow(frame):
    return pyarrow.table({str(name): frame[name].to_numpy() for name in frame.columns})


KINDS = {
    "pandas": lambda frame: frame,
    "polars": lambda frame: polars.DataFrame(
        {str(name): frame[name].to_numpy() for name in frame.columns}
    ),
    "pyarrow": as_pyarrow,
    "dask": lambda frame: dask_frame.from_pandas(frame, npartitions=3),
}
NO_CLASSES = {
    "an id": ("id", 0, lambda rows: np.arange(rows)),
    "an id in text files' float": ("id", 0, lambda rows: np.arange(rows) + 0.0),
    "an unnamed index": ("Unnamed: 0", 0, lambda rows: np.arange(rows)),
    "an index of pandas": ("__index_level_0__", 7, lambda rows: np.arange(rows)),
    "a fold": ("fold", 7, lambda rows: np.arange(rows) % 5),
    "a label": ("label", 7, lambda rows: np.arange(rows) % 7),
    "a label of two classes": ("label", 7, lambda rows: np.arange(rows) % 2),
    "a boolean": ("seen", 3, lambda rows: np.arange(rows) % 2 == 0),
    "integers of any name": ("z", 3, lambda rows: np.arange(rows) % 9),
}


@pytest.fixture(scope="module")
def frame(toy):
    return pandas.DataFrame(toy.logits[:600], columns=toy.names)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", NO_CLASSES)
def test_a_column_that_is_no_class_is_refused(toy, frame, kind, case):
    name, place, values = NO_CLASSES[case]
    table = frame.copy()
    table.insert(place, name, values(len(frame)))
    table = KINDS[kind](table)
    for call in (
        lambda: p2p.estimate_prior(table),
        lambda: p2p.evaluate(table, toy.labels[:600]),
        lambda: p2p.PosteriorSum().update(table),
        lambda: p2p.estimate_prior(iter([table])),
    ):
        with pytest.raises(p2p.Error, match=f"has a column '{name}'.*drop"):
            call()


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_a_table_are_those_of_the_prior(toy, frame, kind):
    prior = p2p.estimate_prior(KINDS[kind](frame), counts=toy.counts)
    assert prior.classes == toy.names
    expected = p2p.estimate_prior(toy.logits[:600], counts=toy.counts).effective
    np.testing.assert_array_equal(prior.effective, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_columns_in_another_order_are_refused_wherever_a_table_is_given(toy, frame, kind):
    prior = p2p.estimate_prior(frame, counts=toy.counts)
    other = KINDS[kind](frame[toy.names[::-1]])
    labels = toy.labels[:600]
    for call in (
        lambda: p2p.correct(other, prior),
        lambda: list(p2p.correct(iter([other]), prior)),
        lambda: p2p.correct([frame, other], prior),
        lambda: p2p.estimate_prior([frame, other]),
        lambda: p2p.estimate_prior(other, classes=toy.names),
        lambda: p2p.evaluate(other, labels, counts=prior),
        lambda: p2p.evaluate([frame, other], np.tile(labels, 2)),
        lambda: p2p.inspect(prior, other, labels),
        lambda: p2p.PosteriorSum(classes=toy.names).update(other),
        lambda: p2p.PosteriorSum().update(frame).update(other),
        lambda: p2p.make_correction(prior, method="bias", holdout=other, holdout_labels=labels),
        lambda: p2p.make_correction(prior, method="em", unlabelled=other),
    ):
        with pytest.raises(p2p.Error, match=r"class 0 is .*gnu.*same order"):
            call()


def test_numbered_columns_in_another_order_need_names_to_match(toy):
    prior = p2p.estimate_prior(toy.logits, counts=toy.counts)
    table = pandas.DataFrame(toy.logits)[[6, 5, 4, 3, 2, 1, 0]]
    labels = toy.labels
    for call in (
        lambda: p2p.correct(table, prior),
        lambda: p2p.make_correction(prior, method="bias", holdout=table, holdout_labels=labels),
        lambda: p2p.make_correction(prior, method="em", unlabelled=table),
        lambda: p2p.evaluate(table, labels),
        lambda: p2p.inspect(prior, table, labels),
    ):
        with pytest.raises(p2p.Error, match=r"numbered in another order.*put the columns in order"):
            call()


def test_a_class_that_no_row_believes_in_may_be_read_as_integers(toy):
    probs = np.full((50, 3), 0.5, np.float32) * [1, 1, 0]
    table = pandas.DataFrame(probs, columns=["a", "b", "id"]).astype({"id": int})
    np.testing.assert_allclose(p2p.estimate_prior(table).effective[:2], 0.5, rtol=1e-3)


def test_a_class_may_be_called_id(toy, frame):
    languages = frame.rename(columns={"ant": "id"})
    assert p2p.estimate_prior(languages).classes[0] == "id"


def test_a_corrected_dask_table_is_one_of_pandas(toy, frame):
    prior = p2p.estimate_prior(frame, counts=toy.counts)
    corrected = p2p.correct(KINDS["dask"](frame), prior)
    pandas.testing.assert_frame_equal(corrected, p2p.correct(frame, prior))


def test_a_lazy_table_is_refused_with_how_to_collect_it(frame):
    lazy = polars.DataFrame({name: frame[name].to_numpy() for name in frame.columns}).lazy()
    with pytest.raises(p2p.Error, match=r"LazyFrame.*collect"):
        p2p.estimate_prior(lazy)


def test_a_subclass_of_a_table_keeps_its_names(toy, frame):
    class Frame(pandas.DataFrame):
        pass

    Frame.__module__ = "another.library"
    assert p2p.estimate_prior(Frame(frame)).classes == toy.names
