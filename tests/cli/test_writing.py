"""Outputs that must not be: over an input, on a full disk, from a shrinking file, after an
interrupt."""

import os
import resource
import signal
import subprocess
import threading
import time

import numpy as np
import pytest
from files import sparse_npy
from harness import COMMAND, attempt, estimate, p2p, refuse, refuse_twice, sentence, snapshot


@pytest.fixture
def linked(toy, prior):
    """A name for every input, and how to reach the same file otherwise."""

    def link(kind, target, ending):
        if kind == "same":
            return target
        name = f"link{ending}"
        if kind == "symlink":
            (toy.folder / name).symlink_to(target)
        elif kind == "hard link":
            os.link(toy.folder / target, toy.folder / name)
        else:
            name = f"../{toy.folder.name}/{target}"
        return name

    return link


LINKS = ["same", "symlink", "hard link", "other path"]


@pytest.mark.parametrize("kind", LINKS)
@pytest.mark.parametrize("verb", ["estimate", "correct"])
def test_scores_are_never_overwritten(toy, linked, verb, kind):
    output = linked(kind, "logits.npy", ".npy")
    args = ["--prior", "prior.json"] if verb == "correct" else []
    refuse(toy.folder, verb, "logits.npy", *args, "-o", output, words=["logits.npy", "same file"])


@pytest.mark.parametrize("kind", LINKS)
def test_a_merged_prior_is_never_overwritten(toy, linked, kind):
    output = linked(kind, "prior.json", ".json")
    refuse(toy.folder, "merge", "prior.json", "-o", output, words=["prior.json", "same file"])


INPUTS = {
    "--labels": ("estimate", "labels.npy", []),
    "--counts": ("estimate", "counts.npy", []),
    "--classes": ("estimate", "names.txt", []),
    "--trained-with": ("estimate", "weights:w.txt", []),
    "--prior": ("correct", "prior.json", []),
    "--target": ("correct", "t.txt", ["--prior", "prior.json"]),
}


@pytest.mark.parametrize("option", INPUTS)
def test_no_other_input_is_overwritten(toy, prior, option):
    verb, value, more = INPUTS[option]
    (toy.folder / "names.txt").write_text("ant\nbee\ncat\ndog\neel\n")
    for name in ("w.txt", "t.txt"):
        (toy.folder / name).write_text("1\n2\n3\n4\n5\n")
    output = value.removeprefix("weights:")
    if verb == "correct":  # whose output must have the ending of a score file
        os.link(toy.folder / output, toy.folder / "link.npy")
        output = "link.npy"
    refuse(toy.folder, verb, "logits.npy", option, value, *more, "-o", output, words=["same file"])


def test_members_of_an_archive_protect_it(toy):
    np.savez(toy.folder / "all.npz", scores=toy.logits)
    estimate("logits.npy", cwd=toy.folder)
    refuse(toy.folder, "correct", "all.npz:scores", "--prior", "prior.json", "-o", "all.npz",
           words=["all.npz", "same file"])  # fmt: skip


def test_files_of_folders_and_lists_are_protected(toy, prior):
    (toy.folder / "in").mkdir()
    np.save(toy.folder / "in" / "a.npy", toy.logits)
    (toy.folder / "list.txt").write_text("in/a.npy\n")
    for scores in ("in", "@list.txt"):
        refuse(toy.folder, "correct", scores, "--prior", "prior.json", "-o", "in/a.npy",
               words=["in/a.npy", "same file"])  # fmt: skip


# --- full disks ---


@pytest.mark.parametrize("verb", ["estimate", "correct", "merge"])
def test_a_full_device_is_said(toy, prior, verb):
    args = {"estimate": ["logits.npy"], "correct": ["logits.npy", "--prior", "prior.json"],
            "merge": ["prior.json"]}[verb]  # fmt: skip
    refuse(toy.folder, verb, *args, "-o", "/dev/full", words=["/dev/full", "disk is full"])


@pytest.mark.parametrize("verb", ["estimate", "evaluate", "inspect"])
def test_a_full_standard_output_is_said(toy, prior, verb):
    args = {"estimate": ["logits.npy", "-o", "-"], "inspect": ["prior.json"],
            "evaluate": ["logits.npy", "--labels", "labels.npy"]}[verb]  # fmt: skip
    with open("/dev/full", "wb") as full:
        process = subprocess.run([COMMAND, verb, *args, "--quiet"], cwd=toy.folder, stdout=full,
                                 stderr=subprocess.PIPE)  # fmt: skip
    assert process.returncode == 3, process
    assert len(process.stderr.splitlines()) == 1


@pytest.mark.parametrize("stderr", ["full", "closed"])
def test_words_that_nobody_can_read_cost_nothing(toy, prior, stderr):
    def run(*args):
        with open("/dev/full", "wb") as full:
            return subprocess.run([COMMAND, *args], cwd=toy.folder, stdout=subprocess.PIPE,
                                  stderr=full, preexec_fn=close).returncode  # fmt: skip

    close = (lambda: os.close(2)) if stderr == "closed" else None
    p2p("correct", "logits.npy", "--prior", "prior.json", "-o", "read.npy", cwd=toy.folder)
    assert run("correct", "logits.npy", "--prior", "prior.json", "-o", "unread.npy") == 0
    assert (toy.folder / "unread.npy").read_bytes() == (toy.folder / "read.npy").read_bytes()
    assert run("correct", "none.npy", "--prior", "prior.json", "-o", "x.npy") == 3
    assert run("correct", "--nonsense") == 2


