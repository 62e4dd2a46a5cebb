"""Peak resident memory does not grow with the number of rows."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from files import npy_bytes, sparse_npy
from harness import COMMAND, estimate

KIB_ALLOWED = 64 << 10
KIB_PER_THREAD_AND_CLASS = 0.25

MEASURE = """
import json, resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(json.dumps([code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
"""


def peak_kib(*args, cwd, code=0):
    """Of p2p alone, run by a fresh interpreter."""
    process = subprocess.run([sys.executable, "-S", "-c", MEASURE, COMMAND, *map(str, args)], cwd=cwd,
                             capture_output=True, check=True)  # fmt: skip
    found, peak = json.loads(process.stdout)
    assert found == code, process.stderr.decode()
    return peak


def allowed(classes, threads=2):
    return KIB_ALLOWED + threads * classes * KIB_PER_THREAD_AND_CLASS


@pytest.fixture
def prior_of(tmp_path):
    def make(classes):
        np.save(tmp_path / "train.npy", np.zeros((4, classes), "f4"))
        estimate("train.npy", cwd=tmp_path)
        return tmp_path

    return make


def test_estimate_of_a_file_of_1500_megabytes(tmp_path):
    sparse_npy(tmp_path / "z.npy", (375_000, 1000))
    assert peak_kib("estimate", "z.npy", "--threads", 2, "-o", "x.json", cwd=tmp_path) < allowed(
        1000
    )


def test_correct_of_a_file_of_1500_megabytes(prior_of):
    folder = prior_of(1000)
    sparse_npy(folder / "z.npy", (375_000, 1000))
    peak = peak_kib(
        "correct", "z.npy", "--prior", "prior.json", "--threads", 2, "-o", "x.npy", cwd=folder
    )
    os.unlink(folder / "x.npy")
    assert peak < allowed(1000)


@pytest.mark.parametrize("verb", ["estimate", "correct"])
def test_fortran_order(prior_of, verb):
    folder = prior_of(100)
    sparse_npy(folder / "z.npy", (500_000, 100), fortran_order=True)
    args = ["--prior", "prior.json", "-o", "x.npy"] if verb == "correct" else ["-o", "x.json"]
    assert peak_kib(verb, "z.npy", *args, "--threads", 2, cwd=folder) < allowed(100)


@pytest.mark.parametrize("verb", ["estimate", "correct"])
def test_images_with_the_classes_in_the_middle(prior_of, verb):
    folder = prior_of(21)
    sparse_npy(folder / "z.npy", (10, 21, 512, 512))
    args = ["--prior", "prior.json", "-o", "x.npy"] if verb == "correct" else ["-o", "x.json"]
    peak = peak_kib(verb, "z.npy", "--class-axis", 1, *args, "--threads", 2, cwd=folder)
    assert peak < allowed(21)


@pytest.mark.parametrize("order", "CF")
def test_a_deflated_archive(tmp_path, order):
    np.savez_compressed(tmp_path / "z.npz", scores=np.zeros((500_000, 100), "f4", order))
    assert peak_kib("estimate", "z.npz", "--threads", 2, "-o", "x.json", cwd=tmp_path) < allowed(
        100
    )


def test_text(tmp_path):
    row = ",".join(["-0.25"] * 99 + ["1000.5"]) + "\n"
    (tmp_path / "z.csv").write_text(row * 200_000)
    assert peak_kib("estimate", "z.csv", "--threads", 2, "-o", "x.json", cwd=tmp_path) < allowed(
        100
    )


def test_labels_of_millions_of_rows(tmp_path):
    sparse_npy(tmp_path / "z.npy", (10_000_000, 4), "float16")
    sparse_npy(tmp_path / "y.npy", (10_000_000,), "int64")
    peak = peak_kib(
        "estimate", "z.npy", "--labels", "y.npy", "--threads", 2, "-o", "x.json", cwd=tmp_path
    )
    assert peak < allowed(4)


@pytest.mark.parametrize(("replicates", "bytes_a_row"), [(0, 28), (4, 30)])
def test_evaluate_holds_few_bytes_a_row(tmp_path, replicates, bytes_a_row):
    rows = 3_000_000
    sparse_npy(tmp_path / "z.npy", (rows, 10), "float16")
    sparse_npy(tmp_path / "y.npy", (rows,), "uint8")
    peak = peak_kib("evaluate", "z.npy", "--labels", "y.npy", "--threads", 2, "--bootstrap",
                    replicates, cwd=tmp_path)  # fmt: skip
    assert peak < allowed(10) + bytes_a_row * rows / 1024


def test_an_archive_that_claims_much_takes_little(tmp_path):
    header = npy_bytes(np.zeros((0, 1000), "f4")).replace(b"(0, 1000)", b"(250000000, 1000)")
    (tmp_path / "z.npy").write_bytes(header + bytes(4000))
    assert peak_kib("estimate", "z.npy", "-o", "x.json", cwd=tmp_path, code=3) < 32 << 10
