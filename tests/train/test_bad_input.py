"""p2p train on what cannot be trained on: one sentence, and nothing is left behind."""

import pathlib
import resource
import shutil
import signal

import numpy as np
import pytest
from tiny_images import CLASSES, write_png


@pytest.fixture
def images(place):
    return place.folder / "data"


def damage(path):
    path.write_bytes(path.read_bytes()[:100])


class TestUnreadable:
    """Images that cannot be decoded."""

    @pytest.fixture(autouse=True)
    def damaged(self, images):
        for name in ("03", "07"):
            damage(images / "train" / "ant" / f"{name}.png")

    def test_they_are_counted_and_the_first_is_named(self, place):
        place.refuse(words=["2 of 47 training images cannot be read", "'data/train/ant/03.png'",
                            "damaged PNG", "--skip-bad"])  # fmt: skip

    def test_a_share_of_them_may_be_left_out(self, place):
        run = place.train("--epochs", 1, "--skip-bad", 0.05)
        assert run.load("counts").tolist() == [28, 12, 5]
        assert run.record["data"]["skipped"] == 2
        assert "warning: 2 images could not be read and were left out" in run.outcome.err
        assert "data/train/ant/03.png" in run.outcome.err

    def test_more_than_that_share_is_refused(self, place):
        place.refuse("--skip-bad", 0.03, words=["2 of 47 training images", "more than --skip-bad"])

    @pytest.mark.parametrize("share", [-0.1, 1])
    def test_the_share_is_one(self, place, share):
        place.refuse(f"--skip-bad={share}", code=2, words=["--skip-bad", "from 0 to below 1"])

    def test_a_file_of_another_kind_is_no_image(self, place, images):
        shutil.rmtree(images / "train" / "ant")
        (images / "train" / "ant").mkdir()
        (images / "train" / "ant" / "x.jpg").write_text("no image")
        place.refuse(words=["1 of 18 training images", "'data/train/ant/x.jpg'"])

    def test_a_class_of_them_only_is_refused(self, place, images):
        for path in (images / "train" / "cat").iterdir():
            damage(path)
        place.refuse("--skip-bad", 0.5, words=["none of the 5 training images of class 'cat'"])


class TestFolders:
    """Folders that are no data set."""

    def test_an_empty_class_is_named(self, place, images):
        (images / "train" / "dog").mkdir()
        (images / "test" / "dog").mkdir()
        place.refuse(words=["'data/train/dog' has no image", "remove the folder"])

    def test_one_class_is_too_few(self, place, images):
        for part in ("train", "test"):
            for name in CLASSES[1:]:
                shutil.rmtree(images / part / name)
        place.refuse(words=["'data/train' has one class only, 'ant'", "two or more"])

    def test_both_parts_have_the_same_classes(self, place, images):
        shutil.rmtree(images / "test" / "cat")
        place.refuse(words=["'data/test' has no class 'cat'", "'data/train' has"])

    def test_without_training_part_nothing_is_trained(self, place, images):
        shutil.rmtree(images / "train")
        place.refuse(words=["'data' has no training part"])

    def test_what_is_not_there_is_named(self, place):
        place.refuse(data="nothing", code=2, words=["'nothing' names no images"])


class TestSizes:
    """Images of 8 x 8 pixels and one of 12 x 10."""

    @pytest.fixture(autouse=True)
    def large(self, images):
        pixels = np.random.default_rng(0).integers(0, 256, (10, 12, 3), np.uint8)
        write_png(images / "train" / "bee" / "large.png", pixels)

    def test_different_sizes_are_refused(self, place):
        place.refuse(words=["8 x 8", "'data/train/bee/large.png' has 12 x 10", "--resize"])

    def test_resize_brings_them_to_one(self, place):
        run = place.train("--resize", 9, "--epochs", 1)
        assert (run.record["network"]["width"], run.record["network"]["height"]) == (9, 9)
        assert run.load("counts").tolist() == [30, 13, 5]


def write_lists(place, change=lambda lines: lines):
    for part, folder in (("train", "train"), ("test", "test")):
        lines = [f"data/{folder}/{name}/{path.name} {label}" for label, name in enumerate(CLASSES)
                 for path in sorted((place.folder / "data" / folder / name).iterdir())]  # fmt: skip
        text = change(lines) if part == "test" else lines
        (place.folder / f"{part}.txt").write_text("\n".join(text) + "\n")


class TestLists:
    """List files and their labels."""

    def test_lists_are_trained_on(self, place):
        write_lists(place)
        run = place.train("--epochs", 1, data="train.txt,test.txt")
        assert run.load("counts").tolist() == [30, 12, 5]
        assert run.bytes("classes.txt") == b"0\n1\n2\n"

    @pytest.mark.parametrize("label", ["3", "-1", "1.5", "cat", "99999999999999999999"])
    def test_labels_out_of_range_are_named(self, place, label):
        write_lists(place, lambda lines: [lines[0], f"data/test/ant/01.png {label}", *lines[2:]])
        place.refuse(data="train.txt,test.txt", words=["test.txt:2", f"'{label}'", "from 0 to 2"])

    def test_a_gap_in_the_labels_is_named(self, place):
        write_lists(place)
        text = (place.folder / "train.txt").read_text()
        (place.folder / "train.txt").write_text(text.replace(".png 1\n", ".png 3\n"))
        place.refuse(data="train.txt,test.txt", words=["'train.txt' has no image of class 1"])


