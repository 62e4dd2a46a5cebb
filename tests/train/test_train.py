"""p2p train: what a run folder holds, and that the other verbs take it."""

import os
import pty
import re
import subprocess

import numpy as np
import onnx
import pytest
from runs import COUNTS
from tiny_images import COMMAND, p2p, read_safetensors, write_classes, write_data_set

FILES = {
    "classes.txt",
    "counts.npy",
    "log.csv",
    "model.onnx",
    "model.safetensors",
    "run.json",
    *(f"{part}_{what}.npy" for part in ("train", "train_augmented", "test")
      for what in ("scores", "labels")),
}  # fmt: skip


def stand_still(place, *options, augment="none", out="run"):
    """One step with all rows that changes no weight: the loss of the first weights."""
    options = ("--lr", 1e-20, "--epochs", 1, "--augment", augment, *options)
    return place.train(*options, batch=64, out=out)


def log_softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def of_label(values, labels):
    return values[np.arange(len(labels)), labels]


def accuracy(run, part):
    return np.mean(run.load(f"{part}_scores").argmax(axis=1) == run.load(f"{part}_labels"))


class TestRun:
    """An mlp, trained a little with held-out rows and features."""

    TAU = 0.7
    KEPT = (24, 10, 4)

    @pytest.fixture(scope="class")
    def run(self, shared):
        return shared.train("--loss", f"la:{self.TAU}", "--holdout", 0.2, "--features", "--seed", 5,
                            "--epochs", 2, "--lr", 0.003, "--no-bias-decay")  # fmt: skip

    def test_the_folder_holds_all_files_and_no_others(self, run):
        parts = ("train", "train_augmented", "holdout", "test")
        of_parts = {f"{p}_{what}.npy" for p in parts for what in ("scores", "labels", "features")}
        assert run.files == FILES | of_parts

    def test_counts_are_those_of_the_training_rows(self, run):
        counts = run.load("counts")
        assert counts.dtype == np.int64
        assert counts.tolist() == np.bincount(run.load("train_labels")).tolist()

    def test_held_out_rows_have_the_same_prior(self, run):
        assert tuple(run.load("counts")) == self.KEPT
        kept_apart = np.bincount(run.load("holdout_labels"))
        assert (kept_apart + self.KEPT).tolist() == list(COUNTS)

    @pytest.mark.parametrize(
        ("part", "rows"), [("train", 38), ("train_augmented", 38), ("holdout", 9), ("test", 18)]
    )
    def test_scores_labels_and_features_have_a_row_for_each_image(self, run, part, rows):
        kinds = {"scores": ("float32", (rows, 3)), "labels": ("int64", (rows,)),
                 "features": ("float32", (rows, 512))}  # fmt: skip
        for what, expected in kinds.items():
            array = run.load(f"{part}_{what}")
            assert (array.dtype, array.shape) == expected

    def test_test_labels_are_in_the_order_of_the_files(self, shared, run):
        assert run.load("test_labels").tolist() == shared.test_labels.tolist()

    def test_classes_have_the_names_of_the_folders(self, run):
        assert run.bytes("classes.txt") == b"ant\nbee\ncat\n"

    def test_augmented_rows_are_the_training_rows_seen_otherwise(self, run):
        assert (run.load("train_augmented_labels") == run.load("train_labels")).all()
        differs = run.load("train_augmented_scores") != run.load("train_scores")
        assert differs.any(axis=1).mean() > 0.5

    @pytest.mark.parametrize("part", ["train", "train_augmented", "holdout", "test"])
    def test_the_head_turns_features_into_scores(self, run, part):
        model = read_safetensors(run.path / "model.safetensors")
        scores = run.load(f"{part}_features") @ model["fc.weight"].T + model["fc.bias"]
        np.testing.assert_allclose(run.load(f"{part}_scores"), scores, atol=1e-5)

    def test_every_option_is_recorded(self, run):
        assert run.record["options"] == {
            "imbalance": None, "profile": "exp", "holdout": 0.2, "resize": 0, "loss": "la:0.7",
            "mixup": 0, "label_smoothing": 0, "augment": "crop-flip", "epochs": 2, "batch": 8,
            "lr": 0.003, "schedule": "step", "momentum": 0.9, "weight_decay": 0.0002,
            "bias_decay": False, "bf16": False, "seed": 5, "weights": "", "skip_bad": 0,
            "features": True,
        }  # fmt: skip

    def test_the_record_says_what_was_trained_on_what(self, run):
        record = run.record
        version = p2p("--version").out.split()[-1]
        assert (record["format"], record["p2p"]) == (1, version)
        assert re.fullmatch(r"\d+\.\d+\.\d+\S*", record["libtorch"])
        assert (record["device"], record["threads"], record["processes"]) == ("cpu", 1, 1)
        assert (record["data"]["spec"], record["data"]["kind"]) == ("data", "folder")
        assert (record["network"]["name"], record["network"]["cosine_head"]) == ("mlp", False)
        model = read_safetensors(run.path / "model.safetensors")
        assert record["trained_numbers"] == sum(array.size for array in model.values())
        assert record["classes"] == 3
        assert record["seconds"] > 0

    def test_the_training_offset_is_tau_log_pi(self, run):
        record = run.record
        assert record["trained_with"] == "la:0.7"
        pi = np.array(self.KEPT) / sum(self.KEPT)
        np.testing.assert_allclose(record["training_offset"], self.TAU * np.log(pi), atol=1e-12)

    def test_results_are_those_of_the_score_files(self, run):
        for part, result in run.record["results"].items():
            assert result["accuracy"] == pytest.approx(accuracy(run, part), abs=1e-12)
            hits = run.load(f"{part}_scores").argmax(axis=1) == run.load(f"{part}_labels")
            recalls = [hits[run.load(f"{part}_labels") == c].mean() for c in range(3)]
            assert result["many"] is None
            assert result["medium"] == pytest.approx(recalls[0], abs=1e-12)
            assert result["few"] == pytest.approx(np.mean(recalls[1:]), abs=1e-12)
        assert 0 < run.record["results"]["test"]["accuracy"] < 1

    def test_the_log_has_a_line_for_each_epoch(self, run):
        assert [line["epoch"] for line in run.log] == ["1", "2"]
        assert run.losses[1] < run.losses[0]
        seconds = [float(line["seconds"]) for line in run.log]
        assert 0 < seconds[0] < seconds[1]

    def test_the_log_has_training_and_held_out_accuracies_only(self, run):
        groups = [part + group for part in ("train", "holdout")
                  for group in ("", "_many", "_medium", "_few")]  # fmt: skip
        assert list(run.log[0]) == ["epoch", "learning_rate", "loss", *groups, "seconds"]
        expected = pytest.approx(100 * accuracy(run, "holdout"), abs=0.01)
        assert float(run.log[-1]["holdout"]) == expected

    def test_the_onnx_model_is_valid(self, run):
        onnx.checker.check_model(onnx.load(str(run.path / "model.onnx")), full_check=True)

    def test_a_head_is_retrained_on_the_features(self, shared, run):
        shared.p2p("head", "run/train_features.npy", "--labels", "run/train_labels.npy", "-o",
                   "head.safetensors")  # fmt: skip
        assert read_safetensors(shared.folder / "head.safetensors")["weight"].shape == (3, 512)
        shared.p2p("evaluate", "run/test_features.npy", "--head", "head.safetensors", "--labels",
                   "run/test_labels.npy")  # fmt: skip


