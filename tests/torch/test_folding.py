"""What a baked module computes: factor * z + delta where it computed z."""

import models
import numpy as np
import pytest
import torch
from conftest import CLASS_SCALES, IMPOSSIBLE_CLASS, SHIFT, TEMPERATURE
from harness import p2p, refuse
from models import CLASSES, built, rows
from torch import nn

IMAGES = rows((3, 8, 8))
FAMILIES = {
    "mlp": (models.Mlp, rows(), "logits"),
    "cnn": (models.Cnn, IMAGES, "logits"),
    "conv-head-mean": (lambda: models.ConvHead("mean"), IMAGES, "logits"),
    "conv-head-log-softmax": (lambda: models.ConvHead("pool"), IMAGES, "log-probs"),
    "softmax": (lambda: models.Mlp(nn.Softmax(dim=1)), rows(), "probs"),
    "log-softmax": (lambda: models.Mlp(nn.LogSoftmax(dim=-1)), rows(), "log-probs"),
    "multiplied": (lambda: models.Mlp(models.Times(-2.0, 1.5)), rows(), "logits"),
    "addmm": (lambda: models.Matrix("addmm"), rows(), "logits"),
    "matmul": (lambda: models.Matrix("matmul"), rows(), "logits"),
}  # fmt: skip


def log_softmax(z):
    shifted = z - z.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def wanted(old, correction, kind):
    """In float64, from the old output."""
    z = np.log(old) if kind == "probs" else old
    z = correction.factor * z + correction.delta
    if kind == "logits":
        return z
    return np.exp(log_softmax(z)) if kind == "probs" else log_softmax(z)


def outputs(module, x):
    with torch.no_grad():
        return module(x).numpy().astype(np.float64)


def nearest(exact, dtype):
    """`exact`, in float64, rounded once to `dtype`: the closest of the neighbours, even on a tie."""
    around = torch.from_numpy(exact).to(dtype)
    bits = around.view(torch.int16)
    candidates = torch.stack([(bits + step).view(dtype) for step in (-1, 0, 1)])
    distance = (candidates.double() - torch.from_numpy(exact)).abs()
    is_best = distance == distance.min(0).values
    is_even = torch.stack([(bits + step) % 2 == 0 for step in (-1, 0, 1)])
    choice = (is_best * (1 + is_even.int())).argmax(0)
    return candidates.gather(0, choice[None])[0]


def check_scores(place, family, kind, trace):
    make, x, output = FAMILIES[family]
    place.save(built(make(), x, trace=trace))
    correction = place.bake(CLASSES, kind=kind)
    found = outputs(place.load(), x)
    expected = wanted(outputs(place.load("model.pt"), x), correction, output)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found.argmax(-1), expected.argmax(-1))


class TestScores:
    """They are the corrected ones."""

    @pytest.mark.parametrize("trace", [False, True], ids=["script", "trace"])
    @pytest.mark.parametrize("family", FAMILIES)
    def test_of_every_family(self, place, family, trace):
        check_scores(place, family, TEMPERATURE, trace)

    @pytest.mark.parametrize("kind", [SHIFT, IMPOSSIBLE_CLASS, CLASS_SCALES],
                             ids=["shift", "impossible-class", "class-scales"])  # fmt: skip
    @pytest.mark.parametrize("family", ["mlp", "multiplied", "matmul"])
    def test_under_every_kind_of_correction(self, place, family, kind):
        check_scores(place, family, kind, trace=False)

    @pytest.mark.parametrize("kind", [SHIFT, IMPOSSIBLE_CLASS], ids=["shift", "impossible-class"])
    @pytest.mark.parametrize("family", ["softmax", "log-softmax"])
    def test_behind_a_softmax(self, place, family, kind):
        check_scores(place, family, kind, trace=False)