def test_a_cifar_file_of_the_wrong_length_is_named(place):
    (place.folder / "cifar").mkdir()
    (place.folder / "cifar" / "data_batch_1.bin").write_bytes(bytes(3073 * 100))
    place.refuse(data="cifar", words=["'cifar/data_batch_1.bin' has 307300 bytes",
                                      "expected 30730000", "download it again"])  # fmt: skip


class TestOptions:
    """Values that an option cannot have."""

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--loss", "hinge"], ["'hinge'", "ce, la[:TAU], balanced-softmax, ldam, ldam-drw"]),
            (["--loss", "la:x"], ["'la:x'", "number"]),
            (["--loss", "cb:1"], ["'cb:1'", "below 1"]),
            (["--schedule", "linear"], ["'linear'", "step, cosine or onecycle"]),
            (["--augment", "cutout"], ["'cutout'", "none, crop-flip or autoaugment"]),
            (["--imbalance", 6], ["factor of 6 leaves class 2 without an image", "at most 5"]),
            (["--imbalance", 0.5], ["factor of 0.5", "at least 1"]),
            (["--holdout=-0.1"], ["--holdout -0.1", "at least 0 and below 1"]),
            (["--holdout", 1], ["--holdout 1", "at least 0 and below 1"]),
            (["--epochs", 0], ["--epochs 0", "1 or more"]),
            (["--lr", 0], ["--lr 0", "above 0"]),
            (["--lr", "nan"], ["--lr nan", "finite"]),
            (["--mixup=-1"], ["--mixup -1", "0 or more"]),
            (["--label-smoothing", 1], ["--label-smoothing 1", "below 1"]),
            (["--momentum", 1], ["--momentum 1", "below 1"]),
            (["--weight-decay=-1"], ["--weight-decay -1", "0 or more"]),
        ],
        ids=lambda value: " ".join(map(str, value)),
    )
    def test_it_is_named_with_what_it_can_have(self, place, options, words):
        place.refuse(*options, code=2, words=words)

    def test_one_row_is_no_batch(self, place):
        place.refuse(batch=1, code=2, words=["--batch 1", "2 or more"])

    def test_an_unknown_network_gets_the_known_ones(self, place):
        names = ["resnet20", "resnet32", "resnet44", "resnet18", "resnet50", "mlp"]
        place.refuse(network="alexnet", code=2, words=["'alexnet'", *names])

    def test_an_unknown_device_gets_the_known_ones(self, place):
        place.refuse(device="tpu", code=2, words=["'tpu'", "auto, cpu or cuda"])

    @pytest.mark.skipif(pathlib.Path("/dev/nvidia0").exists(), reason="there is a GPU")
    def test_a_gpu_must_be_there(self, place):
        place.refuse(device="cuda", code=2, words=["--device cuda", "no GPU", "--device cpu"])

    def test_unknown_weights_are_named(self, place):
        place.refuse("--weights", "nothing.safetensors", "--quiet", words=["'nothing.safetensors'"])


class TestNotANumber:
    """A learning rate at which the loss is no number."""

    def test_epoch_and_step_are_named_and_the_last_good_checkpoint_stays(self, place):
        outcome = place.attempt("--lr", 1e30, "--epochs", 9, "--quiet", batch=8)
        assert outcome.code == 3, outcome
        (line,) = outcome.err.splitlines()
        assert line.startswith("p2p: the loss is ")
        assert "in step 2 of epoch 1" in line
        assert "lower --lr (it was 1e+30)" in line
        run = place.run()
        assert run.files == {"checkpoint.safetensors", "log.csv"}
        assert run.log == []

    def test_an_epoch_whose_last_step_spoiled_the_weights_is_not_saved(self, place):
        """47 rows a step: the only step of the epoch has a fine loss."""
        outcome = place.attempt("--lr", 1e30, "--epochs", 1, "--quiet", batch=64)
        assert outcome.code == 3, outcome
        (line,) = outcome.err.splitlines()
        assert "no finite scores after the last step of epoch 1" in line
        assert "lower --lr" in line
        run = place.run()
        assert run.files == {"checkpoint.safetensors", "log.csv"}
        assert run.log == []


def small_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


class TestDisk:
    """Folders that cannot be made and files that cannot be written."""

    def test_a_full_disk_shows_before_the_first_epoch(self, place):
        place.refuse("--quiet", limits=small_files, words=["'run/checkpoint.safetensors'"])

    def test_a_disk_that_fills_up_leaves_the_last_checkpoint(self, place):
        place.stop(signal.SIGKILL, "--epochs", 300, "--quiet")
        place.refuse("--epochs", 300, "--quiet", "--resume", limits=small_files,
                     words=["'run/checkpoint.safetensors'"])  # fmt: skip

    @pytest.mark.parametrize("out", ["file", "file/run"])
    def test_a_file_in_the_way_is_named(self, place, out):
        (place.folder / "file").write_text("here already")
        place.refuse(out=out, words=[f"the folder '{out}' cannot be made"])
