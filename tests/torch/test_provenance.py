"""What a baked file remembers, and taking it out again."""

import json
import zipfile

import models
import pytest
import torch
from conftest import CLASS_SCALES, TEMPERATURE
from harness import p2p, refuse, snapshot
from models import CLASSES, built, rows


def extra_files(path):
    """name -> bytes."""
    with zipfile.ZipFile(path) as archive:
        inner = [(name, name.split("/extra/", 1)) for name in archive.namelist()]
        return {parts[1]: archive.read(name) for name, parts in inner if len(parts) == 2}


def same_tensors(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(
        a[k].dtype == b[k].dtype and bytes(a[k].view(torch.uint8).flatten().tolist())
        == bytes(b[k].view(torch.uint8).flatten().tolist()) for k in a)  # fmt: skip


EXTRA = {"notes.txt": "kept as it is", "folder/table.bin": bytes(range(256)), "empty": ""}


class TestRecord:
    def test_show_reads_back_what_was_baked(self, place):
        place.save(built(models.Mlp()))
        place.bake(CLASSES, "--strength", "0.5")
        (record,) = p2p("show", "new.pt", "--json", cwd=place.folder).json["baked"]
        assert (record["method"], record["target"], record["strength"]) == ("p2p", "uniform", 0.5)
        assert record["where"] == "fc" and record["mode"] == "fold"

    def test_it_is_an_extra_file_of_its_own(self, place):
        place.save(built(models.Mlp()), **EXTRA)
        place.bake(CLASSES)
        extra = extra_files(place.folder / "new.pt")
        old_bias = place.load("model.pt").state_dict()["fc.bias"]
        assert json.loads(extra.pop("prior2posterior.json"))["version"] == 1
        assert extra.pop("prior2posterior.1.bias") == old_bias.numpy().tobytes()
        assert extra == extra_files(place.folder / "model.pt")
        assert extra == {k: v if isinstance(v, bytes) else v.encode() for k, v in EXTRA.items()}

    def test_it_is_read_without_libtorch(self, place):
        place.save(built(models.Mlp()))
        place.bake(CLASSES)
        nowhere = {"P2P_TORCH": str(place.folder / "nowhere")}
        assert p2p("show", "new.pt", "--json", cwd=place.folder, env=nowhere).json["baked"]

    def test_a_damaged_record_is_refused(self, place):
        place.save(built(models.Mlp()), **{"prior2posterior.json": "{"})
        refuse(place.folder, "unbake", "model.pt", "-o", "old.pt", words=["model.pt", "record"])

    def test_baking_twice_is_refused(self, place):
        place.save(built(models.Mlp()))
        correction = place.bake(CLASSES)
        refuse(place.folder, "bake", "new.pt", "--prior", correction.prior, "-o", "newer.pt",
               words=["new.pt", "--again"])  # fmt: skip


class TestUnbake:
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64],
                             ids=str)  # fmt: skip
    @pytest.mark.parametrize("kind", [(), CLASS_SCALES], ids=["shift", "class-scales"])
    def test_every_tensor_has_its_bits_again(self, place, dtype, kind):
        module = models.Mlp().to(dtype)
        place.save(built(module), **EXTRA)
        place.bake(CLASSES, kind=kind)
        assert not same_tensors(place.load("model.pt"), place.load("new.pt"))
        p2p("unbake", "new.pt", "-o", "old.pt", cwd=place.folder)
        assert same_tensors(place.load("model.pt"), place.load("old.pt"))
        assert extra_files(place.folder / "old.pt") == extra_files(place.folder / "model.pt")

    def test_several_corrections_are_taken_out_together(self, place):
        place.save(built(models.Mlp()))
        place.bake(CLASSES, out="one.pt")
        place.bake(CLASSES, "--again", model="one.pt", out="two.pt", kind=TEMPERATURE)
        place.bake(CLASSES, "--again", model="two.pt", out="three.pt")
        assert len(p2p("show", "three.pt", "--json", cwd=place.folder).json["baked"]) == 3
        p2p("unbake", "three.pt", "-o", "old.pt", cwd=place.folder)
        assert same_tensors(place.load("model.pt"), place.load("old.pt"))
        assert extra_files(place.folder / "old.pt") == {}

    def test_corrections_add_up_under_again(self, place):
        place.save(built(models.Mlp()))
        correction = place.bake(CLASSES, out="one.pt")
        place.bake(CLASSES, "--again", model="one.pt", out="two.pt")
        old, new = (place.load(name)(rows()) for name in ("model.pt", "two.pt"))
        torch.testing.assert_close(new, old + 2 * torch.from_numpy(correction.delta).float())

    def test_a_layer_that_was_trained_afterwards_is_refused(self, place):
        place.save(built(models.Mlp()))
        place.bake(CLASSES)
        module, extra = place.load(), extra_files(place.folder / "new.pt")
        with torch.no_grad():
            module.fc.bias += 1
        place.save(module, "trained.pt", **extra)
        refuse(place.folder, "unbake", "trained.pt", "-o", "old.pt", words=["fc.bias", "changed"])

    def test_damaged_originals_are_refused(self, place):
        place.save(built(models.Mlp()))
        place.bake(CLASSES)
        extra = {**extra_files(place.folder / "new.pt"), "prior2posterior.1.bias": b"x" * 28}
        place.save(place.load(), "damaged.pt", **extra)
        refuse(place.folder, "unbake", "damaged.pt", "-o", "old.pt",
               words=["damaged.pt", "prior2posterior.1.bias"])  # fmt: skip

    def test_a_module_without_a_record_is_refused(self, place):
        place.save(built(models.Mlp()))
        refuse(place.folder, "unbake", "model.pt", "-o", "old.pt", words=["model.pt", "nothing"])


class TestWriting:
    def test_a_dry_run_writes_nothing(self, place):
        place.save(built(models.Mlp()))
        before = snapshot(place.folder)
        place.bake(CLASSES, "--dry-run", out=None)
        assert snapshot(place.folder) == before

    def test_nothing_is_left_beside_the_output(self, place):
        place.save(built(models.Mlp()))
        place.bake(CLASSES)
        assert sorted(path.name for path in place.folder.iterdir()) == ["model.pt", "new.pt"]

    def test_the_input_is_not_overwritten(self, place):
        place.save(built(models.Mlp()))
        refuse(place.folder, "bake", "model.pt", "--prior", place.correction(CLASSES).prior, "-o",
               "model.pt", words=["model.pt", "same file"])  # fmt: skip

    def test_the_training_mode_is_kept(self, place):
        module = built(models.Mlp())
        module.train()
        place.save(module)
        place.bake(CLASSES)
        assert place.load().training