class TestCorrection:
    """The other verbs on the folder of an LA run."""

    @pytest.fixture(scope="class")
    def run(self, shared):
        run = shared.train("--loss", "la", "--epochs", 2, "--lr", 0.003)
        shared.p2p("estimate", "run")
        shared.p2p("correct", "run")
        return run

    def test_estimate_takes_the_offset_from_the_record(self, shared, run):
        for loss in ("la", "ce"):
            shared.p2p("estimate", "run/train_scores.npy", "--counts", "run/counts.npy",
                       "--classes", "run/classes.txt", "--trained-with", loss,
                       "-o", f"{loss}.json")  # fmt: skip
        assert run.bytes("prior.json") == (shared.folder / "la.json").read_bytes()
        assert run.bytes("prior.json") != (shared.folder / "ce.json").read_bytes()

    def test_evaluate_agrees_with_the_record(self, shared, run):
        report = shared.p2p("evaluate", "run", "--json").json
        assert report["accuracy"] == pytest.approx(run.record["results"]["test"]["accuracy"])

    @pytest.mark.parametrize("model", ["model.safetensors", "model.onnx"])
    def test_a_baked_model_gives_the_corrected_scores(self, shared, run, model, onnxruntime):
        shared.p2p("bake", f"run/{model}", "--prior", "run/prior.json", "-o", f"baked-{model}")
        p2p("score", f"baked-{model}", "--data", "data", "-o", "scores.npy", cwd=shared.folder,
            env={"P2P_PYTHON": str(onnxruntime)})  # fmt: skip
        scores = np.load(shared.folder / "scores.npy")
        assert np.abs(scores - run.load("test_scores")).max() > 0.01
        difference = scores - run.load("test_corrected")
        np.testing.assert_allclose(difference - difference[:, :1], 0, atol=1e-5)


