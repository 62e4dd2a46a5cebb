"""Training by several processes, each on its share of every batch."""

import contextlib
import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from tiny_images import COMMAND, Outcome, attempt, p2p, read_safetensors, sentence, write_data_set

# Relative difference of losses and absolute difference of weights between two processes and one
# with the doubled batch. Measured: losses equal in the six digits of log.csv; weights 1.5e-8 and
# 1.7e-6, the latter of a running variance of 2.8.
BOUNDS = {"mlp": (1e-5, 1e-6), "resnet20": (5e-5, 5e-5)}

VARIABLES = ["RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"]
VARIABLES += ["OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """29 training rows: the last batch of an epoch is uneven."""
    folder = tmp_path_factory.mktemp("data")
    write_data_set(folder)
    return folder


@pytest.fixture(autouse=True, scope="session")
def no_processes_around():
    for name in VARIABLES:
        os.environ.pop(name, None)


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def torchrun_place(rank, size, port):
    return {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": rank,
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}  # fmt: skip


def mpirun_place(rank, size, port):
    return {"OMPI_COMM_WORLD_RANK": rank, "OMPI_COMM_WORLD_SIZE": size,
            "OMPI_COMM_WORLD_LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port}  # fmt: skip


def options(data, network="mlp", batch=8, epochs=3):
    return ["train", "--data", data, "--network", network, "--batch", batch, "--epochs", epochs,
            "--threads", 1, "--device", "cpu"]  # fmt: skip


def start(*args, rank, size, port, cwd, place=torchrun_place):
    env = {**os.environ, **{name: str(value) for name, value in place(rank, size, port).items()}}
    return subprocess.Popen([COMMAND, *map(str, args)], cwd=cwd, env=env, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def finish(process):
    """What came of it, within a time in which nothing has to wait for a time-out."""
    try:
        out, err = process.communicate(timeout=100)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Outcome(subprocess.CompletedProcess(process.args, process.returncode, out, err))


def together(*args, folders, more=None, **given):
    """One process in each folder, each with its own arguments `more`; their outcomes."""
    port = free_port()
    more = more or [()] * len(folders)
    started = [start(*args, *own, rank=rank, size=len(folders), port=port, cwd=folder, **given)
               for rank, (folder, own) in enumerate(zip(folders, more))]  # fmt: skip
    return [finish(process) for process in started]


def train_two(*args, folders, **given):
    outcomes = together(*args, folders=folders, **given)
    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes
    return outcomes


def read_log(run):
    with (run / "log.csv").open() as lines:
        return list(csv.DictReader(lines))


def wait_for_epochs(run, process, epochs=3):
    """Until the log of the run that `process` takes part in has so many."""
    log = run / "log.csv"
    deadline = time.monotonic() + 60
    while not log.exists() or log.read_text().count("\n") < 1 + epochs:
        assert time.monotonic() < deadline
        assert process.poll() is None, finish(process)
        time.sleep(0.005)


def losses(run):
    return np.array([float(line["loss"]) for line in read_log(run)])


def model_bytes(run):
    return (run / "model.safetensors").read_bytes()


class TestTwoProcesses:
    """Of mlp and resnet20, beside one process with the doubled batch."""

    @pytest.fixture(scope="class", params=BOUNDS)
    def runs(self, request, data, tmp_path_factory):
        folder = tmp_path_factory.mktemp("runs")
        rest = ["--holdout", 0.2, "--lr", 0.05]
        p2p(*options(data, request.param, batch=16), *rest, "-o", "one", cwd=folder)
        outcomes = train_two(*options(data, request.param, batch=8), *rest, "-o", "two",
                             folders=[folder, folder])  # fmt: skip
        return request.param, folder / "one", folder / "two", outcomes

    def test_losses_are_those_of_one_process_with_the_doubled_batch(self, runs):
        network, one, two, _ = runs
        assert len(losses(one)) == 3
        np.testing.assert_allclose(losses(two), losses(one), rtol=BOUNDS[network][0])

    def test_weights_are_those_of_one_process_with_the_doubled_batch(self, runs):
        network, one, two, _ = runs
        expected = read_safetensors(one / "model.safetensors")
        found = read_safetensors(two / "model.safetensors")
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=0, atol=BOUNDS[network][1])

    def test_hits_of_training_and_held_out_rows_are_counted_once(self, runs):
        _, one, two, _ = runs
        for line, expected in zip(read_log(two), read_log(one)):
            for column in ("train", "train_few", "holdout", "holdout_few"):
                assert line[column] == expected[column], column

    def test_only_the_first_speaks(self, runs):
        first, second = runs[3]
        assert "2 processes" in first.err
        assert first.err.count("epoch 3/3") == 1
        assert second.out + second.err == ""

    def test_the_record_says_how_many_trained(self, runs):
        record = json.loads((runs[2] / "run.json").read_text())
        assert record["processes"] == 2


class TestEnvironment:
    """What says which of how many a process is."""

    def test_variables_of_mpirun_do_as_those_of_torchrun(self, data, tmp_path):
        for place in (torchrun_place, mpirun_place):
            train_two(*options(data), "-o", place.__name__, folders=[tmp_path] * 2, place=place)
        mpirun, torchrun = tmp_path / "mpirun_place", tmp_path / "torchrun_place"
        assert json.loads((mpirun / "run.json").read_text())["processes"] == 2
        assert model_bytes(mpirun) == model_bytes(torchrun)

    def test_one_process_of_one_needs_no_meeting_place(self, data, tmp_path):
        env = {"RANK": "0", "WORLD_SIZE": "1"}
        p2p(*options(data), "-o", "one", cwd=tmp_path, env=env)
        p2p(*options(data), "-o", "plain", cwd=tmp_path)
        assert model_bytes(tmp_path / "one") == model_bytes(tmp_path / "plain")

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"MASTER_ADDR": None}, ["2 processes", "MASTER_ADDR", "-x"]),
            ({"MASTER_PORT": "70000"}, ["MASTER_PORT"]),
            ({"RANK": "2"}, ["RANK and WORLD_SIZE", "below"]),
            ({"WORLD_SIZE": None}, ["RANK and WORLD_SIZE", "sets both"]),
            ({"RANK": "abc"}, ["RANK is 'abc'", "expected a number"]),
            ({"WORLD_SIZE": "-2"}, ["WORLD_SIZE is '-2'", "expected a number"]),
        ],
    )
    def test_variables_that_make_no_sense_are_refused(self, data, tmp_path, change, words):
        place = {**torchrun_place(1, 2, 29500), **change}
        env = {name: str(value) for name, value in place.items() if value is not None}
        outcome = attempt(*options(data), "-o", "run", cwd=tmp_path, env=env)
        assert outcome.code == 2, outcome
        for word in words:
            assert word in sentence(outcome)
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("how", [["--master_port"], ["--standalone"]], ids=["static", "standalone"])
def test_torchrun_starts_it(data, tmp_path, how):
    """Its own port is the meeting place under the first, one of process 0 under the second."""
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    port = [free_port()] if how == ["--master_port"] else []
    # PyTorch 1.13 cannot read its own default of the last three under Python 3.11.
    started = [*torchrun, *how, *port, "--nproc_per_node", 2, "--redirects", 1, "--tee", 1,
               "--log_dir", "log", "--no_python", COMMAND]  # fmt: skip
    done = subprocess.run([*map(str, [*started, *options(data), "-o", "run"])], cwd=tmp_path,
                          capture_output=True, timeout=100, check=False)  # fmt: skip
    if b"No module named" in done.stderr:
        pytest.skip("this Python has no torch.distributed.run")
    if b"without libuv support" in done.stderr:
        pytest.skip("this torchrun starts nothing: it asks for libuv, and its PyTorch has none")
    assert done.returncode == 0, done.stderr.decode()
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["processes"] == 2


class TestMachinesOfTheirOwn:
    """Processes that share no folder: the second stands in another one."""

    @pytest.fixture
    def folders(self, tmp_path):
        folders = [tmp_path / "first", tmp_path / "second"]
        for folder in folders:
            folder.mkdir()
        return folders

    def test_the_first_alone_reads_the_weights_to_start_from(self, data, folders):
        p2p(*options(data, epochs=1), "--seed", 7, "-o", "other", cwd=folders[0])
        weights = ["--weights", "other/model.safetensors", "-o", "run"]
        train_two(*options(data), *weights, folders=folders)
        p2p(*options(data, batch=16), *weights[:-1], "one", cwd=folders[0])
        np.testing.assert_allclose(losses(folders[0] / "run"), losses(folders[0] / "one"),
                                   rtol=BOUNDS["mlp"][0])  # fmt: skip

    def test_the_first_alone_writes(self, data, folders):
        train_two(*options(data), "-o", "run", folders=folders)
        assert (folders[0] / "run" / "model.safetensors").exists()
        assert not [path for path in folders[1].rglob("*") if path.is_file()]

    def test_other_options_are_refused_by_name(self, data, folders):
        first, second = together(*options(data), "-o", "run", folders=folders,
                                 more=[["--quiet"], ["--lr", 0.3]])  # fmt: skip
        assert (first.code, second.code) == (3, 2)
        assert "process 1" in sentence(second)
        assert "lr 0.1, now it is 0.3" in sentence(second)
        assert "lost the others" in sentence(first)

    def test_when_the_first_refuses_the_others_end(self, data, folders):
        p2p(*options(data, epochs=1), "-o", "run", cwd=folders[0])
        first, second = together(*options(data), "-o", "run", folders=folders)
        assert (first.code, second.code) == (2, 3)
        assert "holds a run already" in sentence(first)
        # The first may be gone before the second has met it.
        assert re.search("lost the others|cannot meet the others", sentence(second))

    def test_a_loss_that_is_no_number_stops_all_and_keeps_the_checkpoint(self, data, folders):
        outcomes = together(*options(data), "--lr", 1e30, "--quiet", "-o", "run", folders=folders)
        for outcome in outcomes:
            assert outcome.code == 3, outcome
            assert "in step" in sentence(outcome)
        assert (folders[0] / "run" / "checkpoint.safetensors").exists()


class TestKilled:
    """The second of two processes, by kill -9 after some epochs."""

    EPOCHS = 100

    @pytest.fixture(scope="class")
    def place(self, data, tmp_path_factory):
        folder = tmp_path_factory.mktemp("killed")
        again = [*options(data, epochs=self.EPOCHS), "--quiet", "--resume", "-o"]
        port = free_port()
        first, second = [start(*again, "run", rank=rank, size=2, port=port, cwd=folder)
                         for rank in range(2)]  # fmt: skip
        wait_for_epochs(folder / "run", second)
        second.send_signal(signal.SIGKILL)
        finish(second)
        outcome = finish(first)
        assert len(losses(folder / "run")) < self.EPOCHS
        return folder, again, outcome

    def test_the_other_ends_with_a_sentence(self, place):
        outcome = place[2]
        assert outcome.code == 3, outcome
        assert "process 0 of 2 lost the others" in sentence(outcome)
        assert "--resume" in sentence(outcome)

    def test_another_number_of_processes_does_not_continue(self, place):
        folder, again, _ = place
        outcome = attempt(*again, "run", cwd=folder)
        assert outcome.code == 3, outcome
        assert "processes 2, now it is 1" in sentence(outcome)

    def test_resuming_gives_the_bytes_of_an_uninterrupted_run(self, place):
        folder, again, _ = place
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir()
        train_two(*again, "run", folders=[folder, elsewhere])
        train_two(*again, "whole", folders=[folder, folder])
        for name in ("model.safetensors", "train_scores.npy", "test_scores.npy"):
            assert (folder / "run" / name).read_bytes() == (folder / "whole" / name).read_bytes()
        columns = [column for column in read_log(folder / "run")[0] if column != "seconds"]
        resumed, whole = ([[line[column] for column in columns] for line in read_log(folder / run)]
                          for run in ("run", "whole"))  # fmt: skip
        assert resumed == whole
        assert len(whole) == self.EPOCHS
