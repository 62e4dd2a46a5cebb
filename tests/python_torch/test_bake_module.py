"""A correction in the bias of a module's last layer."""

import copy
import pickle

import numpy as np
import prior2posterior as p2p
import pytest
import torch
from prior2posterior.torch import PriorCorrection, bake_module
from torch import nn
from torch.nn import functional

C = 7


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x):
        return functional.relu(x + self.bn(self.conv(x)))


class ResNet(nn.Module):
    def __init__(self, bias=True):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.layer1 = nn.Sequential(Residual(8), nn.MaxPool2d(2), Residual(8))
        self.fc = nn.Linear(8, C, bias=bias)

    def forward(self, x):
        return self.fc(self.layer1(self.stem(x)).mean((2, 3)))


class HiddenOfTheSameWidth(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(6, C)
        self.fc = nn.Linear(C, C)

    def forward(self, x):
        return self.fc(functional.relu(self.hidden(x)))


class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, C, 3, padding=1)
        self.classifier = nn.Conv2d(C, C, 1, bias=False)

    def forward(self, x):
        return self.classifier(functional.relu(self.body(x)))


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.classifier = nn.Linear(6, C)
        self.auxiliary = nn.Linear(6, C)

    def forward(self, x):
        return self.classifier(x)


def mlp(*behind):
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, C), *behind)


