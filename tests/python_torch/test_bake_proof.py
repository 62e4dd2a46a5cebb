"""A baked module is proven by running it, or says that nothing was run."""

import warnings

import numpy as np
import prior2posterior as p2p
import pytest
import torch
from torch import nn

X = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32))


@pytest.fixture(scope="module")
def correction():
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(500, 4)) + np.log([0.6, 0.25, 0.1, 0.05])
    return p2p.make_correction(p2p.estimate_prior(logits, counts=[300, 125, 50, 25]))


class Model(nn.Module):
    """A head, and what forward does with its scores."""

    def __init__(self, behind):
        super().__init__()
        self.head = nn.Linear(5, 4)
        self.behind = behind

    def forward(self, x):
        return self.behind(self.head(x))


class Pair(nn.Module):
    """Two heads whose scores are averaged, as distilled transformers have them."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(5, 4)
        self.head_dist = nn.Linear(5, 4)

    def forward(self, x):
        return (self.head(x) + self.head_dist(x)) / 2


def corrected(module, correction):
    with torch.no_grad():
        return module(X).double().numpy() + correction.delta


CHANGES = {
    "relu": torch.relu,
    "a soft cap": lambda z: 3 * torch.tanh(z / 3),
    "a temperature": lambda z: z / 2,
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_changes_the_scores_behind_the_head_fails_the_proof(case, correction):
    with pytest.raises(p2p.Error, match=r"proof failed.*PriorCorrection behind the logits"):
        p2p.bake(Model(CHANGES[case]), correction, verify=X)


@pytest.mark.parametrize("inputs", [X, (X,), {"x": X}, X.numpy()], ids=type)
def test_a_proven_module_makes_corrected_scores_without_a_word(inputs, correction):
    module = Model(nn.Identity()).train()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        baked = p2p.bake(module, correction, verify=inputs)
    assert module.training
    np.testing.assert_allclose(
        baked(X).detach().numpy(), corrected(module, correction), rtol=1e-5, atol=1e-5
    )


def test_probabilities_are_proven_too(correction):
    p2p.bake(Model(nn.Softmax(1)), correction, verify=X)
    p2p.bake(Model(nn.LogSoftmax(1)), correction, verify=X)


def test_logits_that_look_like_log_probabilities_are_what_input_says():
    """[0, z] with z near -40: the log-sum-exp is 0 but for 1e-17."""
    module = nn.Sequential(nn.Linear(5, 2))
    with torch.no_grad():
        module[0].weight.mul_(torch.tensor([[0.0], [1.0]]))
        module[0].bias.copy_(torch.tensor([0.0, -40.0]))
    logits = np.random.default_rng(2).normal([2, 0], 1, (50, 2))
    correction = p2p.make_correction(p2p.estimate_prior(logits))
    with pytest.raises(p2p.Error, match=r"proof failed.*log-probs need input='logits'"):
        p2p.bake(module, correction, verify=X)
    baked = p2p.bake(module, correction, verify=X, input="logits")
    np.testing.assert_allclose(
        baked(X).detach().numpy(), corrected(module, correction), rtol=1e-5, atol=1e-5
    )


def test_without_inputs_a_forward_that_nobody_reads_is_warned_of(correction):
    with pytest.warns(p2p.PriorWarning, match=r"nothing was run; .*verify=x"):
        p2p.bake(Model(torch.relu), correction)


def test_a_sequential_needs_no_word(correction):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        p2p.bake(nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 4)), correction)


def test_heads_that_are_averaged_take_the_correction_each(correction):
    module = Pair()
    baked = p2p.bake(module, correction, tensor=["head", "head_dist"], verify=X)
    np.testing.assert_allclose(
        baked(X).detach().numpy(), corrected(module, correction), rtol=1e-5, atol=1e-5
    )
    restored = p2p.unbake(baked)
    assert torch.equal(restored.head_dist.bias, module.head_dist.bias)


def test_one_of_two_averaged_heads_fails_the_proof(correction):
    with pytest.raises(p2p.Error, match="averages several heads"):
        p2p.bake(Pair(), correction, tensor="head", verify=X)


def test_a_new_bias_that_from_pretrained_drops_is_warned_of(correction):
    module = Model(nn.Identity())
    module.head = nn.Linear(5, 4, bias=False)
    module.save_pretrained = lambda folder: None
    with pytest.warns(p2p.PriorWarning, match=r"'head' has a bias now.*from_pretrained drops"):
        p2p.bake(module, correction, verify=X)
