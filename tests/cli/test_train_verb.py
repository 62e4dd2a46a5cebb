"""p2p train, score and data: handed over to the program p2p-train."""

import json
import os
import pathlib
import shutil
import signal
import subprocess

import harness
import pytest
from harness import COMMAND, attempt, p2p, refuse

VERBS = ["train", "score", "data"]

FAKE = """#!/usr/bin/env python3
import json, os, pathlib, sys, time
record = {"arguments": sys.argv[1:], "input": sys.stdin.read(), "pid": os.getpid()}
pathlib.Path(__file__).with_name("record.json").write_text(json.dumps(record))
print("some words", file=sys.stderr)
print("some output", flush=True)
time.sleep(float(os.environ.get("FAKE_SECONDS", 0)))
sys.exit(int(os.environ.get("FAKE_EXIT", 0)))
"""


@pytest.fixture
def fake(tmp_path):
    """A p2p-train that records how it was started and ends as it is told to."""
    program = tmp_path / "bin" / "p2p-train"
    program.parent.mkdir()
    program.write_text(FAKE)
    program.chmod(0o755)
    return program


def record(fake):
    return json.loads(fake.with_name("record.json").read_text())


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """p2p is a copy in a folder of its own: p2p-train may have been built beside it."""
    copy = tmp_path / "alone" / "p2p"
    copy.parent.mkdir()
    shutil.copy(COMMAND, copy)
    monkeypatch.setattr(harness, "COMMAND", str(copy))
    monkeypatch.setenv("P2P_TRAIN", "")
    return copy.parent


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--help"],
        ["--version"],
        ["-o", "run", "--", "-x", "", "two words", "@list", "ü"],
        ["estimate", "--json=1", "train"],
    ],
    ids=repr,
)
def test_all_arguments_are_handed_over_as_they_are(fake, verb, arguments):
    outcome = p2p(verb, *arguments, env={"P2P_TRAIN": str(fake)}, stdin=b"typed")
    assert record(fake)["arguments"] == [verb, *arguments]
    assert record(fake)["input"] == "typed"
    assert outcome.out == "some output\n" and outcome.err == "some words\n"


@pytest.mark.parametrize("code", [1, 2, 3, 42])
def test_the_exit_code_is_that_of_the_program(fake, code):
    env = {"P2P_TRAIN": str(fake), "FAKE_EXIT": str(code)}
    assert attempt("train", env=env).code == code


def test_the_program_takes_the_place_of_the_command_and_its_signals(fake):
    env = {**os.environ, "P2P_TRAIN": str(fake), "FAKE_SECONDS": "60"}
    with subprocess.Popen([COMMAND, "train"], env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # fmt: skip
        assert process.stdout.readline() == b"some output\n"
        assert record(fake)["pid"] == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == -signal.SIGTERM


def test_signals_are_left_as_they_were(fake):
    fake.write_text("#!/bin/sh\ngrep SigIgn /proc/self/status\n")
    command = [COMMAND, "train"]
    plain = subprocess.run([fake], capture_output=True, check=True)
    through = subprocess.run(command, capture_output=True, check=True,
                             env={**os.environ, "P2P_TRAIN": str(fake)})  # fmt: skip
    assert through.stdout == plain.stdout


def test_the_program_is_found_on_path(fake, alone):
    p2p("data", "list", env={"PATH": f"/none::{fake.parent}:{os.environ['PATH']}"})
    assert record(fake)["arguments"] == ["data", "list"]


def test_the_program_is_found_beside_the_command(fake, alone):
    beside = shutil.copy(fake, alone)
    p2p("score", "x")
    assert record(pathlib.Path(beside))["arguments"] == ["score", "x"]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("more", [[], ["--help"], ["--data", "cifar10"]], ids=repr)
def test_without_the_program_one_sentence_says_how_to_get_it(alone, verb, more):
    words = [
        "p2p-train",
        "cmake -DP2P_BUILD_TRAIN=ON",
        "libtorch-dev libgloo-dev libjpeg-dev libpng-dev libcurl4-openssl-dev libarchive-dev",
        "-DCMAKE_PREFIX_PATH=$(python3 -c 'import torch; print(torch.utils.cmake_prefix_path)')",
    ]
    refuse(alone, verb, *more, words=words, code=2, env={"PATH": str(alone)})


def test_a_chosen_program_that_is_none_is_named(tmp_path):
    (tmp_path / "text").write_text("not executable")
    for chosen in ("text", "nothing"):
        refuse(tmp_path, "train", words=["P2P_TRAIN", f"'{chosen}'"], code=2,
               env={"P2P_TRAIN": chosen})  # fmt: skip


def test_a_program_that_cannot_be_started_is_named(tmp_path):
    (tmp_path / "text").write_text("no program inside")
    (tmp_path / "text").chmod(0o755)
    refuse(tmp_path, "train", words=["'text' cannot be started"], code=2, env={"P2P_TRAIN": "text"})


def test_help_lists_the_verbs():
    text = p2p("--help").out
    for verb in VERBS:
        assert f"\n  {verb} " in text
    assert ", train, score, data;" in attempt("frobnicate").err


@pytest.mark.parametrize("name", VERBS)
def test_folders_of_these_names_stay_inputs(toy, name):
    (toy.folder / name).mkdir()
    (toy.folder / "logits.npy").rename(toy.folder / name / "logits.npy")
    p2p("estimate", name, "-o", "x.json", cwd=toy.folder)
