"""TorchScript of the same networks, run by PyTorch. tests/torch has what bake understands of
modules."""

import os
import subprocess

import numpy as np
import pytest
from families import chosen, family
from harness import attempt, refuse
from running import MODELS, correction_of, difference, log_softmax

EACH = pytest.mark.parametrize("script", chosen(format="torchscript"), ids=lambda f: f.name)
RUN = """
import sys, numpy as np, torch
inputs, *models = sys.argv[1:]
x = torch.from_numpy(np.load(inputs))
with torch.no_grad():
    for model in models:
        np.save(model + ".npy", torch.jit.load(model)(x).numpy())
"""


@pytest.fixture(autouse=True, scope="module")
def built_with_libtorch():
    outcome = attempt("show", MODELS / "torchscript-trace-mlp" / "model.pt")
    if outcome.code == 2 and "P2P_BUILD_TORCH" in outcome.err and os.environ.get("CI") != "true":
        pytest.skip("p2p was built without LibTorch")


def scores(place, *names):
    """float64 scores of each of the models, by the PyTorch that made them, classes last."""
    paths = [str(place.path(name)) for name in names]
    python = os.environ.get("P2P_TORCH_PYTHON", "/usr/bin/python3")
    subprocess.run([python, "-c", RUN, place.folder / "inputs.npy", *paths], check=True)
    made = [np.load(path + ".npy").astype(np.float64) for path in paths]
    return [np.moveaxis(array, place.family.axis, -1) for array in made]


def corrected(family, old, correction):
    """A float64 reading of the old output, which tells the logits up to a constant."""
    probs = family.kind == "probs"
    z = correction.factor * (np.log(old) if probs else old) + correction.delta
    return np.exp(log_softmax(z)) if probs else z


def check(family, found, wanted):
    assert difference(found, wanted) <= family.tolerance
    np.testing.assert_array_equal(found.argmax(-1), wanted.argmax(-1))


@EACH
def test_the_new_scores_are_the_corrected_ones(workplace, priors, script):
    place = workplace(script)
    said = place.bake("--verify", "inputs.npy")
    assert (said["format"], said["mode"], said["dtype"]) == ("torchscript", "fold", "float32")
    assert (said["output_kind"], said["n_classes"]) == (script.kind, script.classes)
    assert said["tensor"].endswith("head.bias")
    assert said["verification"]["passed"] and said["verification"]["max_difference"] <= 1e-5
    warm = priors.make(script.classes, "--temperature", 2)
    place.bake(out="warm", prior=warm)
    old, new, warmed = scores(place, "model", "new", "warm")
    check(script, new, corrected(script, old, place.correction))
    check(script, warmed, corrected(script, old, correction_of(warm)))


@pytest.mark.parametrize("name", ["torchscript-trace-resnet18", "torchscript-script-softmax"])
def test_unbake_gives_the_original_weights(workplace, name):
    place = workplace(family(name))
    place.bake()
    place.unbake()
    old, again = scores(place, "model", "old")
    np.testing.assert_array_equal(again, old)
    refuse(place.folder, "unbake", "old.pt", "-o", "older.pt", words=["old.pt"])


@pytest.mark.parametrize("script", chosen(format="torchscript", refused=True), ids=lambda f: f.name)
def test_a_head_without_bias_is_refused(workplace, script):
    place = workplace(script)
    refuse(place.folder, "bake", place.model.name, "--prior", place.prior, "-o", "new.pt",
           words=script.says)  # fmt: skip
