"""Trainings of small networks on tiny images, and what they leave."""

import csv
import json
import subprocess
import time

import numpy as np
from tiny_images import COMMAND, attempt, p2p, refuse, write_data_set

COUNTS = (30, 12, 5)
TEST_COUNTS = (6, 6, 6)


class Run:
    """The folder of a run, and what p2p train said."""

    def __init__(self, path, outcome=None):
        self.path = path
        self.outcome = outcome

    def load(self, name):
        return np.load(self.path / f"{name}.npy")

    def bytes(self, name):
        return (self.path / name).read_bytes()

    @property
    def files(self):
        return {path.name for path in self.path.iterdir()}

    @property
    def record(self):
        return json.loads((self.path / "run.json").read_text())

    @property
    def log(self):
        with (self.path / "log.csv").open() as lines:
            return list(csv.DictReader(lines))

    @property
    def log_without_seconds(self):
        return [{k: v for k, v in line.items() if k != "seconds"} for line in self.log]

    @property
    def losses(self):
        return [float(line["loss"]) for line in self.log]


class Place:
    """A folder with the data set `data` of 47 training and 18 test images, and p2p train in it."""

    def __init__(self, folder):
        self.folder = folder
        self.test_images, self.test_labels = write_data_set(folder / "data", COUNTS, TEST_COUNTS)

    @staticmethod
    def words(*options, network="mlp", batch=8, data="data", out="run", device="cpu"):
        return ["train", "--data", data, "--network", network, "--batch", batch, "--device", device,
                "--threads", 1, "-o", out, *options]  # fmt: skip

    def run(self, name="run"):
        return Run(self.folder / name)

    def train(self, *options, out="run", **more):
        outcome = p2p(*self.words(*options, out=out, **more), cwd=self.folder)
        return Run(self.folder / out, outcome)

    def stop(self, number, *options, out="run", epochs=1, **more):
        """Starts p2p train and stops it by a signal when the log has so many epochs; the status."""
        words = [COMMAND, *map(str, self.words(*options, out=out, **more))]
        log = self.folder / out / "log.csv"
        with subprocess.Popen(words, cwd=self.folder) as process:
            deadline = time.monotonic() + 60
            while not log.exists() or log.read_text().count("\n") < 1 + epochs:
                assert process.poll() is None, "it ended before it could be stopped"
                assert time.monotonic() < deadline
                time.sleep(0.002)
            process.send_signal(number)
            return process.wait(timeout=60)

    def p2p(self, *args):
        return p2p(*args, cwd=self.folder)

    def attempt(self, *options, limits=None, **more):
        return attempt(*self.words(*options, **more), cwd=self.folder, preexec_fn=limits)

    def refuse(self, *options, words, code=3, limits=None, **more):
        """One sentence with these words, and the folder stays as it was."""
        return refuse(self.folder, *self.words(*options, **more), words=words, code=code,
                      preexec_fn=limits)  # fmt: skip
