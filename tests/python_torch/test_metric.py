"""EffectivePrior: the sums of estimate_prior where the tensors are."""

import copy
import pickle

import numpy as np
import prior2posterior as p2p
import pytest
import torch
from prior2posterior.torch import EffectivePrior
from torch import distributed

TRAINED = ["ce", "la", "la:0.5", "balanced-softmax", ("weights", np.arange(1.0, 8.0))]
NAN, INF = float("nan"), float("inf")


def measured(scores, labels=None, batch=256, **settings):
    metric = EffectivePrior(scores.shape[1], **settings)
    for i in range(0, len(scores), batch):
        metric.update(scores[i : i + batch], None if labels is None else labels[i : i + batch])
    return metric.compute()


def assert_same(found, expected, rtol):
    np.testing.assert_allclose(found.effective, expected.effective, rtol=rtol)
    np.testing.assert_allclose(found.residual, expected.residual, rtol=rtol)
    np.testing.assert_allclose(found.log_q_stderr, expected.log_q_stderr, rtol=rtol)
    assert found.n_rows == expected.n_rows


def test_it_is_the_mean_softmax(logits):
    z = logits.numpy()
    p = np.exp(z - z.max(1, keepdims=True))
    q = (p / p.sum(1, keepdims=True)).mean(0)
    np.testing.assert_allclose(measured(logits).effective, q, rtol=1e-12)


@pytest.mark.parametrize("trained_with", TRAINED, ids=str)
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_float64_scores_agree_with_estimate_prior_to_1e_12(
    trained_with, temperature, logits, counts
):
    settings = {"counts": counts, "trained_with": trained_with, "temperature": temperature}
    assert_same(measured(logits, **settings), p2p.estimate_prior(logits, **settings), 1e-12)


@pytest.mark.parametrize("trained_with", TRAINED, ids=str)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_scores_agree_with_estimate_prior_to_1e_6(dtype, trained_with, logits, counts):
    settings = {"counts": counts, "trained_with": trained_with}
    scores = logits.to(dtype)
    assert_same(measured(scores, **settings), p2p.estimate_prior(scores, **settings), 1e-6)


@pytest.mark.parametrize("input", ["probs", "log-probs"])
@pytest.mark.parametrize("trained_with", ["ce", "la"])
def test_probabilities_and_their_logarithms_agree_with_estimate_prior(
    input, trained_with, logits, counts
):
    scores = logits.softmax(1) if input == "probs" else logits.log_softmax(1)
    settings = {"counts": counts, "trained_with": trained_with, "input": input}
    assert_same(measured(scores, **settings), p2p.estimate_prior(scores, **settings), 1e-12)


def test_a_probability_of_exactly_0_is_a_masked_class(logits):
    scores = logits.masked_fill(logits < 0, -INF).softmax(1)
    assert (scores == 0).any()
    assert_same(measured(scores, input="probs"), p2p.estimate_prior(scores), 1e-12)


def test_masked_scores_agree_with_estimate_prior(logits):
    scores = logits.masked_fill(logits < 0, -INF)
    assert_same(measured(scores), p2p.estimate_prior(scores), 1e-12)


def test_smoothing_floor_and_excluded_classes_act_as_in_estimate_prior(logits, counts):
    settings = {
        "counts": counts,
        "smoothing": 50.0,
        "floor": 0.02,
        "exclude": ["c0"],
        "classes": [f"c{i}" for i in range(7)],
        "rows": "holdout",
    }
    found, expected = measured(logits, **settings), p2p.estimate_prior(logits, **settings)
    assert_same(found, expected, 1e-12)
    assert (found.classes, found.rows) == (expected.classes, "holdout")
    assert found.excluded.tolist() == [0]


def test_few_rows_are_pooled_as_in_estimate_prior(logits, counts):
    settings = {"counts": counts, "pool": True, "rows": "holdout"}
    few = logits[:60]
    found, expected = measured(few, **settings), p2p.estimate_prior(few, **settings)
    assert_same(found, expected, 1e-12)
    assert found.pool


def test_labels_give_the_counts_and_the_stratified_errors(logits, labels):
    found, expected = measured(logits, labels), p2p.estimate_prior(logits, labels=labels)
    assert_same(found, expected, 1e-12)
    assert found.counts.tolist() == expected.counts.tolist()


def test_labelled_rows_count_once_each_as_in_posterior_sum(logits, labels, counts):
    total = p2p.PosteriorSum(counts=counts)
    total.update(logits, labels)
    assert_same(measured(logits, labels, counts=counts), total.compute(), 1e-12)


def test_rows_with_the_ignored_label_are_left_out(logits, labels):
    marked = labels.clone()
    marked[::3] = 255
    expected = p2p.estimate_prior(logits, labels=marked, ignore_index=255)
    assert_same(measured(logits, marked, ignore_index=255), expected, 1e-12)


