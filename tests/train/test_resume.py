"""p2p train --resume: an interrupted run goes on as if it had not been."""

import json
import shutil
import signal
import subprocess

import pytest
from harness import snapshot
from tiny_images import COMMAND, write_data_set

OPTIONS = ("--epochs", 8, "--mixup", 0.2, "--holdout", 0.1, "--quiet")
NETWORK = {"network": "resnet20"}
CHECKPOINT = "checkpoint.safetensors"


class TestStopped:
    """A resnet20, whose batch norms have a state, with all that is random in training."""

    @pytest.fixture(scope="class")
    def whole(self, shared):
        return shared.train(*OPTIONS, out="whole", **NETWORK)

    @pytest.mark.parametrize("name", ["SIGKILL", "SIGINT", "SIGTERM"])
    def test_it_ends_by_the_signal_and_goes_on_to_the_same_bytes(self, shared, whole, name):
        number = getattr(signal, name)
        assert shared.stop(number, *OPTIONS, out=name, **NETWORK) == -number
        stopped = shared.run(name)
        assert stopped.files == {CHECKPOINT, "log.csv"}
        assert 1 <= len(stopped.log) < 8
        resumed = shared.train(*OPTIONS, "--resume", out=name, **NETWORK)
        assert resumed.log_without_seconds == whole.log_without_seconds
        for file in whole.files - {"log.csv", "run.json"}:
            assert resumed.bytes(file) == whole.bytes(file), file
        assert {**resumed.record, "seconds": 0} == {**whole.record, "seconds": 0}

    def test_twice_is_no_matter(self, shared, whole):
        for epochs in (1, 3):
            shared.stop(signal.SIGKILL, *OPTIONS, "--resume", out="twice", epochs=epochs, **NETWORK)
        resumed = shared.train(*OPTIONS, "--resume", out="twice", **NETWORK)
        assert resumed.bytes("model.safetensors") == whole.bytes("model.safetensors")
        assert resumed.log_without_seconds == whole.log_without_seconds


def test_resuming_says_after_which_epoch(place):
    place.stop(signal.SIGKILL, "--epochs", 200, "--quiet")
    done = len(place.run().log)
    words = [COMMAND, *map(str, place.words("--epochs", 200, "--resume"))]
    with subprocess.Popen(words, cwd=place.folder, stderr=subprocess.PIPE) as process:
        lines = [process.stderr.readline().decode() for _ in range(4)]
        process.kill()
    assert lines[2] == f"continuing after epoch {done}\n"
    assert lines[3].startswith(f"epoch {done + 1}/200 ")


def test_resuming_nothing_starts_a_run(place):
    plain = place.train("--epochs", 1, out="plain")
    resumed = place.train("--epochs", 1, "--resume", out="resumed")
    assert "continuing" not in resumed.outcome.err
    assert resumed.bytes("model.safetensors") == plain.bytes("model.safetensors")


class TestFinished:
    """A run whose last epoch is done."""

    @pytest.fixture(scope="class", autouse=True)
    def run(self, shared):
        return shared.train("--epochs", 1)

    def test_the_same_command_with_resume_does_nothing_and_succeeds(self, shared):
        before = {name: shared.run().bytes(name) for name in shared.run().files}
        outcome = shared.train("--epochs", 1, "--resume").outcome
        assert "'run' is finished already" in outcome.err
        assert before == {name: shared.run().bytes(name) for name in shared.run().files}

    def test_other_options_are_named(self, shared):
        shared.refuse("--epochs", 2, "--quiet", "--resume", code=2,
                      words=["'run' is finished", "epochs 1, now it is 2", "-o another folder"])  # fmt: skip

    def test_it_is_not_overwritten(self, shared):
        shared.refuse("--epochs", 1, code=2, words=["'run' holds a run already", "--resume", "-o"])


@pytest.fixture(scope="class")
def interrupted(shared):
    """A run that was killed."""
    shared.stop(signal.SIGKILL, "--epochs", 300, "--quiet")
    return shared.run()


