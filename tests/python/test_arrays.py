"""Arrays of any kind give the same numbers, and get results of their own kind."""

import array_api_strict
import ml_dtypes
import numpy as np
import pandas
import polars
import prior2posterior as p2p
import pyarrow
import pytest


@pytest.fixture(scope="module")
def prior(toy):
    return p2p.estimate_prior(toy.logits, counts=toy.counts)


def spread(array):
    """The same values, no two of them neighbours."""
    wide = np.zeros((array.shape[0] * 2, array.shape[1] * 3), array.dtype)
    wide[::2, ::3] = array
    return wide[::2, ::3]


LAYOUTS = {
    "Fortran order": np.asfortranarray,
    "every other element": spread,
    "reversed": lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
    "a slice of columns": lambda a: np.concatenate([a, a], 1)[:, : a.shape[1]],
    "read-only": lambda a: a,
    "the other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "unaligned": lambda a: np.frombuffer(b"\0" + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
    "nested lists": lambda a: a.tolist(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_strides_and_byte_order_do_not_show(toy, layout, dtype):
    plain = toy.logits[:5000].astype(dtype)
    if layout == "nested lists":
        plain = plain.astype(np.float64)
    array = LAYOUTS[layout](plain)
    expected = p2p.estimate_prior(plain, counts=toy.counts)
    result = p2p.estimate_prior(array, counts=toy.counts)
    np.testing.assert_array_equal(result.effective, expected.effective)
    np.testing.assert_array_equal(p2p.correct(array, expected), p2p.correct(plain, expected))


def test_rows_broadcast_from_one_are_rows(toy):
    one = np.broadcast_to(toy.logits[:1], (100, 7))
    result = p2p.estimate_prior(one, input="logits")
    np.testing.assert_array_equal(
        result.effective, p2p.estimate_prior(one.copy(), input="logits").effective
    )


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1])
def test_classes_may_lie_on_any_axis(toy, prior, axis):
    cube = toy.logits[:4200].reshape(10, 20, 21, 7)
    array = np.moveaxis(cube, -1, axis)
    result = p2p.estimate_prior(array, counts=toy.counts, class_axis=axis)
    expected = p2p.estimate_prior(toy.logits[:4200], counts=toy.counts)
    np.testing.assert_array_equal(result.effective, expected.effective)
    corrected = p2p.correct(array, prior, class_axis=axis)
    np.testing.assert_array_equal(
        np.moveaxis(corrected, axis, -1),
        p2p.correct(cube.reshape(-1, 7), prior).reshape(cube.shape),
    )
    labels = p2p.correct(array, prior, class_axis=axis, output="labels")
    np.testing.assert_array_equal(labels, np.moveaxis(corrected, axis, -1).argmax(-1))
    pixels = toy.labels[:4200].reshape(10, 20, 21)
    assert p2p.evaluate(array, pixels, class_axis=axis).n_rows == 4200


def test_bfloat16_stays_bfloat16(toy):
    half = toy.logits.astype(ml_dtypes.bfloat16)
    wide = half.astype(np.float32)
    prior = p2p.estimate_prior(half, counts=toy.counts)
    np.testing.assert_allclose(
        prior.effective, p2p.estimate_prior(wide, counts=toy.counts).effective, rtol=1e-12
    )
    corrected = p2p.correct(half, prior)
    assert corrected.dtype == ml_dtypes.bfloat16
    expected = (wide + p2p.make_correction(prior).delta).astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(corrected, expected)
    assert p2p.correct(half, prior, output="labels").dtype == np.int64


def test_a_memmap_is_read_where_it_is(toy, tmp_path):
    np.save(tmp_path / "z.npy", toy.logits)
    mapped = np.load(tmp_path / "z.npy", mmap_mode="r")
    result = p2p.estimate_prior(mapped, counts=toy.counts)
    np.testing.assert_array_equal(
        result.effective, p2p.estimate_prior(toy.logits, counts=toy.counts).effective
    )
    out = np.lib.format.open_memmap(
        tmp_path / "c.npy", "w+", dtype=np.float32, shape=toy.logits.shape
    )
    assert p2p.correct(mapped, result, out=out) is out
    out.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "c.npy"), p2p.correct(toy.logits, result))


def test_whatever_speaks_dlpack_gets_its_own_kind_back(toy, prior):
    array = array_api_strict.asarray(toy.logits.copy())
    result = p2p.correct(array, prior)
    assert type(result) is type(array)
    np.testing.assert_array_equal(np.from_dlpack(result), p2p.correct(toy.logits, prior))


def test_arrays_are_not_copied(toy):
    array = toy.logits.copy()
    first = p2p.estimate_prior(array, counts=toy.counts)
    array[:] = array[:, ::-1].copy()
    second = p2p.estimate_prior(array, counts=toy.counts)
    np.testing.assert_allclose(second.effective, first.effective[::-1], rtol=1e-6)


