"""Gaussian classes: their posterior, noise, rows learned by heart, and the lines of the figure."""

import boundaries
import cells
import gaussian
import numpy as np
import page
import pytest
import scipy.stats
import synthetic


@pytest.fixture
def world():
    rng = np.random.default_rng(1)
    return gaussian.world(gaussian.long_tail(4, 50, 10), 3, 0.7, rng)


def test_long_tail_has_the_counts_of_the_protocol():
    assert gaussian.long_tail(3, 100, 100).tolist() == [100, 10, 1]
    # CIFAR-10-LT at IF 100, as published
    assert gaussian.long_tail(10, 5000, 100).sum() == 12406


def test_the_posterior_is_that_of_bayes_rule_on_densities(world):
    rows = np.random.default_rng(2).normal(size=(20, 3))
    density = np.stack([scipy.stats.multivariate_normal(m).pdf(rows) for m in world.means], axis=1)
    joint = density * world.prior
    expected = joint / joint.sum(axis=1, keepdims=True)
    assert np.allclose(np.exp(world.log_posterior(rows, world.prior)), expected, rtol=1e-10)


def test_the_mean_posterior_of_rows_drawn_from_the_prior_is_the_prior(world):
    rng = np.random.default_rng(3)
    labels = rng.choice(4, 20_000, p=world.prior)
    posterior = np.exp(world.log_posterior(world.draw(labels, rng), world.prior))
    error = posterior.std(axis=0) / np.sqrt(len(labels))
    assert (np.abs(posterior.mean(axis=0) - world.prior) < 4 * error).all()


def test_noisy_labels_have_the_posterior_of_their_mixture():
    p = np.array([[0.9, 0.1, 0.0 + 1e-300]])
    expected = [[0.8 * 0.9 + 0.2 / 3, 0.8 * 0.1 + 0.2 / 3, 0.2 / 3]]
    assert np.allclose(np.exp(gaussian.noisy(np.log(p), 0.2)), expected)


def test_rectified_rows_lead_by_the_margin_and_others_stay():
    scores = np.array([[1.0, 2.0, 0.0], [5.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    found = gaussian.rectified(scores, np.array([0, 0, 2]), 3.0)
    assert found.tolist() == [[5.0, 2.0, 0.0], [5.0, 1.0, 0.0], [0.0, 0.0, 3.0]]


def test_a_large_margin_makes_the_mean_posterior_the_class_frequencies(world):
    labels = gaussian.all_labels(world.counts)
    rows = world.draw(labels, np.random.default_rng(4))
    tilted = world.log_posterior(rows, world.prior) + np.array([0.5, -0.5, 1.0, 0.0])
    q = np.exp(gaussian.normalised(gaussian.rectified(tilted, labels, 30.0))).mean(axis=0)
    assert np.allclose(q, world.prior, atol=1e-12)


def test_both_losses_describe_one_training_posterior(world):
    rng = np.random.default_rng(5)
    labels = gaussian.all_labels(world.counts)
    rows = world.draw(labels, rng)
    models = synthetic.exact_models(synthetic.Sample(world, rows, labels, rows, rows, labels))
    posteriors = [gaussian.normalised(m.train + m.offset) for m in models.values()]
    assert np.allclose(posteriors[0], posteriors[1], atol=1e-12)
    assert np.allclose(models["la"].test, gaussian.normalised(world.log_likelihood(rows)))


def test_beside_counts_decisions_accuracy_and_nll():
    rule = np.log([[0.8, 0.2], [0.4, 0.6]])
    scores = np.log([[0.5, 0.5], [0.9, 0.1]])
    found = synthetic.beside(scores, rule, np.array([0, 1]))
    assert found["agreement"] == 0.5
    assert found["accuracy"] == -0.5
    assert np.isclose(found["nll"], (np.log(0.8 / 0.5) + np.log(0.6 / 0.1)) / 2)


def test_a_head_is_read_as_safetensors_has_it(tmp_path):
    header = (
        b'{"bias":{"dtype":"F32","shape":[2],"data_offsets":[16,24]},'
        b'"weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}'
    )
    data = np.arange(6, dtype="<f4").tobytes()
    file = tmp_path / "head.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + data)
    weight, bias = synthetic.read_head(file)
    assert weight.tolist() == [[0, 1], [2, 3]]
    assert bias.tolist() == [4, 5]


def test_on_edges_two_scores_are_equal_and_the_largest():
    weight = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 2.0]])
    bias = np.array([0.5, -1.0, -2.0])
    for points, (a, b) in zip(
        boundaries.edges(weight, bias), [(0, 1), (0, 2), (1, 2)], strict=True
    ):
        scores = points @ weight.T + bias
        assert len(points) > 100
        assert np.allclose(scores[:, a], scores[:, b], atol=1e-9)
        assert (scores[:, a] >= scores.max(axis=1) - 1e-9).all()


def test_the_figure_shows_what_the_results_say(tmp_path):
    boundaries.boundaries(tmp_path / "boundaries.svg")
    assert (tmp_path / "boundaries.svg").read_text() == boundaries.FILE.read_text()


def test_the_kept_offsets_of_the_figure_are_those_of_its_head():
    found = cells.named("synthetic-boundaries").kept()
    results, counts = found["results"], np.array(found["options"]["counts"], float)
    log_pi = np.log(counts / counts.sum())
    scores = np.array(results["train"]) @ np.array(results["weight"]).T + results["bias"]
    for name, z, then in (("p2p", scores, 0), ("la (wrong b)", scores - log_pi, log_pi)):
        q = np.exp(gaussian.normalised(z)).mean(axis=0)
        expected = -np.log(q)
        expected -= expected.mean()
        assert np.allclose(results[name], expected - then, atol=2e-3)


def test_the_section_shows_every_table():
    import synthetic_tables

    values, used = synthetic_tables.tables(), set()
    page.filled((page.SECTIONS / "synthetic.md").read_text(), values, used)
    assert used == values.keys()
