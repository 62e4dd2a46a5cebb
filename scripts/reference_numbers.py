#!/usr/bin/python3
"""The numbers that tests/unit/correction/sample_test.cpp expects of the shipped sample, in float64.

A plain NumPy reimplementation that shares no code with the library. Usage: reference_numbers.py
"""

import pathlib

import numpy as np

SAMPLE = pathlib.Path(__file__).parent.parent / "data" / "cifar10-lt100-resnet20-ce-mixup.npz"
BINS = 15


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def expected_calibration_error(p, labels):
    confidence = p.max(axis=1)
    right = p.argmax(axis=1) == labels
    which = np.clip(np.ceil(confidence * BINS) - 1, 0, BINS - 1).astype(int)
    gaps = [abs(np.sum(confidence[which == b] - right[which == b])) for b in range(BINS)]
    return sum(gaps) / len(labels)


def residual_slope(p, labels, counts):
    classes = range(len(counts))
    mean = np.mean([p[labels == y].mean(axis=0) for y in classes], axis=0)
    return np.polyfit(np.log(counts), np.log(mean), 1)[0]


def evaluate(z, labels, counts):
    p = softmax(z)
    predicted = z.argmax(axis=1)
    recall = np.array([np.mean(predicted[labels == c] == c) for c in range(len(counts))])
    true = p[np.arange(len(labels)), labels]
    return {
        "accuracy": np.mean(predicted == labels),
        "many": recall[counts > 100].mean(),
        "medium": recall[(counts >= 20) & (counts <= 100)].mean(),
        "nll": -np.log(true).mean(),
        "brier": ((p**2).sum(axis=1) - 2 * true + 1).mean(),
        "ece": expected_calibration_error(p, labels),
        "slope": residual_slope(p, labels, counts),
    }


def show(name, values):
    print(f"{name}:")
    for key, value in values.items():
        print(f"  {key:<10} {value:.12g}")


def main():
    data = np.load(SAMPLE)
    counts = data["counts"].astype(np.float64)
    train = data["train_logits"].astype(np.float64)
    test = data["test_logits"].astype(np.float64)
    labels = data["test_labels"]

    pi = counts / counts.sum()
    p = softmax(train)
    q = p.mean(axis=0)
    error = np.sqrt(((p**2).mean(axis=0) - q**2) / (len(p) - 1)) / q
    print("q:           ", ", ".join(f"{v:.12g}" for v in q))
    print("log q stderr:", ", ".join(f"{v:.12g}" for v in error))
    show("prior", {
        "tv": np.abs(q - pi).sum() / 2,
        "kl": (q * np.log(q / pi)).sum(),
        "max_ratio": max((q / pi).max(), (pi / q).max()),
        "train_acc": np.mean(train.argmax(axis=1) == data["train_labels"]),
    })
    for name, r in {"none": np.ones_like(pi), "empirical": pi, "p2p": q}.items():
        show(name, evaluate(test - np.log(r), labels, counts))


if __name__ == "__main__":
    main()