FRAMES = {
    "pandas": lambda z, names: pandas.DataFrame(
        z, columns=names, index=[f"row{i}" for i in range(len(z))]
    ),
    "polars": lambda z, names: polars.DataFrame(np.asarray(z), schema=names),
    "pyarrow": lambda z, names: pyarrow.table(
        [np.ascontiguousarray(column) for column in z.T], names=names
    ),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_columns_of_tables_name_the_classes(toy, kind):
    table = FRAMES[kind](toy.logits, toy.names)
    names = np.array(toy.names)[toy.labels]
    by_name = dict(zip(reversed(toy.names), reversed(toy.counts.tolist()), strict=True))
    prior = p2p.estimate_prior(table, counts=by_name, labels=names)
    assert prior.classes == toy.names
    np.testing.assert_array_equal(
        prior.effective,
        p2p.estimate_prior(toy.logits, counts=toy.counts, labels=toy.labels).effective,
    )
    corrected = p2p.correct(table, prior)
    assert type(corrected) is type(table)
    values = np.column_stack([np.asarray(corrected[name]) for name in toy.names])
    np.testing.assert_array_equal(values, p2p.correct(toy.logits, prior))
    assert p2p.evaluate(table, names, counts=prior).n_rows == 9000
    if kind == "pandas":
        assert list(corrected.index) == list(table.index)


@pytest.mark.parametrize("kind", FRAMES)
def test_tables_with_their_columns_in_another_order_are_refused(toy, kind):
    prior = p2p.estimate_prior(FRAMES[kind](toy.logits, toy.names), counts=toy.counts)
    other = FRAMES[kind](toy.logits, toy.names[::-1])
    with pytest.raises(p2p.Error, match="class 0 is 'gnu' in the columns of 'scores' but 'ant'"):
        p2p.correct(other, prior)


def test_csv_and_parquet_come_through_tables(toy, tmp_path):
    frame = pandas.DataFrame(toy.logits[:500], columns=toy.names)
    frame.to_csv(tmp_path / "z.csv", index=False)
    frame.to_parquet(tmp_path / "z.parquet")
    expected = p2p.estimate_prior(toy.logits[:500], counts=toy.counts).effective
    for table in (
        pandas.read_csv(tmp_path / "z.csv", dtype=np.float32),
        polars.read_parquet(tmp_path / "z.parquet"),
    ):
        prior = p2p.estimate_prior(table, counts=toy.counts)
        assert prior.classes == toy.names
        np.testing.assert_array_equal(prior.effective, expected)


COUNTS = {
    "a Series by frequency": lambda toy: pandas.Series(toy.labels).value_counts(),
    "a Series by name": lambda toy: pandas.Series(
        dict(zip(toy.names[::-1], toy.counts[::-1].tolist(), strict=True))
    ),
    "a mapping by number": lambda toy: dict(enumerate(toy.counts.tolist())),
    "a list": lambda toy: toy.counts.tolist(),
}


@pytest.mark.parametrize("kind", COUNTS)
def test_counts_keep_their_classes_whatever_their_order(toy, kind):
    counts = COUNTS[kind](toy)
    prior = p2p.estimate_prior(toy.logits, counts=counts, classes=toy.names)
    np.testing.assert_array_equal(prior.counts, toy.counts)
    metrics = p2p.evaluate(toy.logits, toy.labels, counts=counts, classes=toy.names)
    assert metrics.many == p2p.evaluate(toy.logits, toy.labels, counts=toy.counts).many
    weighted = p2p.estimate_prior(toy.logits, trained_with=("weights", counts), classes=toy.names)
    np.testing.assert_allclose(weighted.training_offset, -np.log(toy.counts))


def test_booleans_are_labels_of_two_classes(toy):
    labels = toy.labels == 1
    z = toy.logits[:, :2]
    assert p2p.evaluate(z, labels).to_dict() == p2p.evaluate(z, labels.astype(int)).to_dict()


def test_numbered_columns_are_no_names(toy):
    assert p2p.estimate_prior(pandas.DataFrame(toy.logits), counts=toy.counts).classes is None
    assert p2p.estimate_prior(polars.DataFrame(toy.logits), counts=toy.counts).classes is None


@pytest.mark.parametrize("step", [1, 777, 4096, 5000, 100_000])
def test_blocks_give_the_prior_of_one_array(toy, step):
    blocks = (toy.logits[i : i + step] for i in range(0, 2000 if step == 1 else 9000, step))
    result = p2p.estimate_prior(blocks, counts=toy.counts)
    whole = toy.logits[:2000] if step == 1 else toy.logits
    expected = p2p.estimate_prior(whole, counts=toy.counts)
    assert result == expected


@pytest.mark.parametrize("with_counts", [False, True])
def test_blocks_with_labels_of_the_whole_data_set(toy, with_counts):
    counts = toy.counts[::-1] if with_counts else None
    blocks = [toy.logits[:3000], toy.logits[3000:]]
    result = p2p.estimate_prior(blocks, labels=toy.labels, counts=counts)
    assert result == p2p.estimate_prior(toy.logits, labels=toy.labels, counts=counts)


def test_blocks_are_corrected_one_by_one(toy, prior):
    blocks = (toy.logits[i : i + 1000] for i in range(0, 9000, 1000))
    corrected = p2p.correct(blocks, prior)
    first = next(corrected)
    assert first.shape == (1000, 7)
    np.testing.assert_array_equal(
        np.concatenate([first, *corrected]), p2p.correct(toy.logits, prior)
    )


def test_lists_of_arrays_are_evaluated_as_one_data_set(toy):
    parts = [toy.logits[:4096], toy.logits[4096:]]
    assert (
        p2p.evaluate(parts, toy.labels).to_dict() == p2p.evaluate(toy.logits, toy.labels).to_dict()
    )


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, np.uint64])
def test_labels_are_integers_of_any_type(toy, dtype):
    labels = np.repeat(toy.labels, 2).astype(dtype)[::2]
    assert (
        p2p.evaluate(toy.logits, labels).to_dict() == p2p.evaluate(toy.logits, toy.labels).to_dict()
    )


