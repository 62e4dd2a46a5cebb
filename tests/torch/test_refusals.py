"""Modules that take no correction, and files that are none."""

import os
import shlex
import subprocess
import sys
import zipfile

import models
import numpy as np
import pytest
import torch
from conftest import CLASS_SCALES, TEMPERATURE
from harness import attempt, refuse, sentence
from models import CLASSES, built, rows
from torch import nn


def refuse_model(
    place, words, *options, model="model.pt", classes=CLASSES, kind=(), code=3, env=None
):
    correction = place.correction(classes, *kind)
    return refuse(place.folder, "bake", model, "--prior", correction.prior, *correction.options, "-o",
                  "new.pt", *options, words=[model, *words] if code == 3 else words, code=code, env=env)  # fmt: skip


class TestModules:
    @pytest.mark.parametrize("trace", [False, True], ids=["script", "trace"])
    def test_no_bias(self, place, trace):
        place.save(built(models.Mlp(bias=False), rows(), trace=trace))
        refuse_model(place, ["'fc'", "no bias", "ONNX"])

    @pytest.mark.parametrize("trace", [False, True], ids=["script", "trace"])
    def test_frozen(self, place, trace):
        place.save(torch.jit.freeze(built(models.Mlp(), rows(), trace=trace)))
        refuse_model(place, ["frozen"])

    @pytest.mark.parametrize("end, word", [
        (nn.Sigmoid(), "sigmoid"), (nn.ReLU(), "relu"), (nn.Hardtanh(), "hardtanh"),
        (nn.Softmax(dim=0), "axis 0"), (nn.Sequential(nn.Softmax(1), nn.Softmax(1)), "softmax"),
        (nn.Sequential(nn.Softmax(1), models.Times(2.0, 1.0)), "multiplied"),
        (models.Times(0.0, 1.0), "multiplied by 0"),
    ])  # fmt: skip
    def test_something_else_follows_the_last_layer(self, place, end, word):
        place.save(built(models.Mlp(end)))
        refuse_model(place, [word])

    def test_quantised(self, place):
        place.save(
            torch.jit.script(torch.quantization.quantize_dynamic(models.Mlp().eval(), {nn.Linear}))
        )
        refuse_model(place, ["quantized::linear"])

    def test_the_input_itself(self, place):
        place.save(torch.jit.script(nn.Identity()))
        refuse_model(place, ["input"])

    def test_scores_that_are_changed_in_place(self, place):
        place.save(built(models.InPlace()))
        refuse_model(place, ["in place"])

    def test_another_number_of_classes(self, place):
        place.save(built(models.Mlp()))
        refuse_model(place, ["'fc'", "7", "9"], classes=9)

    def test_two_layers(self, place):
        place.save(built(models.TwoHeads()))
        refuse_model(place, ["'a'", "'b'", "--tensor"])

    def test_a_layer_that_the_graph_hides(self, place):
        place.save(built(models.EitherHead()))
        refuse_model(place, ["'a'", "'b'", "--tensor"])

    def test_a_layer_that_is_used_twice(self, place):
        place.save(built(models.Twice()))
        refuse_model(place, ["'fc'", "used elsewhere"])

    def test_a_shared_weight_when_it_would_be_scaled(self, place):
        place.save(built(models.Shared()))
        refuse_model(place, ["'fc'", "weight is used elsewhere"], kind=TEMPERATURE)
        place.bake(CLASSES)

    def test_class_scales_behind_a_softmax_which_does_not_tell_the_scores(self, place):
        place.save(built(models.Mlp(nn.Softmax(1))))
        refuse_model(place, ["softmax", "scale"], kind=CLASS_SCALES)

    def test_no_forward(self, place):
        place.save(torch.jit.script(nn.Module()))
        refuse_model(place, ["forward"])

    def test_numbers_beyond_float16(self, place):
        module = models.Mlp()
        scripted = built(module.half())
        with torch.no_grad():
            scripted.fc.bias.fill_(65504)
        place.save(scripted)
        refuse_model(place, ["fc.", "float16"], kind=CLASS_SCALES)

    def test_byte_code_for_phones(self, place):
        built(models.Mlp())._save_for_lite_interpreter(str(place.folder / "model.pt"))
        refuse_model(place, ["mobile"])


