"""`--verify` runs the old and the new module by LibTorch."""

import models
import numpy as np
import pytest
import torch
from conftest import TEMPERATURE
from harness import p2p, refuse
from models import CLASSES, built, rows
from torch import nn


def verification(place, inputs, *options, kind=()):
    correction = place.correction(CLASSES, *kind)
    return p2p("bake", "model.pt", "--prior", correction.prior, *correction.options, "--verify",
               inputs, "-o", "new.pt", "--json", *options, cwd=place.folder).json["verification"]  # fmt: skip


def refuse_proof(place, inputs, words):
    refuse(place.folder, "bake", "model.pt", "--prior", place.correction(CLASSES).prior, "--verify",
           inputs, "-o", "new.pt", words=words)  # fmt: skip


class TestProof:
    @pytest.mark.parametrize("module", [models.Mlp, lambda: models.Mlp(nn.Softmax(1)),
                                        models.AsTuple, models.AsNamedTuple, models.AsDict])  # fmt: skip
    def test_it_passes_on_every_kind_of_output(self, place, module):
        place.save(built(module()))
        np.save(place.folder / "x.npy", rows(count=150).numpy())
        proof = verification(place, "x.npy", kind=TEMPERATURE)
        assert proof["passed"] and proof["n_rows"] == 150 and proof["max_difference"] <= 1e-5
        assert proof["engine"].startswith("LibTorch ")

    def test_inputs_are_given_by_the_names_of_the_arguments(self, place):
        place.save(built(models.Tokens()))
        words = np.arange(30, dtype=np.int32).reshape(10, 3) % 11
        weights = rows((3,), 10).double().numpy()  # as NumPy makes them; the module wants float32
        inputs = {"words": words.astype(np.int64), "weights": weights}
        np.savez(place.folder / "x.npz", **inputs)
        assert verification(place, "x.npz")["passed"]
        np.savez_compressed(place.folder / "x.npz", **inputs)
        assert verification(place, "x.npz")["passed"]
        np.savez(place.folder / "y.npz", words=words)
        refuse_proof(place, "y.npz", ["y.npz", "lacks", "weights"])

    def test_a_module_in_training_mode_is_run_in_evaluation_mode(self, place):
        module = built(models.Cnn())
        module.train()
        place.save(module)
        np.save(place.folder / "x.npy", rows((3, 8, 8)).numpy())
        assert verification(place, "x.npy")["passed"]
        assert place.load().training

    def test_bfloat16_is_fed_and_compared(self, place):
        place.save(built(models.Mlp().bfloat16()))
        np.save(place.folder / "x.npy", rows().numpy())
        assert verification(place, "x.npy")["passed"]

    def test_inputs_that_do_not_fit_are_refused_in_the_words_of_libtorch(self, place):
        place.save(built(models.Mlp()))
        np.save(place.folder / "x.npy", rows((5,)).numpy())
        refuse_proof(place, "x.npy", ["model.pt", "LibTorch", "shapes cannot be multiplied"])

    def test_a_wrong_layer_named_by_the_user_is_found_out(self, place):
        place.save(built(models.EitherHead()))
        np.save(place.folder / "x.npy", rows().numpy())
        refuse(place.folder, "bake", "model.pt", "--prior", place.correction(CLASSES).prior,
               "--tensor", "a", "--verify", "x.npy", "-o", "new.pt", words=["nothing was written"])  # fmt: skip

    def test_it_does_not_depend_on_the_threads(self, place):
        place.save(built(models.Mlp()))
        np.save(place.folder / "x.npy", rows(count=70).numpy())
        proofs = [verification(place, "x.npy", "--threads", n) for n in (1, 2)]
        assert proofs[0] == proofs[1]
        assert torch.equal(place.load()(rows()), place.load()(rows()))