def test_results_do_not_depend_on_threads(toy):
    one = p2p.estimate_prior(toy.logits, counts=toy.counts, threads=1)
    assert one == p2p.estimate_prior(toy.logits, counts=toy.counts, threads=5)


@pytest.mark.parametrize("axis", [0, 1])
def test_blocks_may_hold_their_classes_on_another_axis(toy, axis):
    whole = np.moveaxis(toy.logits[:8190].reshape(-1, 2, 3, 7), -1, axis)
    expected = p2p.estimate_prior(toy.logits[:8190], counts=toy.counts)
    blocks = np.array_split(whole, 5, axis=1 - axis)
    if axis == 0:
        expected = p2p.estimate_prior(whole, counts=toy.counts, class_axis=0)
    result = p2p.estimate_prior(blocks, counts=toy.counts, class_axis=axis)
    np.testing.assert_array_equal(result.effective, expected.effective)
    assert result.n_rows == 8190


def test_numbered_columns_in_another_order_are_names(toy):
    frame = pandas.DataFrame(toy.logits)
    prior = p2p.estimate_prior(frame[[6, 5, 4, 3, 2, 1, 0]], counts=toy.counts[::-1].copy())
    assert prior.classes == ["6", "5", "4", "3", "2", "1", "0"]
    with pytest.raises(p2p.Error, match="class 0 is '0'"):
        p2p.correct(frame.rename(columns={0: "0", 1: "2", 2: "1"}), prior)


def test_every_block_is_of_the_kind_of_the_first(toy, prior):
    probs = p2p.correct(toy.logits, prior, output="probs")
    with pytest.raises(p2p.Error, match=r"scores\[1\].* probabilities"):
        list(p2p.correct([toy.logits[:500], probs[:500]], prior))


def test_ignored_labels_are_not_counted_in_blocks(toy):
    whole = p2p.estimate_prior(toy.logits, labels=toy.labels, ignore_index=0)
    blocks = [toy.logits[:5000], toy.logits[5000:]]
    assert p2p.estimate_prior(blocks, labels=toy.labels, ignore_index=0) == whole


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("output", ["logits", "labels"])
def test_out_takes_the_result_of_a_table(toy, prior, kind, output):
    table = FRAMES[kind](toy.logits, toy.names)
    expected = p2p.correct(toy.logits, prior, output=output)
    out = np.empty_like(expected)
    p2p.correct(table, prior, output=output, out=out)
    np.testing.assert_array_equal(out, expected)


def test_fields_of_structured_arrays_are_read(toy, prior):
    records = np.zeros(9000, [("a", "u1"), ("z", "f4", 7)])
    records["z"] = toy.logits
    np.testing.assert_array_equal(p2p.correct(records["z"], prior), p2p.correct(toy.logits, prior))
    with pytest.raises(p2p.Error, match="aligned"):
        p2p.correct(toy.logits, prior, out=records["z"])


def test_tables_of_numbers_that_may_be_missing_are_numbers(toy, prior):
    table = pandas.DataFrame(toy.logits.astype(np.float64)).astype("Float64")
    np.testing.assert_array_equal(
        p2p.correct(table, prior).to_numpy(), p2p.correct(toy.logits.astype(np.float64), prior)
    )