class TestHead:
    def show(self, place, *options):
        return p2p("show", "model.pt", *options, "--json", cwd=place.folder).json

    def test_the_last_layer_is_told_by_the_graph_and_not_by_the_order_of_registration(self, place):
        module = models.Mlp()
        module.later = nn.Linear(2, CLASSES)
        place.save(built(module))
        assert self.show(place)["tensor"] == "fc.bias"

    @pytest.mark.parametrize("end, kind", [(nn.Softmax(dim=1), "probs"),
                                           (nn.LogSoftmax(dim=1), "log-probs"),
                                           (models.Branch(), "logits")])  # fmt: skip
    def test_what_follows_it_says_what_the_output_holds(self, place, end, kind):
        place.save(built(models.Mlp(end)))
        head = self.show(place)
        assert (head["output_kind"], head["tensor"]) == (kind, "fc.bias")

    @pytest.mark.parametrize("module, logits, also", [
        (models.AsTuple, "1", ["2"]),
        (models.AsNamedTuple, "logits", ["probs"]),
        (models.AsDict, "logits", ["probs"]),
    ])  # fmt: skip
    def test_one_of_several_outputs_is_found_by_its_classes(self, place, module, logits, also):
        place.save(built(module()))
        prior = place.correction(CLASSES).prior
        head = self.show(place, "--prior", prior)
        assert (head["output_name"], head["also_changes"]) == (logits, also)

    def test_an_output_can_be_named(self, place):
        place.save(built(models.AsDict()))
        head = self.show(place, "--output-name", "probs")
        assert (head["output_name"], head["output_kind"]) == ("probs", "probs")

    def test_two_layers_are_told_apart_by_name(self, place):
        place.save(built(models.TwoHeads()))
        assert self.show(place, "--tensor", "b")["tensor"] == "b.bias"
        assert self.show(place, "--tensor", "a.bias")["tensor"] == "a.bias"
        assert self.show(place, "--output-name", "1")["tensor"] == "b.bias"

    def test_a_layer_that_the_graph_hides_can_be_named(self, place):
        place.save(built(models.EitherHead()))
        correction = place.bake(CLASSES, "--tensor", "b")
        x = rows()
        expected = wanted(outputs(place.load("model.pt"), x), correction, "logits")
        np.testing.assert_allclose(outputs(place.load(), x), expected, atol=1e-5)

    def test_class_names_come_from_an_extra_file(self, place):
        names = [f"kind {i}" for i in range(CLASSES)]
        place.save(built(models.Mlp()), **{"classes.txt": "\n".join(names)})
        (place.folder / "names.txt").write_text("\n".join(names) + "\n")
        place.bake(CLASSES, "--classes", "names.txt", "--dry-run", out=None)
        (place.folder / "names.txt").write_text("\n".join(reversed(names)) + "\n")
        refuse(place.folder, "bake", "model.pt", "--prior", place.correction(CLASSES).prior,
               "--classes", "names.txt", "--dry-run", words=["model.pt", "kind 0", "kind 6"])  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
class TestNumbers:
    def test_they_are_rounded_once(self, place, dtype):
        place.save(built(models.Mlp().to(dtype)))
        old = {k: v.double().numpy() for k, v in place.load("model.pt").state_dict().items()}
        correction = place.bake(CLASSES, kind=CLASS_SCALES)
        new = place.load().state_dict()
        exact = {"fc.bias": correction.factor * old["fc.bias"] + correction.delta,
                 "fc.weight": correction.factor[:, None] * old["fc.weight"]}  # fmt: skip
        for name, number in exact.items():
            assert new[name].dtype == dtype
            if dtype == torch.float64:
                np.testing.assert_allclose(new[name].numpy(), number, rtol=1e-12)
            else:
                assert torch.equal(new[name], nearest(number, dtype))

    def test_everything_else_keeps_its_bits(self, place, dtype):
        place.save(built(models.Cnn().to(dtype)))
        place.bake(CLASSES)
        old, new = (place.load(name).state_dict() for name in ("model.pt", "new.pt"))
        assert old.keys() == new.keys()
        assert [name for name in old if not torch.equal(old[name], new[name])] == ["fc.bias"]
