"""Rows of images and long tails of them."""

import image_rows
import numpy as np
from PIL import Image


def test_a_long_tail_falls_from_the_most_to_a_hundredth_with_a_tenth_held_out():
    labels = np.repeat(np.arange(3), 1000)
    rows = image_rows.long_tail(labels, 1000, np.random.default_rng(0))
    assert np.bincount(labels[np.concatenate([rows["train"], rows["holdout"]])]).tolist() == [
        1000,
        100,
        10,
    ]
    assert np.bincount(labels[rows["holdout"]]).tolist() == [100, 10, 1]
    assert not set(rows["train"]) & set(rows["holdout"])


def test_images_are_read_in_the_order_of_their_classes_and_names(tmp_path):
    for part in ("train", "test"):
        for c, name in enumerate(("a", "b")):
            for row in range(2):
                file = tmp_path / part / name / f"{row}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (32, 32), (c, row, 0)).save(file)
    parts = image_rows.parts_of(tmp_path, 2, np.random.default_rng(0))
    pixels, labels = parts["test"]
    assert labels.tolist() == [0, 0, 1, 1]
    assert pixels[:, 0, 0, :2].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    pixels, labels = parts["train"]
    assert (pixels[:, 5, 5, 0] == labels).all()
