"""Cells of images: how networks are trained here and elsewhere, and what --quick measures."""

import shlex

import cells
import images
import main
import pytest

from bench import Bench, MissingError


@pytest.fixture
def bench(tmp_path):
    """A bench with unpacked images, whose p2p writes its words down."""
    command = tmp_path / "p2p"
    command.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {tmp_path}/said\n')
    command.chmod(0o755)
    (tmp_path / "data" / "cifar10").mkdir(parents=True)
    return Bench(command, tmp_path, tmp_path)


def said(bench):
    return (bench.work / "said").read_text()


GPU = cells.gpu_cell("cifar10", "la", 0.2, 1)


def test_a_network_is_trained_by_the_options_of_its_cell(bench):
    cell = cells.network_cell("cifar10", "la", 0.2, 1)
    images.train(bench, cell.name, cell.options)
    recipe = "--imbalance 100 --holdout 0.1 --network resnet20 --loss la --epochs 24"
    rest = "--schedule onecycle --lr 0.4 --seed 1 --features --mixup 0.2 --threads 1 --device cpu"
    assert f"{recipe} {rest} --resume" in said(bench)


def test_a_single_change_changes_one_option():
    plain = cells.network_cell("cifar10", "ce", 0, 0).options["train"]
    for name, change in cells.SINGLES.items():
        train = cells.single_cell(name).options["train"]
        assert {k: v for k, v in train.items() if plain.get(k) != v} == change


def test_the_command_of_a_gpu_is_said(bench, monkeypatch):
    monkeypatch.chdir(bench.work)
    words = shlex.split(images.command_line(bench, GPU.name, GPU.options))
    assert words[:6] == ["p2p", "train", "--data", "data/cifar10", "-o", f"runs/{GPU.name}"]
    for option in (["--network", "resnet32"], ["--epochs", "200"], ["--device", "cuda"]):
        assert words[words.index(option[0]) + 1] == option[1]


def test_a_run_of_a_gpu_is_not_made_here(bench):
    with pytest.raises(MissingError, match="--commands"):
        images.train(bench, GPU.name, GPU.options)
    assert not (bench.work / "said").exists()


def test_a_run_of_a_gpu_that_was_brought_here_is_checked_without_one(bench):
    run = images.run_folder(bench, GPU.name)
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}")
    assert images.train(bench, GPU.name, GPU.options) == run
    assert "--network resnet32" in said(bench)
    assert "--device cpu --resume" in said(bench)


def test_quick_measures_the_first_of_several_seeds(bench):
    seen = []
    cell = cells.Cell("one", {"seeds": 5}, lambda _, options: seen.append(options["seeds"]) or {})
    assert main.quick_results(cell, bench) == {}
    assert seen == [1]


def test_quick_leaves_out_networks_of_other_seeds(bench):
    assert main.quick_results(cells.network_cell("cifar10", "ce", 0, 1), bench) is None
