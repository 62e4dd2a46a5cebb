"""TorchScript of PyTorch models, run by PyTorch."""

import os
import subprocess

import numpy as np
import pytest
from families import chosen, family
from harness import attempt, p2p, refuse, snapshot
from running import MODELS, correction_of, difference, log_softmax

EACH = pytest.mark.parametrize("script", chosen(format="torchscript"), ids=lambda f: f.name)
PYTHON = os.environ.get("P2P_TORCH_PYTHON", "/usr/bin/python3")
RUN = """
import sys, numpy as np, torch
model, inputs, out = sys.argv[1:]
with torch.no_grad():
    np.save(out, torch.jit.load(model)(torch.from_numpy(np.load(inputs))).numpy())
"""


@pytest.fixture(autouse=True, scope="module")
def built_with_libtorch():
    outcome = attempt("show", MODELS / "torchscript-trace-mlp" / "model.pt")
    if outcome.code != 0 and os.environ.get("CI") != "true":
        if "LibTorch" in outcome.err:
            pytest.skip("p2p was built without LibTorch")


def scores(place, name="new"):
    out = place.folder / "out.npy"
    subprocess.run([PYTHON, "-c", RUN, place.path(name), place.folder / "inputs.npy", out], check=True)
    return np.load(out).astype(np.float64)


def corrected(family, old, correction):
    """A float64 reading of the old output, which tells the logits up to a constant."""
    probs, old = family.kind == "probs", old.astype(np.float64)
    z = correction.factor * (np.log(old) if probs else old) + correction.delta
    return np.exp(log_softmax(z)) if probs else z


def check(place, correction):
    wanted = corrected(place.family, np.load(place.folder / "scores.npy"), correction)
    found = scores(place)
    assert difference(found, wanted) <= place.family.tolerance
    np.testing.assert_array_equal(found.argmax(1), wanted.argmax(1))


@EACH
def test_the_new_scores_are_the_corrected_ones(workplace, script):
    place = workplace(script)
    said = place.bake()
    assert (said["format"], said["mode"], said["dtype"]) == ("torchscript", "fold", "float32")
    assert said["tensor"].endswith("head.bias") and said["n_classes"] == script.classes
    check(place, place.correction)


@EACH
def test_a_temperature_divides_the_scores(workplace, priors, script):
    place = workplace(script)
    prior = priors.make(script.classes, "--temperature", 2)
    place.bake(prior=prior)
    check(place, correction_of(prior))


@EACH
def test_unbake_gives_the_original_weights(workplace, script):
    place = workplace(script)
    place.bake()
    place.unbake()
    np.testing.assert_array_equal(scores(place, "old"), scores(place, "model"))
    refuse(place.folder, "unbake", "old.pt", "-o", "older.pt", words=["old.pt"])


@EACH
def test_baking_twice_is_refused(workplace, script):
    place = workplace(script)
    place.bake()
    refuse(place.folder, "bake", "new.pt", "--prior", place.prior, "-o", "newer.pt",
           words=["new.pt", "--again"])  # fmt: skip


@EACH
def test_the_proof_agrees(workplace, script):
    place = workplace(script)
    proof = place.bake("--verify", "inputs.npy")["verification"]
    assert proof["passed"] and proof["max_difference"] <= 1e-5


@EACH
def test_show_says_what_would_change_and_then_what_was_baked(workplace, script):
    place = workplace(script)
    assert p2p("show", place.model, "--json").json["tensor"].endswith("head.bias")
    place.bake()
    (baked,) = p2p("show", place.path(), "--json").json["baked"]
    assert (baked["method"], baked["target"]) == ("p2p", "uniform")


@pytest.mark.parametrize("script", chosen(format="torchscript", refused=True), ids=lambda f: f.name)
def test_a_head_without_bias_is_refused(workplace, script):
    place = workplace(script)
    refuse(place.folder, "bake", place.model.name, "--prior", place.prior, "-o", "new.pt",
           words=script.says)  # fmt: skip


def test_a_dry_run_writes_nothing(workplace):
    place = workplace(family("torchscript-trace-mlp"))
    old = snapshot(place.folder)
    assert place.bake("--dry-run")["output"] is None
    assert snapshot(place.folder) == old


def test_another_number_of_classes_is_refused(workplace, priors):
    place = workplace(family("torchscript-trace-mlp"))
    refuse(place.folder, "bake", place.model.name, "--prior", priors.make(9), "-o", "new.pt",
           words=["9"])  # fmt: skip


def test_a_file_cut_off_anywhere_is_refused(workplace):
    place = workplace(family("torchscript-trace-mlp"))
    content = place.model.read_bytes()
    for length in [0, 1, 100, len(content) // 2, len(content) - 1]:
        (place.folder / "bad.pt").write_bytes(content[:length])
        refuse(place.folder, "bake", "bad.pt", "--prior", place.prior, "-o", "new.pt",
               words=["bad.pt"])  # fmt: skip
