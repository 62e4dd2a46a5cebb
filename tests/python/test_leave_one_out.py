"""Training rows left out of a linear head, against the formula, scikit-learn and the command."""

import json

import ml_dtypes
import numpy as np
import prior2posterior as p2p
import pytest
from conftest import softmax
from sklearn.linear_model import LogisticRegression
from test_refusals import refused
from test_same_as_command import same_prior

COUNTS = np.array([60, 20, 10])
CLASSES, WIDTH = 3, 4


def to_first_order(x, y, weight, bias, offset):
    """z + (I - A W)^-1 A (p - e_y), A = X_i H^-1 X_i^T, row by row as docs/method.md has it."""
    x = np.hstack([x, np.ones((len(x), 1))]).astype(np.float64)
    head = np.column_stack([weight, bias]).astype(np.float64)
    z = x @ head.T
    p = softmax(z + offset)
    residual = p - np.eye(CLASSES)[y]
    decay = -((residual.T @ x / len(x)) * head).sum() / (head**2).sum()
    assert decay > 0
    curvature = [np.diag(of_row) - np.outer(of_row, of_row) for of_row in p]
    hessian = sum(np.kron(w, np.outer(row, row)) for w, row in zip(curvature, x, strict=True))
    hessian += len(x) * decay * np.eye(head.size)
    found = []
    for row, of_row, w, push in zip(x, z, curvature, residual, strict=True):
        wide = np.kron(np.eye(CLASSES), row)
        a = wide @ np.linalg.solve(hessian, wide.T)
        found.append(of_row + np.linalg.solve(np.eye(CLASSES) - a @ w, a @ push))
    return np.array(found)


@pytest.fixture(scope="module")
def rows():
    """Features of three long-tailed classes, and their labels."""
    rng = np.random.default_rng(3)
    y = np.repeat(np.arange(CLASSES), COUNTS)
    x = 1.5 * rng.normal(size=(CLASSES, WIDTH))[y] + rng.normal(size=(len(y), WIDTH))
    return x.astype(np.float32), y


@pytest.fixture(scope="module")
def head(rows):
    """Weights and a bias that half a fit gives, in numbers that float16 holds."""
    x, y = rows
    fit = LogisticRegression(C=0.1).fit(x, y)
    return fit.coef_.astype(np.float16), fit.intercept_.astype(np.float16)


@pytest.mark.parametrize("loss", ["ce", "la:0.5"])
def test_the_formula_of_the_documents(rows, head, loss):
    b = 0.5 * np.log(COUNTS / COUNTS.sum()) if loss == "la:0.5" else 0.0
    scores = p2p.leave_one_out_scores(*rows, *head, counts=COUNTS, trained_with=loss)
    np.testing.assert_allclose(scores, to_first_order(*rows, *head, b), rtol=1e-9, atol=1e-9)


def test_a_head_without_a_bias_has_one_of_zeros(rows, head):
    weight, _ = head
    scores = p2p.leave_one_out_scores(*rows, weight, None)
    np.testing.assert_allclose(
        scores, to_first_order(*rows, weight, np.zeros(CLASSES), 0.0), rtol=1e-9, atol=1e-9
    )


def test_rows_are_as_likely_as_under_heads_fitted_anew_without_them(rows):
    x, y = rows
    options = {"tol": 1e-8, "max_iter": 10000}
    fit = LogisticRegression(**options).fit(x, y)
    apart = [
        LogisticRegression(**options)
        .fit(np.delete(x, i, 0), np.delete(y, i))
        .predict_proba(x[i : i + 1])[0, y[i]]
        for i in range(len(y))
    ]
    exact = np.log(apart).mean()
    own = np.arange(len(y)), y
    whole = np.log(fit.predict_proba(x)[own]).mean()
    scores = p2p.leave_one_out_scores(x, y, fit.coef_, fit.intercept_)
    assert abs(np.log(softmax(scores)[own]).mean() - exact) < 0.3 * abs(whole - exact)