def test_pixels_are_rows(logits, labels):
    images = logits[:2400].reshape(6, 20, 20, 7).permute(0, 3, 1, 2)
    maps = labels[:2400].reshape(6, 20, 20)
    expected = p2p.estimate_prior(logits[:2400], labels=labels[:2400])
    assert_same(measured(images, maps, batch=2), expected, 1e-12)


def test_batching_changes_nothing_to_speak_of(logits):
    assert_same(measured(logits, batch=17), measured(logits, batch=3000), 1e-13)


def test_a_batch_without_rows_changes_nothing(logits):
    metric = EffectivePrior(7)
    metric.update(logits[:0])
    metric.update(logits)
    metric.update(logits[:0])
    assert metric.compute() == measured(logits, batch=3000)


def test_more_rows_may_follow_compute(logits):
    metric = EffectivePrior(7)
    metric.update(logits[:1000])
    metric.compute()
    metric.update(logits[1000:])
    assert_same(metric.compute(), measured(logits), 1e-13)


def test_reset_forgets_all_rows(logits):
    metric = EffectivePrior(7)
    metric.update(logits * 2)
    metric.reset()
    metric.update(logits)
    assert metric.compute() == measured(logits, batch=3000)


def test_no_gradient_is_kept(logits):
    metric = EffectivePrior(7)
    metric.update(logits.clone().requires_grad_())
    assert not any(t.requires_grad for t in vars(metric).values() if isinstance(t, torch.Tensor))


def test_it_counts_in_inference_mode_and_outside(logits):
    metric = EffectivePrior(7)
    with torch.inference_mode():
        metric.update(logits[:1000])
    metric.update(logits[1000:])
    assert_same(metric.compute(), measured(logits), 1e-13)


def test_update_never_waits_for_a_value_of_the_device():
    # Reading a value of a tensor on the device "meta", which holds none, is an error.
    metric = EffectivePrior(7, trained_with=("offset", np.arange(7.0)), ignore_index=255)
    labels = torch.empty(5, dtype=torch.int64, device="meta")
    for _ in range(2):
        metric.update(torch.empty(5, 7, device="meta"), labels)
    assert metric.n_rows == 10
    with pytest.raises((RuntimeError, NotImplementedError)):
        metric.compute()


def test_memory_does_not_grow_with_the_rows(logits):
    metric = EffectivePrior(7)
    metric.update(logits)
    small = len(pickle.dumps(metric))
    metric.update(logits.repeat(5, 1))
    assert len(pickle.dumps(metric)) <= small + 16


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_goes_on_by_itself(copied, logits):
    metric = EffectivePrior(7, trained_with=("offset", np.arange(7.0)))
    metric.update(logits[:1000])
    other = copied(metric)
    other.update(logits[1000:])
    assert (metric.n_rows, other.n_rows) == (1000, 3000)
    assert_same(other.compute(), measured(logits, trained_with=("offset", np.arange(7.0))), 1e-13)


def test_counts_tell_the_number_of_classes(counts):
    assert EffectivePrior(counts=counts).n_classes == 7


def test_the_number_of_classes_must_be_known():
    with pytest.raises(p2p.Error, match="give n_classes or counts"):
        EffectivePrior()


def test_nothing_is_guessed():
    with pytest.raises(p2p.Error, match="input is 'auto'"):
        EffectivePrior(7, input="auto")


def test_options_are_checked_at_once(counts):
    with pytest.raises(p2p.Error, match="temperature must be positive"):
        EffectivePrior(7, temperature=0.0)
    with pytest.raises(p2p.Error, match="needs the training counts"):
        EffectivePrior(7, trained_with="la")
    with pytest.raises(p2p.Error, match="counts have 7 values, but the scores have 8"):
        EffectivePrior(8, counts=counts)


def test_no_rows_give_no_prior():
    with pytest.raises(p2p.Error, match="call update first"):
        EffectivePrior(7).compute()


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ([0.0, NAN, 0.0], "row 301 .* holds NaN"),
        ([0.0, INF, 0.0], r"row 301 .* holds \+inf"),
        ([-INF, -INF, -INF], "row 301 .* has no posterior"),
        ([NAN, INF, 0.0], "row 301 .* holds NaN"),
    ],
)
def test_compute_names_the_first_row_that_cannot_be_used(row, sentence):
    scores = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    scores[301] = torch.tensor(row)
    scores[400, 0] = NAN
    metric = EffectivePrior(3)
    for batch in scores.split(64):
        metric.update(batch)
    with pytest.raises(p2p.Error, match=f"^'logits', {sentence}"):
        metric.compute()


def test_saturated_float16_scores_are_refused(logits):
    scores = logits.half()
    scores[5, 2] = 65504
    with pytest.raises(p2p.Error, match=r"row 5 .* reaches 65504"):
        measured(scores)