class TestOptions:
    def test_a_layer_that_does_not_make_the_scores(self, place):
        place.save(built(models.Mlp()))
        refuse_model(place, ["'hidden'", "'fc'"], "--tensor", "hidden")

    def test_a_layer_that_does_not_exist(self, place):
        place.save(built(models.Mlp()))
        refuse_model(place, ["'nothing'", "'fc'"], "--tensor", "nothing")

    def test_an_output_that_does_not_exist(self, place):
        place.save(built(models.AsDict()))
        refuse_model(place, ["'other'", "'logits'"], "--output-name", "other")

    def test_modes_of_other_formats(self, place):
        place.save(built(models.Mlp()))
        refuse_model(place, ["--mode add", "ONNX"], "--mode", "add", code=2)
        refuse_model(place, ["--add-bias"], "--add-bias", "fc.bias", code=2)

    def test_without_libtorch(self, place):
        place.save(built(models.Mlp()))
        refuse_model(place, ["p2p-torch"], code=2, env={"P2P_TORCH": str(place.folder / "nowhere")})


class TestFiles:
    """None of them is given to LibTorch."""

    NO_LIBTORCH = {"P2P_TORCH": "/nowhere"}

    @pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
    @pytest.mark.parametrize(
        "content", [models.Mlp().state_dict(), models.Mlp()], ids=["dict", "module"]
    )
    def test_pickles(self, place, content, zipped):
        torch.save(content, place.folder / "model.pt", _use_new_zipfile_serialization=zipped)
        refuse_model(place, ["pickle", "safetensors", "weights_only=True"], env=self.NO_LIBTORCH)

    def test_the_line_that_converts_a_state_dict_does_so(self, place):
        # Debian has no safetensors: its function is stood in for by one that checks what it gets.
        stand_in = place.folder / "site" / "safetensors"
        stand_in.mkdir(parents=True)
        (stand_in / "__init__.py").touch()
        (stand_in / "torch.py").write_text(
            "import numpy\n"
            "def save_file(tensors, path):\n"
            "    places = [t.data_ptr() for t in tensors.values()]\n"
            "    assert all(t.is_contiguous() for t in tensors.values())\n"
            "    assert len(set(places)) == len(places), 'tensors share memory'\n"
            "    numpy.savez(open(path, 'wb'), **{k: t.numpy() for k, t in tensors.items()})\n")  # fmt: skip
        state = {"fc.weight": torch.arange(6.0).reshape(2, 3).t(), "fc.bias": torch.ones(3)}
        state["tied.bias"] = state["fc.bias"]
        torch.save(state, place.folder / "model.pt")
        line = refuse_model(place, []).split("bake that: ")[1]
        program, *arguments = shlex.split(line)
        assert program == "python3"
        subprocess.run([sys.executable, *arguments], cwd=place.folder, check=True,
                       env={**os.environ, "PYTHONPATH": str(stand_in.parent)})  # fmt: skip
        with np.load(place.folder / "model.safetensors") as found:
            assert {k: v.tolist() for k, v in found.items()} == {
                k: v.tolist() for k, v in state.items()
            }

    def test_a_zip_archive_of_something_else(self, place):
        with zipfile.ZipFile(place.folder / "model.pt", "w") as archive:
            archive.writestr("letter.txt", "dear reader")
        refuse_model(place, ["torch.jit"], env=self.NO_LIBTORCH)

    @pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04", b"no model at all"])
    def test_something_else(self, place, content):
        (place.folder / "model.pt").write_bytes(content)
        refuse_model(place, ["torch.jit.save"], env=self.NO_LIBTORCH)

    def test_no_file(self, place):
        refuse_model(place, [], model="missing.pt")

    def test_a_file_cut_off_anywhere(self, place):
        place.save(built(models.Mlp()))
        whole = (place.folder / "model.pt").read_bytes()
        for length in range(1, len(whole), 997):
            (place.folder / "model.pt").write_bytes(whole[:length])
            refuse_model(place, ["complete"], env=self.NO_LIBTORCH)


class TestDamage:
    def test_bytes_changed_anywhere_make_no_crash(self, place):
        place.save(built(models.Mlp()), **{"classes.txt": "\n".join("abcdefg")})
        whole = bytearray((place.folder / "model.pt").read_bytes())
        rng = np.random.default_rng(3)
        prior = place.correction(CLASSES).prior
        for _ in range(25):
            damaged = bytearray(whole)
            for at in rng.integers(0, len(whole), 30):
                damaged[at] = rng.integers(256)
            (place.folder / "model.pt").write_bytes(damaged)
            outcome = attempt(
                "bake", "model.pt", "--prior", prior, "-o", "new.pt", cwd=place.folder
            )
            assert outcome.code in (0, 3), outcome
            if outcome.code != 0:
                sentence(outcome)