def stored_head(path):
    """Weight and bias of a .safetensors file in float32."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    found = []
    for name in ("weight", "bias"):
        first, last = header[name]["data_offsets"]
        numbers = np.frombuffer(data[start + first : start + last], np.float32)
        found.append(numbers.reshape(header[name]["shape"]))
    return found


def test_the_prior_file_of_the_command(command, rows):
    x, y = rows
    command("head", "x.npy", "--labels", "y.npy", "-o", "head.safetensors", x=x, y=y)
    command(
        "estimate", "x.npy", "--head", "head.safetensors", "--labels", "y.npy", "--counts",
        "n.npy", "--rows", "loo", "-o", "p.json",
        n=COUNTS,
    )  # fmt: skip
    scores = p2p.leave_one_out_scores(x, y, *stored_head(command.folder / "head.safetensors"))
    prior = p2p.estimate_prior(scores, counts=COUNTS, labels=y, rows="loo", input="logits")
    same_prior(prior, command.folder / "p.json")
    assert prior.rows == "loo"


def test_the_types_and_the_strides_of_the_arrays_do_not_matter(rows, head):
    (x, y), (weight, bias) = rows, head
    weight = weight.astype(ml_dtypes.bfloat16)
    expected = p2p.leave_one_out_scores(x, y, weight.astype(np.float32), bias)
    others = [
        (np.asfortranarray(x), y.astype(np.int8), weight.astype(np.float64), bias),
        (x.astype(np.float64), y.tolist(), weight, bias.astype(np.float64)),
        (x, y, np.asfortranarray(weight.astype(np.float32)), bias.tolist()),
    ]
    for other in others:
        np.testing.assert_array_equal(p2p.leave_one_out_scores(*other, threads=1), expected)


BAD_ROWS = {
    "a head of another width": (
        lambda x, y, w, b: (x[:, 1:], y, w, b),
        ["features", "width 3", "takes 4"],
    ),
    "a bias of another length": (lambda x, y, w, b: (x, y, w, b[1:]), ["'bias'", "(2,)", "(3,)"]),
    "a head of one class": (lambda x, y, w, b: (x, y, w[:1], b[:1]), ["'weight'", "(1, 4)"]),
    "features of rank 1": (lambda x, y, w, b: (x[0], y, w, b), ["'features'", "(4,)"]),
    "no features": (lambda x, y, w, b: (x[:0], y, w, b), ["'features'", "(0, 4)"]),
    "labels of another length": (lambda x, y, w, b: (x, y[1:], w, b), ["89", "90"]),
    "a label out of range": (lambda x, y, w, b: (x, y + 1, w, b), ["label 3"]),
    "features that are not finite": (
        lambda x, y, w, b: (np.where(x == x[5, 3], np.nan, x), y, w, b),
        ["'features'", "row 5, feature 3"],
    ),
    "weights that are not finite": (lambda x, y, w, b: (x, y, w + np.inf, b), ["'weight'", "NaN"]),
    "a head of another loss": (
        lambda x, y, w, b: (x, y, -w, -b),
        ["not fitted to these rows", "trained_with", 'rows="holdout"'],
    ),
    "a matrix beyond the limit": (
        lambda x, y, w, b: (np.zeros((90, 6000), np.float32), y, np.zeros((3, 6000)), b),
        ["18003", "8192", 'rows="holdout"'],
    ),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_what_cannot_be_used_is_refused(rows, head, case):
    make, words = BAD_ROWS[case]
    refused(lambda: p2p.leave_one_out_scores(*make(*rows, *head)), *words)


def test_losses_that_work_with_counts_need_them(rows, head):
    refused(lambda: p2p.leave_one_out_scores(*rows, *head, trained_with="la"), "counts")
    refused(
        lambda: p2p.leave_one_out_scores(*rows, *head, counts=[1, 2], trained_with="la"), "2 values"
    )
