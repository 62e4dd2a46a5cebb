"""PosteriorSum: batches, partitions, pickles, and batches that are refused."""

import copy
import pickle
import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas
import prior2posterior as p2p
import pytest


def summed(toy, cuts, **options):
    parts = np.split(toy.logits, cuts)
    labels = np.split(toy.labels, cuts)
    sums = []
    for z, y in zip(parts, labels, strict=True):
        sums.append(p2p.PosteriorSum(counts=toy.counts, **options).update(z, y))
    return sums


def test_any_batching_gives_the_bits_of_one_pass(toy):
    expected = p2p.estimate_prior(toy.logits, counts=toy.counts)
    for sizes in ([9000], [1, 2, 8997], [4096, 4096, 808], [5000, 4000], [100] * 90):
        total = p2p.PosteriorSum(counts=toy.counts)
        done = 0
        for size in sizes:
            total.update(toy.logits[done : done + size])
            done += size
        assert total.compute() == expected


def test_partitions_give_the_same_bits_in_any_order(toy):
    sums = summed(toy, [1000, 4500, 4600])
    expected = sum(sums).compute()
    random.Random(0).shuffle(sums)
    assert sum(sums).compute() == expected
    tree = (sums[0] + sums[1]) + (sums[2] + sums[3])
    assert tree.compute() == expected
    np.testing.assert_allclose(
        expected.effective, p2p.estimate_prior(toy.logits, counts=toy.counts).effective, rtol=1e-12
    )


def test_partitions_cut_at_blocks_give_the_bits_of_one_pass(toy):
    total = sum(p2p.PosteriorSum().update(z) for z in np.split(toy.logits, [4096, 8192]))
    np.testing.assert_array_equal(
        total.compute().effective, p2p.estimate_prior(toy.logits).effective
    )


def test_labelled_partitions_are_weighted_by_the_rows_of_the_whole_data_set(toy):
    counts = toy.counts[::-1].copy()
    total = p2p.PosteriorSum(counts=counts, label_rows=toy.counts)
    total.update(toy.logits[:5000], toy.labels[:5000]).update(toy.logits[5000:], toy.labels[5000:])
    assert total.compute() == p2p.estimate_prior(toy.logits, counts=counts, labels=toy.labels)


def test_labels_without_counts_are_the_counts(toy):
    total = p2p.PosteriorSum().update(toy.logits, toy.labels)
    np.testing.assert_array_equal(total.compute().counts, toy.counts)


def test_a_pickle_goes_on_with_the_same_bits(toy):
    total = p2p.PosteriorSum(counts=toy.counts, classes=toy.names).update(toy.logits[:4096])
    restored = pickle.loads(pickle.dumps(total))
    for each in (total, restored):
        each.update(toy.logits[4096:])
    assert restored.compute() == total.compute()
    assert restored.n_rows == 9000
    assert restored.compute().classes == toy.names


def test_an_empty_sum_pickles_and_merges(toy):
    empty = pickle.loads(pickle.dumps(p2p.PosteriorSum(7, counts=toy.counts)))
    total = p2p.PosteriorSum(counts=toy.counts).update(toy.logits)
    assert (empty + total).compute() == total.compute() == (total + empty).compute()
    assert p2p.PosteriorSum().n_classes is None


def test_adding_leaves_both_as_they_were(toy):
    a, b = summed(toy, [5000])
    before = a.compute()
    a + b
    assert a.n_rows == 5000
    assert a.compute() == before
    a += b
    assert a.n_rows == 9000


def test_copies_go_on_by_themselves(toy):
    total = p2p.PosteriorSum(counts=toy.counts).update(toy.logits[:100])
    for other in (copy.copy(total), copy.deepcopy(total), total.copy()):
        other.update(toy.logits[100:])
        assert total.n_rows == 100
        assert other.n_rows == 9000


def test_a_prior_may_be_looked_at_on_the_way(toy):
    total = p2p.PosteriorSum(counts=toy.counts)
    for i in range(0, 9000, 1500):
        total.update(toy.logits[i : i + 1500])
        total.compute()
    assert total.compute() == p2p.estimate_prior(toy.logits, counts=toy.counts)


@pytest.mark.parametrize("row", [0, 150, 5999])
def test_a_refused_batch_changes_nothing(toy, row):
    total = p2p.PosteriorSum(counts=toy.counts).update(toy.logits[:3000])
    bad = toy.logits[3000:].copy()
    bad[row, 4] = np.nan
    with pytest.raises(p2p.Error, match=rf"row {row}, column 4 .* is NaN"):
        total.update(bad)
    total.update(toy.logits[3000:])
    assert total.compute() == p2p.estimate_prior(toy.logits, counts=toy.counts)


def test_a_refused_first_batch_settles_nothing(toy):
    total = p2p.PosteriorSum()
    with pytest.raises(p2p.Error):
        total.update(np.full((3, 5), np.nan))
    assert total.n_classes is None
    assert total.update(toy.logits).n_classes == 7