class TestInterrupted:
    """What does not continue a run."""

    def test_without_resume_it_is_left_alone(self, shared, interrupted):
        shared.refuse("--epochs", 300, code=2, words=["'run' holds a run already", "--resume"])

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--epochs", 400], ["epochs 300, now it is 400"]),
            (["--epochs", 300, "--loss", "la"], ['loss "ce", now it is "la"']),
            (["--epochs", 300, "--seed", 1], ["seed 0, now it is 1"]),
            (["--epochs", 300, "--lr", 0.2], ["lr 0.1, now it is 0.2"]),
            (["--epochs", 300, "--holdout", 0.2], ["holdout 0.0, now it is 0.2"]),
            (["--epochs", 300, "--imbalance", 2], ["imbalance null, now it is 2.0"]),
            (["--epochs", 300, "--cosine-head"], ["cosine_head false, now it is true"]),
        ],
        ids=lambda value: " ".join(map(str, value)),
    )
    def test_other_options_are_named(self, shared, interrupted, options, words):
        words += ["'run/checkpoint.safetensors' was made with", "continue with what it was made"]
        shared.refuse(*options, "--resume", "--quiet", words=words)

    def test_another_network_is_named(self, shared, interrupted):
        shared.refuse("--epochs", 300, "--resume", "--quiet", **NETWORK,
                      words=['network name "mlp", now it is "resnet20"'])  # fmt: skip

    def test_other_images_are_named(self, shared, interrupted):
        write_data_set(shared.folder / "other", (30, 12, 6))
        shared.refuse("--epochs", 300, "--resume", "--quiet", data="other", words=['with data "'])

    def test_folders_may_have_moved(self, shared, interrupted):
        shutil.copytree(interrupted.path, shared.folder / "moved")
        shutil.copytree(shared.folder / "data", shared.folder / "same")
        before = len(shared.run("moved").log)
        shared.stop(signal.SIGKILL, "--epochs", 300, "--quiet", "--resume", data="same",
                    out="moved", epochs=before + 1)  # fmt: skip
        assert shared.run("moved").log[:before] == interrupted.log[:before]


def tamper(metadata):
    """A checkpoint whose own words are others."""

    def change(content):
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        header["__metadata__"]["p2p.checkpoint"] = metadata
        text = json.dumps(header).encode()
        return len(text).to_bytes(8, "little") + text + content[8 + size :]

    return change


class TestDamaged:
    """A checkpoint that cannot be read gets a sentence and is kept."""

    @pytest.mark.parametrize(
        "damage",
        [
            lambda content: b"",
            lambda content: b"no checkpoint",
            lambda content: content[:1000],
            lambda content: content[:-1],
            lambda content: b"\xff" * 8 + content[8:],
            tamper("no JSON"),
            tamper("[]"),
            tamper('{"identity": {}}'),
            tamper('{"identity": 3}'),
        ],
        ids=["empty", "text", "header cut", "cut", "size", "no JSON", "list", "not it", "a number"],
    )
    def test_resuming_is_refused(self, shared, interrupted, damage):
        checkpoint = interrupted.path / CHECKPOINT
        content = checkpoint.read_bytes()
        checkpoint.write_bytes(damage(content))
        try:
            text = shared.refuse("--epochs", 300, "--quiet", "--resume", words=[CHECKPOINT])
            assert len(text) < 400
        finally:
            checkpoint.write_bytes(content)

    def test_the_weights_of_a_run_are_no_checkpoint(self, shared):
        run = shared.train("--epochs", 1, out="done")
        (shared.folder / "copied").mkdir()
        shutil.copy(run.path / "model.safetensors", shared.folder / "copied" / CHECKPOINT)
        before = snapshot(shared.folder / "copied")
        shared.refuse("--epochs", 1, "--quiet", "--resume", out="copied",
                      words=["'copied/checkpoint.safetensors' is no checkpoint of"])  # fmt: skip
        assert snapshot(shared.folder / "copied") == before
