"""Kept scores and results: the page says what they say, and NumPy finds the same numbers."""

import os
import pathlib

import cells
import figures
import image_tables
import images
import numpy as np
import page
import pytest
import scores

SOURCE = pathlib.Path(os.environ["P2P_SOURCE_DIR"])
KEPT = sorted((SOURCE / "study" / "scores").glob("*.npz"))


def test_every_cell_has_results():
    missing = [cell.name for cell in cells.all_cells() if cell.stored() is None]
    assert not missing


def test_the_page_says_what_the_results_say():
    assert page.PAGE.read_text() == page.page()


def test_the_readme_shows_the_summary():
    assert image_tables.summary() in (SOURCE / "README.md").read_text()


def test_the_figure_shows_what_the_results_say(tmp_path):
    figures.gains(tmp_path / "gains.svg")
    assert (tmp_path / "gains.svg").read_text() == (figures.FOLDER / "gains.svg").read_text()


def test_kept_scores_are_few():
    assert sum(file.stat().st_size for file in KEPT) < 20_000_000


def log_softmax(z):
    z = z.astype(np.float64)
    z -= z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_kept_scores_give_the_kept_numbers(file):
    named = {cell.name: cell for cell in (*cells.all_cells(), *cells.further_cells())}
    model, kept = scores.load(file), named[file.stem].stored()["results"]
    train, test = model.parts["train"], model.parts["test"]
    z = test.scores.astype(np.float64)
    q = np.exp(log_softmax(train.scores + model.offset)).mean(axis=0)
    pi = model.counts / model.counts.sum()
    assert abs(np.abs(q - pi).sum() / 2 - kept["priors"]["train"]["tv"]) < 2e-6
    found = kept["places"]["test"]["corrections"]
    for name, delta in (("none", 0), ("p2p", model.offset - np.log(q)),
                        ("empirical", model.offset - np.log(pi))):  # fmt: skip
        log_p = log_softmax(z + delta)
        rows = np.arange(len(z))
        assert abs((log_p.argmax(axis=1) == test.labels).mean() - found[name]["accuracy"]) < 3e-4
        assert abs(-log_p[rows, test.labels].mean() - found[name]["nll"]) < 1e-4


def test_shifts_change_the_image_and_are_the_same_each_time():
    from PIL import Image

    ramp = np.tile(np.linspace(0, 255, 32)[None, :, None], (32, 1, 3)).astype(np.uint8)
    image = Image.fromarray(ramp)
    for shift in images.SHIFTS:
        once = np.asarray(images.shifted(image, shift, 7), float)
        assert (once == np.asarray(images.shifted(image, shift, 7))).all()
        assert (once != ramp).any()
    noise = np.asarray(images.shifted(image, "noise", 7), float)[:, 8:24] - ramp[:, 8:24]
    assert abs(noise.std() / 255 - 0.08) < 0.01
    contrast = np.asarray(images.shifted(image, "contrast", 7), float)
    assert abs(contrast.std() / ramp.std() - 0.4) < 0.02
