"""Cells of images: a network trained on a long tail, judged on its test rows and shifted ones."""

from __future__ import annotations

import os
import pathlib
import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np
import scores
from corrections import measure_model
from heads import measure_heads
from PIL import Image, ImageEnhance, ImageFilter

from bench import ARCHIVES, ROOT, Bench, MissingError

#: Changes of the test images of CIFAR-10, of a strength that costs some accuracy; the noise is that
#: of row and seed 0.
SHIFTS = ("blur", "noise", "contrast")
KEPT_SCORES = ROOT / "study" / "scores"


def shifted(image: Image.Image, shift: str, row: int) -> Image.Image:
    """An image under a shift: Gaussian blur of 1 pixel, Gaussian noise of 0.08, contrast of 0.4."""
    if shift == "blur":
        return image.filter(ImageFilter.GaussianBlur(1))
    if shift == "contrast":
        return ImageEnhance.Contrast(image).enhance(0.4)
    pixels = np.asarray(image, np.float64) / 255
    noise = np.random.default_rng([0, row]).normal(0, 0.08, pixels.shape)
    return Image.fromarray((np.clip(pixels + noise, 0, 1) * 255).round().astype(np.uint8))


def shifted_folder(bench: Bench, data: str, shift: str) -> pathlib.Path:
    """CLASS/*.png: the test images under a shift, made once."""
    folder = bench.work / "data" / f"{data}-{shift}"
    if folder.exists():
        return folder
    part = folder.with_suffix(".part")
    for row, file in enumerate(sorted((bench.images(data) / "test").glob("*/*"))):
        out = part / file.parent.name / f"{file.stem}.png"
        out.parent.mkdir(parents=True, exist_ok=True)
        shifted(Image.open(file).convert("RGB"), shift, row).save(out)
    part.rename(folder)
    return folder


def places(bench: Bench, data: str) -> dict[str, pathlib.Path]:
    """Folders of shifted test images by name."""
    if data == "tiny":
        return {"sharper": bench.images(data) / "shifted"}
    return {shift: shifted_folder(bench, data, shift) for shift in SHIFTS}


def run_folder(bench: Bench, name: str) -> pathlib.Path:
    return bench.work / "runs" / name


def training_words(bench: Bench, name: str, options: Mapping[str, Any]) -> list[str]:
    """The words after `p2p train` that make a run, but for the device."""
    data = bench.work / "data" / options["data"]
    words: list[object] = ["--data", data, "-o", run_folder(bench, name)]
    for key, value in options["train"].items():
        words += [f"--{key}"] if value is True else [f"--{key}", value]
    return [*map(str, words), "--threads", str(options["threads"])]


def is_trained(bench: Bench, name: str) -> bool:
    return (run_folder(bench, name) / "run.json").exists()


def is_of_images(options: Mapping[str, Any]) -> bool:
    """Whether a cell trains a network on images."""
    return "train" in options and options["data"] in ARCHIVES


def command_line(bench: Bench, name: str, options: Mapping[str, Any]) -> str:
    """What trains a network on another machine, in a copy of this folder."""
    words = training_words(bench, name, options)
    inside = [os.path.relpath(word) if os.path.isabs(word) else word for word in words]
    return shlex.join(
        ["p2p", "train", *inside, "--device", options.get("device", "cpu"), "--resume"]
    )


def train(bench: Bench, name: str, options: Mapping[str, Any]) -> pathlib.Path:
    """The folder of the finished run; one that was made elsewhere is checked and taken."""
    bench.images(options["data"])
    device = options.get("device", "cpu")
    if device == "cuda":
        if not is_trained(bench, name):
            run = run_folder(bench, name)
            raise MissingError(f"{run} is not there; study/run --commands says how a GPU makes it")
        device = "cpu"
    bench.train(*training_words(bench, name, options), "--device", device)
    return run_folder(bench, name)


def score_places(bench: Bench, run: pathlib.Path, data: str) -> dict[str, scores.Part]:
    """What the network says of the shifted images."""
    parts = {}
    for name, folder in places(bench, data).items():
        out, labels = run / f"{name}_scores.npy", run / f"{name}_labels.npy"
        if not out.exists():
            bench.p2p("score", run / "model.safetensors", "--data", folder, "--labels", labels,
                      "-o", out, "--device", "cpu", "--quiet")  # fmt: skip
        parts[name] = scores.Part(np.load(out), np.load(labels))
    return parts


def measure(bench: Bench, name: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Trains, if that is not done, keeps the scores that are to be kept, and measures."""
    run = train(bench, name, options)
    model = scores.of_run(run)
    model.parts |= score_places(bench, run, options["data"])
    if options.get("keep"):
        model.save(KEPT_SCORES / f"{name}.npz", ["train", "holdout", "test"])
    found = measure_model(bench, model)
    return found if options.get("heads") is False else {**found, "heads": measure_heads(bench, run)}