def test_a_closed_standard_output_is_said(toy, prior):
    process = subprocess.run([COMMAND, "inspect", "prior.json", "--quiet"], cwd=toy.folder,
                             stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))  # fmt: skip
    assert process.returncode == 3, process
    assert len(process.stderr.splitlines()) == 1


def limited(bytes_per_file):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_per_file, bytes_per_file))


@pytest.mark.parametrize("output", ["x.npy", "x.npz", "x.safetensors", "x.csv"])
def test_a_limit_of_file_size_leaves_nothing(toy, prior, output):
    toy.save("z.npy", np.tile(toy.logits, (40, 1)))
    refuse_twice(toy.folder, "correct", "z.npy", "--prior", "prior.json", output=output,
                 words=[output, "ulimit"], preexec_fn=limited(100_000))  # fmt: skip


def test_a_limit_of_file_size_leaves_no_prior(toy):
    refuse_twice(toy.folder, "estimate", "logits.npy", output="x.json", words=["x.json"],
                 preexec_fn=limited(500))  # fmt: skip


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("mounting needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("output", ["x.npy", "x.npz", "x.safetensors", "x.csv"])
def test_a_full_disk_leaves_nothing(toy, prior, small_disk, output):
    toy.save("z.npy", np.tile(toy.logits, (80, 1)))
    outcome = attempt("correct", "z.npy", "--prior", "prior.json", "-o", small_disk / output,
                      cwd=toy.folder)  # fmt: skip
    assert outcome.code == 3, outcome
    assert "disk is full" in sentence(outcome) and output in outcome.err
    assert os.listdir(small_disk) == []


def test_a_closed_pipe_is_said_and_no_signal(toy, prior):
    toy.save("z.npy", np.tile(toy.logits, (400, 1)))
    script = f"'{COMMAND}' correct z.npy --prior prior.json -o - --quiet; echo $? > code"
    subprocess.run(["sh", "-c", f"({script}) | true"], cwd=toy.folder, stderr=subprocess.DEVNULL)
    assert (toy.folder / "code").read_text() == "3\n"


# --- inputs that change ---


@pytest.mark.parametrize("verb", ["estimate", "correct"])
@pytest.mark.parametrize("delay", [0, 0.01, 0.03, 0.1])
def test_a_file_that_shrinks_is_said_or_was_read_before(tmp_path, verb, delay):
    np.save(tmp_path / "train.npy", np.random.default_rng(0).normal(size=(50, 100)).astype("f4"))
    estimate("train.npy", cwd=tmp_path)
    path = sparse_npy(tmp_path / "z.npy", (400_000, 100))
    before = set(os.listdir(tmp_path))
    output = {"estimate": "x.json", "correct": "x.npy"}[verb]
    args = ["--prior", "prior.json"] if verb == "correct" else []

    def shrink():
        time.sleep(delay)
        os.truncate(path, 100_000)

    thread = threading.Thread(target=shrink)
    thread.start()
    outcome = attempt(verb, "z.npy", *args, "-o", output, cwd=tmp_path)
    thread.join()
    assert outcome.code in (0, 3), outcome
    if outcome.code == 3:
        assert "z.npy" in sentence(outcome)
        assert set(os.listdir(tmp_path)) == before


def test_a_file_known_to_shrink_is_said(tmp_path):
    """Standard input of an .npy that stops short is the same trouble, but certain."""
    path = sparse_npy(tmp_path / "z.npy", (400_000, 100))
    content = path.read_bytes()[:5_000_000]
    refuse(
        tmp_path, "estimate", "-", "-o", "x.json", stdin=content, words=["standard input", "row 12"]
    )


# --- interrupts ---


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("output", ["x.npy", "x.npz", "x.csv"])
def test_an_interrupt_leaves_nothing(tmp_path, output, number):
    np.save(tmp_path / "train.npy", np.random.default_rng(0).normal(size=(50, 10)).astype("f4"))
    estimate("train.npy", cwd=tmp_path)
    sparse_npy(tmp_path / "z.npy", (12_000_000, 10))
    (tmp_path / output).write_bytes(b"what an earlier run wrote")
    before = snapshot(tmp_path)
    process = subprocess.Popen([COMMAND, "correct", "z.npy", "--prior", "prior.json", "--threads", "1",
                                "--output", "log-probs", "-o", output],
                               cwd=tmp_path, stderr=subprocess.DEVNULL)  # fmt: skip
    time.sleep(0.15)
    assert process.poll() is None, "it was over too soon for this test"
    process.send_signal(number)
    assert process.wait(timeout=30) in (-number, 128 + number)
    assert snapshot(tmp_path) == before