FAMILIES = {
    "linear": (lambda: nn.Linear(6, C), (5, 6)),
    "mlp": (mlp, (5, 6)),
    "mlp-identity": (lambda: mlp(nn.Identity(), nn.Sequential(nn.Flatten())), (5, 6)),
    "hidden-of-the-same-width": (HiddenOfTheSameWidth, (5, 6)),
    "sequence-of-the-same-width": (
        lambda: nn.Sequential(nn.Linear(6, C), nn.ReLU(), nn.Linear(C, 4), nn.Linear(4, C)),
        (5, 6),
    ),
    "tokens": (lambda: mlp(), (2, 5, 6)),
    "resnet": (ResNet, (5, 3, 8, 8)),
    "resnet-no-bias": (lambda: ResNet(bias=False), (5, 3, 8, 8)),
    "segmenter": (Segmenter, (2, 3, 8, 8)),
    "conv-head-averaged": (
        lambda: nn.Sequential(nn.Conv2d(3, C, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        (5, 3, 8, 8),
    ),
}  # fmt: skip


@pytest.fixture
def correction(prior):
    return p2p.make_correction(prior)


@pytest.fixture
def scaling(prior, logits, labels):
    return p2p.make_correction(
        prior, method="vector-scaling", holdout=logits, holdout_labels=labels
    )


def test_scales_that_were_learned_from_probabilities_are_refused(prior, logits, labels):
    """A layer makes logits, which differ from log-probabilities by a constant of each row."""
    of_probs = p2p.make_correction(
        prior,
        method="vector-scaling",
        holdout=torch.softmax(logits, 1),
        holdout_labels=labels,
    )
    for use in (lambda: p2p.bake(nn.Sequential(nn.Linear(4, C)), of_probs),
                lambda: PriorCorrection(of_probs)):  # fmt: skip
        with pytest.raises(p2p.Error, match="learned from probs"):
            use()


def state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def assert_same_bits(module, expected):
    found = module.state_dict()
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name


def corrected(scores, correction):
    axis = scores.dim() - 1 if scores.shape[-1] == C else 1
    return PriorCorrection(correction, dim=axis)(scores)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", ["p2p", "vector-scaling"])
def test_a_baked_model_makes_corrected_scores(family, method, correction, scaling):
    make, shape = FAMILIES[family]
    model, x = make().eval(), torch.randn(shape)
    chosen = correction if method == "p2p" else scaling
    with torch.no_grad():
        expected = corrected(model(x), chosen)
        torch.testing.assert_close(p2p.bake(model, chosen)(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", ["p2p", "vector-scaling"])
def test_unbaking_restores_the_original_bits(family, method, correction, scaling):
    model = FAMILIES[family][0]()
    before = state(model)
    baked = p2p.bake(model, correction if method == "p2p" else scaling)
    assert_same_bits(p2p.unbake(baked), before)


def test_a_temperature_divides_weight_and_bias(logits, counts):
    prior = p2p.estimate_prior(logits, counts=counts, temperature=2.5)
    model, x = mlp(), torch.randn(5, 6)
    expected = corrected(model(x), p2p.make_correction(prior))
    torch.testing.assert_close(p2p.bake(model, prior)(x), expected, rtol=1e-5, atol=1e-5)


def test_the_model_itself_stays_as_it_is(scaling):
    model = mlp()
    before = state(model)
    p2p.bake(model, scaling)
    assert_same_bits(model, before)


def test_only_the_bias_of_the_last_layer_changes(correction):
    model = mlp()
    baked = p2p.bake(model, correction).state_dict()
    changed = [
        name for name, old in model.state_dict().items() if not torch.equal(old, baked[name])
    ]
    assert changed == ["2.bias"]


def test_a_prior_and_how_to_correct_it_may_be_given(prior):
    model = mlp()
    baked = p2p.bake(model, prior, strength=0.5)
    delta = p2p.make_correction(prior, strength=0.5).delta
    np.testing.assert_allclose((baked[2].bias - model[2].bias).detach(), delta, atol=1e-6)


def test_the_state_dict_fits_the_architecture(correction):
    model, x = mlp(), torch.randn(5, 6)
    baked = p2p.bake(model, correction)
    model.load_state_dict(baked.state_dict())
    assert torch.equal(model(x), baked(x))


def test_a_new_bias_is_as_the_weight(correction):
    model = nn.Linear(6, C, bias=False, dtype=torch.float64).requires_grad_(False)
    bias = p2p.bake(model, correction).bias
    assert isinstance(bias, nn.Parameter)
    assert (bias.dtype, bias.requires_grad) == (torch.float64, False)
    np.testing.assert_array_equal(bias, correction.delta)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_bias_is_rounded_once_to_its_dtype(dtype, correction):
    model = mlp().to(dtype)
    bias = p2p.bake(model, correction)[2].bias.detach()
    assert bias.dtype == dtype
    exact = model[2].bias.detach().double() + torch.tensor(correction.delta)
    error = (bias.double() - exact).abs()
    for direction in (-torch.inf, torch.inf):
        neighbour = next_after(bias, direction)
        assert bool((error <= (neighbour.double() - exact).abs()).all())


def next_after(values, towards):
    """The next number of the dtype; bfloat16 has no nextafter on old versions."""
    if values.dtype not in (torch.float16, torch.bfloat16):
        return torch.nextafter(values, torch.full_like(values, towards))
    bits = values.view(torch.int16)
    away = (values > 0) == (towards > 0)
    return torch.where(away, bits + 1, bits - 1).to(torch.int16).view(values.dtype)


@pytest.mark.parametrize(
    ("dtype", "half_ulp"), [(torch.float16, 2.0**-11), (torch.bfloat16, 2.0**-8)]
)
def test_a_number_beside_a_tie_is_not_rounded_twice(dtype, half_ulp):
    from prior2posterior._torch_bake import _rounded

    above_the_tie = np.array([1 + half_ulp + 2.0**-40, -1 - half_ulp - 2.0**-40])
    ulp = 2 * half_ulp
    assert _rounded(above_the_tie, dtype).tolist() == [1 + ulp, -1 - ulp]
    below = np.array([1 + 3 * half_ulp - 2.0**-40])
    assert _rounded(below, dtype).tolist() == [1 + ulp]
    tie = np.array([1 + half_ulp, 1 + 3 * half_ulp, 0.0, -np.inf])
    assert _rounded(tie, dtype).tolist() == [1.0, 1 + 2 * ulp, 0.0, -np.inf]


def test_a_class_of_target_0_gets_a_bias_of_minus_infinity(prior):
    baked = p2p.bake(mlp(), prior, target=[1, 1, 1, 1, 1, 1, 0])
    assert baked[2].bias[6] == -torch.inf


def test_numbers_that_the_dtype_cannot_hold_are_refused(prior):
    model = mlp().half()
    with torch.no_grad():
        model[2].bias.fill_(65504)
    with pytest.raises(p2p.Error, match=r"2\.bias would overflow torch\.float16"):
        p2p.bake(model, prior, strength=20)


# ---- which layer


def test_a_layer_is_taken_by_name(correction):
    model = TwoHeads()
    baked = p2p.bake(model, correction, tensor="classifier")
    assert torch.equal(baked.auxiliary.bias, model.auxiliary.bias)
    assert not torch.equal(baked.classifier.bias, model.classifier.bias)
    assert torch.equal(
        bake_module(model, correction, layer="classifier").classifier.bias, baked.classifier.bias
    )


def test_two_layers_that_may_both_be_heads_are_refused(correction):
    with pytest.raises(p2p.Error, match="'classifier' and 'auxiliary' both have 7 outputs; name"):
        p2p.bake(TwoHeads(), correction)


def test_a_name_that_no_layer_has_is_refused(correction):
    with pytest.raises(p2p.Error, match=r"no Linear or Conv2d named 'fc'; it has '0' \(12\), '2'"):
        p2p.bake(mlp(), correction, tensor="fc")


def test_a_named_layer_of_other_classes_is_refused(correction):
    with pytest.raises(p2p.Error, match="layer '0' has 12 outputs, but the correction has 7"):
        p2p.bake(mlp(), correction, tensor="0")


def test_a_model_of_other_classes_is_refused(correction):
    with pytest.raises(p2p.Error, match=r"has 7 outputs, as the correction; it has '0' \(10\)"):
        p2p.bake(nn.Sequential(nn.Linear(6, 10)), correction)


def test_a_module_without_layers_is_refused(correction):
    with pytest.raises(p2p.Error, match="it has none"):
        p2p.bake(nn.Identity(), correction)


# ---- what comes behind it


@pytest.mark.parametrize("behind", [nn.Softmax(1), nn.LogSoftmax(1)], ids=["softmax", "log"])
def test_probabilities_behind_the_layer_are_those_of_corrected_scores(behind, correction):
    model, x = mlp(behind), torch.randn(5, 6)
    expected = behind(corrected(model[:3](x), correction))
    torch.testing.assert_close(p2p.bake(model, correction)(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("behind", [nn.Sigmoid(), nn.Sequential(nn.ReLU()), nn.LogSigmoid()])
def test_a_function_behind_the_layer_that_changes_the_bias_is_refused(behind, correction):
    with pytest.raises(p2p.Error, match=r"\w+ behind layer '2' changes what its bias does"):
        p2p.bake(mlp(behind), correction)


def test_a_function_behind_the_part_with_the_layer_is_refused_too(correction):
    with pytest.raises(p2p.Error, match=r"Sigmoid behind layer '0\.2'"):
        p2p.bake(nn.Sequential(mlp(), nn.Sigmoid()), correction)


# ---- parameters of several modules


def test_a_bias_of_two_layers_is_refused(correction):
    model = HiddenOfTheSameWidth()
    model.hidden.bias = model.fc.bias
    with pytest.raises(p2p.Error, match="bias of layer 'fc' is used by 'hidden' and 'fc' alike"):
        p2p.bake(model, correction)


def test_one_layer_in_two_places_is_refused(correction):
    layer = nn.Linear(C, C)
    with pytest.raises(p2p.Error, match="is used by '0' and '2' alike"):
        p2p.bake(nn.Sequential(layer, nn.ReLU(), layer), correction, tensor="0")


class Tied(nn.Module):
    """Scores of the words of an embedding."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(C, 6)
        self.head = nn.Linear(6, C, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, x):
        return self.head(self.embedding(x))


def test_a_tied_weight_takes_a_bias_of_its_own(correction):
    model, x = Tied(), torch.arange(C)
    baked = p2p.bake(model, correction)
    torch.testing.assert_close(baked(x), corrected(model(x), correction))
    assert baked.head.weight is baked.embedding.weight


def test_a_tied_weight_is_not_scaled(scaling):
    with pytest.raises(p2p.Error, match="weight of layer 'head' is used by 'embedding' and 'head'"):
        p2p.bake(Tied(), scaling)


def test_a_computed_bias_is_refused(correction):
    model = nn.Sequential(nn.Linear(6, C))
    nn.utils.parametrize.register_parametrization(model[0], "bias", nn.Identity())
    with pytest.raises(p2p.Error, match=r"bias of layer '0' is computed \(a parametrization\)"):
        p2p.bake(model, correction)


# ---- again, and out again


def test_baking_twice_is_refused(correction):
    baked = p2p.bake(mlp(), correction)
    with pytest.raises(p2p.Error, match="layer '2' already; unbake it first, or say again=True"):
        p2p.bake(baked, correction)


def test_baking_again_adds_up_and_comes_out_at_once(correction, scaling):
    model, x = mlp(), torch.randn(5, 6)
    before = state(model)
    twice = p2p.bake(p2p.bake(model, correction), scaling, again=True)
    expected = corrected(corrected(model(x), correction), scaling)
    torch.testing.assert_close(twice(x), expected, rtol=1e-5, atol=1e-5)
    assert_same_bits(p2p.unbake(twice), before)


def test_what_was_trained_on_comes_back_when_it_was_baked_again(correction):
    model = p2p.bake(mlp(), correction)
    with torch.no_grad():
        model[2].bias.add_(0.1)
    trained = state(model)
    assert_same_bits(p2p.unbake(p2p.bake(model, correction, again=True)), trained)


def test_an_unbaked_model_can_be_baked_once_more(correction):
    baked = p2p.bake(mlp(), correction)
    once_more = p2p.bake(p2p.unbake(baked), correction)
    assert torch.equal(once_more[2].bias, baked[2].bias)


def test_nothing_to_take_out_is_refused():
    with pytest.raises(p2p.Error, match="no correction is baked into the module"):
        p2p.unbake(mlp())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_of_a_baked_model_can_be_unbaked(copied, correction):
    model = mlp()
    assert_same_bits(p2p.unbake(copied(p2p.bake(model, correction))), state(model))


@pytest.mark.parametrize("change", ["bias", "weight", "dtype"])
def test_a_layer_that_was_changed_since_is_not_unbaked(change, scaling):
    baked = p2p.bake(mlp(), scaling)
    if change == "dtype":
        baked.double()
    else:
        with torch.no_grad():
            getattr(baked[2], change).add_(0.1)
    with pytest.raises(p2p.Error, match="layer '2' was changed after"):
        p2p.unbake(baked)


def test_a_baked_model_trains_on(correction):
    baked = p2p.bake(mlp(), correction)
    functional.cross_entropy(baked(torch.randn(5, 6)), torch.arange(5)).backward()
    assert baked[2].bias.grad is not None


# ---- what cannot be baked


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_script_module_is_refused_with_the_way_to_do_it(correction):
    with pytest.raises(p2p.Error, match=r"save it and bake the file: .* needs p2p-torch"):
        p2p.bake(torch.jit.script(mlp()), correction)


def test_a_module_that_cannot_be_copied_is_refused(correction):
    model = mlp()
    model.cache = model(torch.randn(5, 6))  # no leaf, which deepcopy refuses
    with pytest.raises(p2p.Error, match="the module cannot be copied"):
        p2p.bake(model, correction)


def test_a_correction_that_needs_a_second_model_is_refused(prior, logits, labels):
    correction = p2p.make_correction(
        prior, method="gla", holdout=logits, holdout_labels=labels, holdout_second=logits * 0.5
    )
    with pytest.raises(p2p.Error, match="cannot be folded into one model"):
        p2p.bake(mlp(), correction)


@pytest.mark.parametrize(
    "pool",
    [
        nn.AvgPool2d(3, padding=1),
        nn.AvgPool2d(2, divisor_override=1),
        nn.AvgPool2d(2, ceil_mode=True),
    ],
)
def test_pooling_that_takes_no_true_means_is_refused(pool, correction):
    module = nn.Sequential(nn.Conv2d(4, C, 1), pool)
    with pytest.raises(p2p.Error, match="AvgPool2d"):
        bake_module(module, correction)


@pytest.mark.parametrize(
    "pool", [nn.AvgPool2d(2), nn.AvgPool2d(3, padding=1, count_include_pad=False)]
)
def test_true_means_of_baked_scores_are_corrected(pool, correction):
    module = nn.Sequential(nn.Conv2d(4, C, 1), pool)
    x = torch.randn(2, 4, 6, 6)
    delta = torch.tensor(correction.delta).view(C, 1, 1)
    difference = bake_module(module, correction)(x) - (module(x) + delta)
    assert difference.abs().max() < 1e-5