def test_pooled_batches_and_sums_that_are_merged_give_the_pooled_prior(toy):
    z = toy.logits[:60]
    expected = p2p.estimate_prior(z, counts=toy.counts, pool=True)
    assert (expected.effective != p2p.estimate_prior(z, counts=toy.counts).effective).any()
    total = p2p.PosteriorSum(counts=toy.counts, pool=True).update(z[:20]).update(z[20:])
    assert total.compute() == expected
    blocks = p2p.estimate_prior(iter([z[:20], z[20:]]), counts=toy.counts, pool=True)
    assert blocks == expected
    parts = [p2p.PosteriorSum(counts=toy.counts, pool=True).update(x) for x in (z[:20], z[20:])]
    merged = pickle.loads(pickle.dumps(sum(parts))).compute()
    np.testing.assert_allclose(merged.effective, expected.effective, rtol=1e-6)


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"temperature": 2.0}, "temperature"),
        ({"trained_with": "la"}, "the training offset"),
        ({"smoothing": 1.0}, "smoothing"),
        ({"pool": True}, "pooling"),
        ({"rows": "holdout"}, "where the rows come from"),
        ({"classes": ["a", "b", "c", "d", "e", "f", "g"]}, "class names"),
    ],
)
def test_sums_made_otherwise_are_not_merged(toy, other, what):
    a = p2p.PosteriorSum(counts=toy.counts).update(toy.logits)
    b = p2p.PosteriorSum(counts=toy.counts, **other).update(toy.logits)
    with pytest.raises(p2p.Error, match=what):
        a + b


def test_the_kind_of_the_first_batch_is_that_of_all(toy):
    probs = np.full((20, 7), 1 / 7, np.float32)
    with pytest.raises(p2p.Error, match="probabilities cannot be negative"):
        p2p.PosteriorSum().update(probs).update(toy.logits)


def test_labels_come_with_all_batches_or_with_none(toy):
    total = p2p.PosteriorSum().update(toy.logits[:100], toy.labels[:100])
    with pytest.raises(p2p.Error, match="without labels"):
        total.update(toy.logits[100:])


def test_nothing_added_has_no_prior():
    with pytest.raises(p2p.Error, match="no rows"):
        p2p.PosteriorSum().compute()
    with pytest.raises(p2p.Error, match="no rows"):
        p2p.PosteriorSum(5, input="logits").compute()


def test_threads_may_share_one(toy):
    total = p2p.PosteriorSum(7, counts=toy.counts, input="logits", threads=1)
    batches = np.split(toy.logits[:8000], 80)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(total.update, batches))
    assert total.n_rows == 8000
    expected = p2p.estimate_prior(toy.logits[:8000], counts=toy.counts).effective
    np.testing.assert_allclose(total.compute().effective, expected, rtol=1e-12)


def frame(toy, rows, names="abcdefg"):
    return pandas.DataFrame(toy.logits[rows], columns=list(names))


def test_a_refused_batch_names_no_classes(toy):
    bad = frame(toy, slice(0, 5)).assign(c=np.nan)
    total = p2p.PosteriorSum()
    with pytest.raises(p2p.Error, match="NaN"):
        total.update(bad)
    total.update(frame(toy, slice(5, 50), "tuvwxyz"))
    assert total.compute().classes == list("tuvwxyz")


def test_names_come_with_the_first_rows_wherever_they_are_added(toy):
    by_size = p2p.PosteriorSum(7).update(frame(toy, slice(0, 50)))
    by_rows = p2p.PosteriorSum().update(frame(toy, slice(50, 99)))
    empty = p2p.PosteriorSum()
    for total in (by_size + by_rows, empty + by_rows, pickle.loads(pickle.dumps(by_size))):
        assert total.compute().classes == list("abcdefg")


def test_a_refused_merge_changes_nothing(toy):
    other = p2p.PosteriorSum(counts=[1, 2, 3, 4]).update(np.eye(4), np.arange(4))
    for total in (p2p.PosteriorSum(), p2p.PosteriorSum(counts=toy.counts, temperature=2.0)):
        with pytest.raises(p2p.Error):
            total.merge(other)
        temperature = total._settings["temperature"]
        expected = p2p.estimate_prior(toy.logits, temperature=temperature).effective
        np.testing.assert_array_equal(total.update(toy.logits).compute().effective, expected)


@pytest.mark.parametrize(
    "weights", [[], [1.0], np.ones((9000, 1)), -np.ones(9000), np.full(9000, np.nan), "many"]
)
def test_weights_that_are_none_are_refused(toy, weights):
    with pytest.raises(p2p.Error, match=r"weights?"):
        p2p.PosteriorSum().update(toy.logits, weights=weights)


def test_weights_may_be_a_series(toy):
    rows = pandas.Series(np.ones(9000), index=[f"r{i}" for i in range(9000)])
    weighted = p2p.PosteriorSum().update(toy.logits, weights=rows).compute()
    assert weighted == p2p.estimate_prior(toy.logits)


def test_named_rows_keep_to_the_number_of_classes_that_was_given(toy):
    total = p2p.PosteriorSum(7)
    with pytest.raises(p2p.Error, match=r"names|classes"):
        total.update(frame(toy, slice(0, 50)).drop(columns="g"))
    assert total.n_classes == 7
    assert total.update(frame(toy, slice(0, 50))).n_rows == 50