RUN_ONNX = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
numpy.save(sys.argv[3], session.run(["scores"], {"images": numpy.load(sys.argv[2])})[0])
"""


@pytest.mark.parametrize("network", ["mlp", "resnet20"])
def test_the_onnx_model_gives_the_scores_of_the_run(place, network, onnxruntime):
    run = place.train("--epochs", 2, network=network)
    images = place.test_images.transpose(0, 3, 1, 2).astype(np.float32) / 255
    np.save(place.folder / "images.npy", images)
    files = [run.path / "model.onnx", place.folder / "images.npy", place.folder / "scores.npy"]
    subprocess.run([onnxruntime, "-c", RUN_ONNX, *files], check=True)
    np.testing.assert_allclose(np.load(files[2]), run.load("test_scores"), atol=1e-4)


def test_without_held_out_rows_and_features_there_are_no_files_of_them(place):
    run = place.train("--epochs", 1)
    assert run.files == FILES
    assert run.log[0]["holdout"] == ""


def test_without_augmentation_there_are_no_augmented_rows(place):
    run = place.train("--epochs", 1, "--augment", "none")
    assert run.files == {name for name in FILES if "augmented" not in name}


class TestLosses:
    """The loss that is logged of a network that stands still, and the offset that is recorded."""

    N = np.array(COUNTS)
    PI = N / N.sum()
    WEIGHTS = (1 - 0.9999) / (1 - 0.9999**N)
    WEIGHTS *= 3 / WEIGHTS.sum()
    WEIGHTS_OF_ROWS = WEIGHTS / (PI @ WEIGHTS)
    MARGINS = 30 * 0.5 * (N.min() / N) ** 0.25

    @staticmethod
    def cross_entropy(z, y):
        return -of_label(log_softmax(z), y)

    @classmethod
    def focal(cls, z, y):
        loss = cls.cross_entropy(z, y)
        return (1 - np.exp(-loss)) ** 2 * loss

    @classmethod
    def expected(cls, loss, z, y):
        """Of each row; and the offset."""
        margins = np.eye(3)[y] * cls.MARGINS[y][:, None]
        log_pi, none = np.log(cls.PI), np.zeros(3)
        return {
            "ce": lambda: (cls.cross_entropy(z, y), none),
            "la": lambda: (cls.cross_entropy(z + log_pi, y), log_pi),
            "la:0.5": lambda: (cls.cross_entropy(z + 0.5 * log_pi, y), 0.5 * log_pi),
            "balanced-softmax": lambda: (cls.cross_entropy(z + np.log(cls.N), y), np.log(cls.N)),
            "ldam": lambda: (cls.cross_entropy(z - margins, y), none),
            "ldam-drw": lambda: (cls.cross_entropy(z - margins, y), -np.log(cls.WEIGHTS_OF_ROWS)),
            "vs": lambda: (
                cls.cross_entropy((cls.N / 30) ** 0.15 * z + 1.25 * log_pi, y),
                1.25 * log_pi,
            ),
            "focal": lambda: (cls.focal(z, y), none),
            "cb": lambda: (cls.WEIGHTS[y] * cls.cross_entropy(z, y), -np.log(cls.WEIGHTS)),
        }[loss]()

    ALL = ("ce", "la", "la:0.5", "balanced-softmax", "ldam", "ldam-drw", "vs", "focal", "cb")

    @pytest.mark.parametrize("loss", ALL)
    def test_loss_and_offset_are_those_of_the_formula(self, shared, loss):
        run = stand_still(shared, "--loss", loss, out=f"still-{loss}")
        z = run.load("train_scores").astype(np.float64)
        rows, offset = self.expected(loss, z, run.load("train_labels"))
        assert run.losses[0] == pytest.approx(rows.mean(), rel=1e-5, abs=1e-6)
        np.testing.assert_allclose(run.record["training_offset"], offset, atol=1e-12)

    @pytest.mark.parametrize("loss", ALL)
    def test_training_lowers_it(self, shared, loss):
        run = shared.train("--loss", loss, "--epochs", 3, "--lr", 0.01, "--schedule", "cosine",
                           out=f"trained-{loss}")  # fmt: skip
        assert run.losses[-1] < run.losses[0]

    def test_label_smoothing_spreads_a_share_over_all_classes(self, shared):
        run = stand_still(shared, "--label-smoothing", 0.3, out="smoothed")
        log_p = log_softmax(run.load("train_scores").astype(np.float64))
        rows = -0.7 * of_label(log_p, run.load("train_labels")) - 0.3 * log_p.mean(axis=1)
        assert run.losses[0] == pytest.approx(rows.mean(), abs=2e-6)


class TestImages:
    """What training does to images shows in the loss of a network that stands still."""

    @pytest.fixture(scope="class")
    def as_they_are(self, shared):
        return stand_still(shared, out="still").losses

    @pytest.mark.parametrize("augment", ["crop-flip", "autoaugment"])
    def test_augmentation_changes_them(self, shared, as_they_are, augment):
        assert stand_still(shared, augment=augment, out=augment).losses != as_they_are

    def test_mixup_mixes_them(self, shared, as_they_are):
        assert stand_still(shared, "--mixup", 0.5, out="mixed").losses != as_they_are


def test_a_cosine_head_scores_by_the_angle(place):
    run = place.train("--cosine-head", "--features", "--epochs", 1)
    weight = read_safetensors(run.path / "model.safetensors")["fc.weight"]
    features = run.load("test_features")
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    cosines = features @ (weight / np.linalg.norm(weight, axis=1, keepdims=True)).T
    np.testing.assert_allclose(run.load("test_scores"), 30 * cosines, atol=1e-4)
    assert run.record["network"]["cosine_head"] is True


@pytest.mark.parametrize(("profile", "counts"), [("exp", [20, 8, 4]), ("step", [20, 20, 4])])
def test_the_long_tail_has_its_profile(place, profile, counts):
    write_data_set(place.folder / "balanced", (20, 20, 20))
    run = place.train("--imbalance", 5, "--profile", profile, "--epochs", 1, data="balanced")
    assert run.load("counts").tolist() == counts
    assert run.record["options"]["imbalance"] == 5
    assert run.record["options"]["profile"] == profile


class TestSeed:
    """The same seed gives the same run."""

    NAMES = ("model.safetensors", "model.onnx", "train_scores.npy", "test_scores.npy")

    @pytest.fixture(scope="class")
    def run(self, shared):
        return self.train(shared, 1, "first")

    def train(self, place, seed, out, **more):
        options = ("--epochs", 2, "--mixup", 0.2, "--seed", seed)
        return place.train(*options, out=out, network="resnet20", **more)

    def test_twice_is_the_same_bytes(self, shared, run):
        again = self.train(shared, 1, "again")
        for name in self.NAMES:
            assert again.bytes(name) == run.bytes(name), name
        assert again.log_without_seconds == run.log_without_seconds

    def test_another_seed_is_another_model(self, shared, run):
        assert self.train(shared, 2, "other").bytes("model.safetensors") != run.bytes(
            "model.safetensors"
        )

    def test_test_rows_have_no_part_in_training(self, shared, run):
        data = shared.folder / "other"
        write_data_set(data, COUNTS, (3, 2, 1))
        other = self.train(shared, 1, "other-test", data="other")
        assert other.bytes("model.safetensors") == run.bytes("model.safetensors")
        assert other.log_without_seconds == run.log_without_seconds
        assert other.bytes("test_scores.npy") != run.bytes("test_scores.npy")


class TestWeights:
    """A run that starts from the weights of another."""

    @pytest.fixture(scope="class")
    def first(self, shared):
        return shared.train("--epochs", 3, "--lr", 0.02, out="first")

    def tensors(self, run):
        return read_safetensors(run.path / "model.safetensors")

    def test_the_first_loss_is_that_of_the_trained_weights(self, shared, first):
        weights = ["--weights", "first/model.safetensors"]
        second = shared.train("--epochs", 1, "--lr", 0.02, *weights, out="second")
        assert second.losses[0] < first.losses[0]
        assert second.record["options"]["weights"] == "first/model.safetensors"

    def test_with_other_classes_all_but_the_head_is_taken(self, shared, first):
        for part in ("train", "test"):
            write_classes(shared.folder / "two" / part, (20, 10), seed=3)
        weights = ["--weights", "first/model.safetensors"]
        still = ["--epochs", 1, "--lr", 1e-20]
        second = shared.train(*still, *weights, data="two", out="two-from-first")
        fresh = shared.train(*still, data="two", out="two-from-seed")
        assert "the head starts at random" in second.outcome.err
        for name, value in self.tensors(second).items():
            source = fresh if name.startswith("fc.") else first
            np.testing.assert_array_equal(value, self.tensors(source)[name])

    def test_weights_of_another_network_are_refused(self, shared, first):
        shared.refuse("--weights", "first/model.safetensors", "--quiet", network="resnet20",
                      out="other", words=["'first/model.safetensors' has no such tensor",
                                          "resnet20 needs tensor 'conv1.weight'"])  # fmt: skip


class TestWords:
    """What is said on the way."""

    LINES = (
        r"47 training rows of 3 classes \(30 to 5 each\), 18 test rows",
        r"mlp of 363011 numbers, loss ce, on cpu",
        r"epoch 1/2  loss \d\.\d{4}  train [\d.]+  medium [\d.]+  few [\d.]+  .* left",
        r"epoch 2/2  loss .* left",
        r"train           accuracy .*",
        r"train_augmented accuracy .*",
        r"test            accuracy .*",
        r"run written to 'run'; next: p2p estimate run",
    )

    def check(self, lines):
        assert len(lines) == len(self.LINES), lines
        for line, expected in zip(lines, self.LINES, strict=True):
            assert re.fullmatch(expected, line), line

    def test_lines_are_plain_where_no_terminal_is(self, place):
        outcome = place.train("--epochs", 2).outcome
        assert outcome.out == ""
        assert "\r" not in outcome.err
        self.check(outcome.err.splitlines())

    def test_a_terminal_has_one_line_that_is_written_over(self, place):
        words = [COMMAND, *map(str, place.words("--epochs", 2))]
        ours, theirs = pty.openpty()
        with subprocess.Popen(words, cwd=place.folder, stderr=theirs) as process:
            os.close(theirs)
            text = read_all(ours)
            assert process.wait(timeout=60) == 0
        live = r"\repoch 1/2 +\d+ %  loss \d+\.\d+  \d+ images/s  \d+:\d\d left\x1b\[K"
        assert text.startswith("\rreading 'data'\x1b[K\r\x1b[K")
        assert re.search(live, text)
        *lines, end = text.split("\r\n")
        assert end == ""
        self.check([line.rsplit("\r\x1b[K", maxsplit=1)[-1] for line in lines])

    def test_quiet_says_nothing(self, place):
        outcome = place.train("--epochs", 1, "--quiet").outcome
        assert outcome.out + outcome.err == ""

    def test_words_that_nobody_can_read_do_not_stop_it(self, place):
        words = [COMMAND, *map(str, place.words("--epochs", 2))]
        with open("/dev/full", "wb") as full:
            assert subprocess.run(words, cwd=place.folder, stderr=full, timeout=60).returncode == 0
        assert len(place.run().log) == 2


def read_all(terminal):
    """What comes until the other side closes it, which Linux reports as an error."""
    parts = []
    try:
        while part := os.read(terminal, 65536):
            parts.append(part)
    except OSError:
        pass
    os.close(terminal)
    return b"".join(parts).decode()
