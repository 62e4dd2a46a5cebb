"""Training on a GPU; skipped where there is none."""

import os
import signal

import numpy as np
import pytest
from test_processes import finish, free_port, losses, read_log, start, wait_for_epochs
from tiny_images import attempt, p2p, write_data_set

# Convolutions multiply in TF32 otherwise, with 10 bits.
FULL_FLOATS = {"NVIDIA_TF32_OVERRIDE": "0"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With a data set of 47 training rows in `data`."""
    folder = tmp_path_factory.mktemp("cuda")
    write_data_set(folder / "data", (30, 12, 5), (6, 6, 6))
    outcome = attempt(*words("mlp", 8, 1), "-o", "probe", cwd=folder)
    if outcome.code == 2 and "no GPU" in outcome.err:
        pytest.skip("LibTorch sees no GPU")
    assert outcome.code == 0, outcome
    return folder


def words(network, batch, epochs):
    return ["train", "--data", "data", "--network", network, "--batch", batch, "--epochs", epochs,
            "--lr", 0.02, "--threads", 1, "--device", "cuda"]  # fmt: skip


@pytest.mark.parametrize("how", [[], ["--bf16", "--mixup", 0.2], ["--augment", "autoaugment"]],
                         ids=["plain", "bf16", "autoaugment"])  # fmt: skip
def test_a_network_learns_and_scores_as_the_processor_does(folder, how):
    run = folder / "-".join(map(str, ["learns", *how]))
    outcome = p2p(*words("resnet20", 8, 20), "--holdout", 0.2, *how, "-o", run, cwd=folder)
    assert "warning" not in outcome.err
    assert losses(run)[-1] < 0.6 * losses(run)[0]
    p2p("score", run / "model.safetensors", "--data", "data", "--part", "test", "--device", "cpu",
        "-o", run / "here.npy", cwd=folder)  # fmt: skip
    here, there = np.load(run / "here.npy"), np.load(run / "test_scores.npy")
    np.testing.assert_allclose(there, here, atol=1e-3 * np.abs(here).max())


def test_the_last_epoch_killed_is_taken_again(folder):
    """Other bits: a GPU adds in an order of its own."""
    p2p(*words("mlp", 8, 60), "-o", "whole", cwd=folder)
    process = start(*words("mlp", 8, 60), "-o", "killed", rank=0, size=1, port=0, cwd=folder)
    wait_for_epochs(folder / "killed", process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(read_log(folder / "killed")) < 60
    p2p(*words("mlp", 8, 60), "--resume", "-o", "killed", cwd=folder)
    np.testing.assert_allclose(losses(folder / "killed"), losses(folder / "whole"), rtol=0.05)


class TestTwoProcessesOnOneGpu:
    """NCCL refuses two on one GPU of a machine, so they pass for two machines."""

    @staticmethod
    def place(rank, size, port):
        return {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": 0, "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port, "NCCL_HOSTID": f"machine {rank}", "NCCL_SOCKET_IFNAME": "lo",
                "NCCL_DEBUG": "VERSION", **FULL_FLOATS}  # fmt: skip

    def begin(self, folder, run, network, epochs, *more):
        port = free_port()
        return [start(*words(network, 8, epochs), *more, "-o", run, rank=rank, size=2, port=port,
                      cwd=folder, place=self.place) for rank in range(2)]  # fmt: skip

    @pytest.mark.parametrize(("network", "bound"), [("mlp", 1e-3), ("resnet20", 1e-2)])
    def test_losses_are_those_of_one_with_the_doubled_batch(self, folder, network, bound):
        p2p(*words(network, 16, 3), "-o", f"one-{network}", cwd=folder, env=FULL_FLOATS)
        outcomes = [finish(process) for process in self.begin(folder, f"two-{network}", network, 3)]
        assert [outcome.code for outcome in outcomes] == [0, 0], outcomes
        assert "NCCL version" in outcomes[0].out, "built without CUDA's headers"
        two, one = losses(folder / f"two-{network}"), losses(folder / f"one-{network}")
        np.testing.assert_allclose(two, one, rtol=bound)

    def test_when_one_is_killed_the_other_says_so(self, folder):
        first, second = self.begin(folder, "lost", "mlp", 3000, "--quiet")
        wait_for_epochs(folder / "lost", second)
        os.kill(second.pid, signal.SIGKILL)
        second.wait()
        outcome = finish(first)
        assert outcome.code == 3, outcome
        (line,) = outcome.err.splitlines()
        assert line.startswith("p2p: process 0 of 2 lost the others")