def test_a_row_of_classes_that_the_offset_rules_out_is_refused(logits):
    scores = logits.clone()
    scores[9, :6] = -INF
    with pytest.raises(p2p.Error, match=r"row 9 .* has no posterior"):
        measured(scores, counts=[1, 1, 1, 1, 1, 1, 0], trained_with="la")


@pytest.mark.parametrize("label", [7, -1, 255])
def test_labels_out_of_range_are_refused(label, logits, labels):
    wrong = labels.clone()
    wrong[77] = label
    with pytest.raises(p2p.Error, match=r"row 77 .* has a label outside the classes"):
        measured(logits, wrong)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_probabilities_given_as_logits_are_refused(dtype, logits):
    with pytest.raises(p2p.Error, match=r"3000 of 3000 rows of 'logits' hold probabilities"):
        measured(logits.softmax(1).to(dtype))


def test_some_probabilities_among_logits_are_refused(logits):
    scores = logits.clone()
    scores[::10] = scores[::10].softmax(1)
    with pytest.raises(p2p.Error, match=r"300 of 3000 rows .* say input='probs'"):
        measured(scores)


def test_logits_given_as_probabilities_are_refused(logits):
    with pytest.raises(p2p.Error, match=r"row 0 .* if these are logits say input='logits'"):
        measured(logits - 3, input="probs")
    with pytest.raises(p2p.Error, match=r"row 0 .* does not hold probabilities that sum to 1"):
        measured(logits.abs(), input="probs")


def test_logits_given_as_log_probabilities_are_refused(logits):
    with pytest.raises(p2p.Error, match=r"row 0 .* does not hold log-probabilities"):
        measured(logits, input="log-probs")


def test_a_faulty_metric_works_again_after_reset(logits):
    metric = EffectivePrior(7)
    metric.update(torch.full((4, 7), NAN))
    metric.reset()
    metric.update(logits)
    assert metric.compute() == measured(logits, batch=3000)


def test_other_shapes_are_refused_at_once(logits, labels):
    metric = EffectivePrior(7)
    with pytest.raises(p2p.Error, match=r"shape \(3000, 6\); expected \(N, 7\)"):
        metric.update(logits[:, :6])
    with pytest.raises(p2p.Error, match=r"is a torch.int64; expected a tensor of floats"):
        metric.update(logits.long())
    with pytest.raises(p2p.Error, match=r"'labels' has shape \(5,\)"):
        metric.update(logits, labels[:5])
    with pytest.raises(p2p.Error, match="expected one class number per row"):
        metric.update(logits, labels.double())


def test_labels_for_some_batches_only_are_refused(logits, labels):
    metric = EffectivePrior(7)
    metric.update(logits, labels)
    with pytest.raises(p2p.Error, match="give labels for all or for none"):
        metric.update(logits)


# ---- two processes


def in_process(rank, folder, parts):
    """Compute a part's prior together with the other process, and what it is afterwards alone."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    metric = EffectivePrior(7)
    if parts[rank] is not None:
        metric.update(torch.tensor(parts[rank]))
    try:
        together = metric.compute()
    except p2p.Error as error:
        together = str(error)
    distributed.destroy_process_group()
    alone = metric.compute() if isinstance(together, p2p.ClassPrior) and metric.n_rows else None
    with open(f"{folder}/{rank}", "wb") as file:
        pickle.dump((together, alone), file)


def of_two_processes(folder, *parts):
    parts = [None if part is None else part.numpy() for part in parts]
    torch.multiprocessing.spawn(in_process, (str(folder), parts), nprocs=2)
    return [pickle.loads((folder / str(rank)).read_bytes()) for rank in range(2)]


@pytest.mark.skipif(not distributed.is_gloo_available(), reason="PyTorch was built without Gloo")
def test_two_processes_compute_the_prior_of_all_rows(tmp_path, logits):
    (one, alone), (two, _) = of_two_processes(tmp_path, logits[:1000], logits[1000:])
    assert one == two
    assert_same(one, measured(logits), 1e-13)
    assert_same(alone, measured(logits[:1000]), 1e-13)  # the local state is as it was


@pytest.mark.skipif(not distributed.is_gloo_available(), reason="PyTorch was built without Gloo")
def test_a_process_without_rows_takes_part(tmp_path, logits):
    (one, _), (two, _) = of_two_processes(tmp_path, logits, None)
    assert one == two == measured(logits, batch=3000)


@pytest.mark.skipif(not distributed.is_gloo_available(), reason="PyTorch was built without Gloo")
def test_a_faulty_row_stops_both_processes(tmp_path, logits):
    faulty = logits[1000:].clone()
    faulty[3, 1] = NAN
    (one, _), (two, _) = of_two_processes(tmp_path, logits[:1000], faulty)
    assert one == "another process was given rows that cannot be used; it says which"
    assert two.startswith("'logits', row 3 (counted from 0) holds NaN")
