"""p2p estimate --rows loo: training rows, each left out of the head, against exact refits."""

import json
import struct

import numpy as np
import pytest
from harness import attempt, estimate, refuse, sentence
from test_memory import peak_kib

COUNTS = np.array([90, 30, 9])
CLASSES, WIDTH, DECAY = 3, 10, 1e-2


def softmax(z):
    p = np.exp(z - z.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def curvature(p):
    return np.einsum("nc,ck->nck", p, np.eye(CLASSES)) - p[:, :, None] * p[:, None, :]


def fitted(x, y, penalty, offset, start=None):
    """Newton's method to the optimum of the penalised cross-entropy, [C, d + 1], bias last."""
    x = np.hstack([x, np.ones((len(x), 1))])
    size = CLASSES * x.shape[1]
    head = np.zeros((CLASSES, x.shape[1])) if start is None else start
    for _ in range(50):
        p = softmax(x @ head.T + offset)
        gradient = (p - np.eye(CLASSES)[y]).T @ x + penalty * head
        hessian = np.einsum("nck,nd,ne->cdke", curvature(p), x, x).reshape(size, size)
        step = np.linalg.solve(hessian + penalty * np.eye(size), gradient.ravel())
        head = head - step.reshape(head.shape)
        if np.abs(step).max() < 1e-12:
            return head
    raise AssertionError("Newton's method did not converge")


def scores_by_exact_refits(x, y, head, penalty, offset):
    kept = ~np.eye(len(x), dtype=bool)
    return np.array(
        [fitted(x[k], y[k], penalty, offset, head) @ np.append(x[i], 1) for i, k in enumerate(kept)]
    )


def scores_to_first_order(x, y, head, penalty, offset):
    """z + (I - A W)^-1 A (p - e_y), A = X_i H^-1 X_i^T, written out row by row."""
    x = np.hstack([x, np.ones((len(x), 1))])
    z = x @ head.T
    p = softmax(z + offset)
    size = CLASSES * x.shape[1]
    hessian = np.einsum("nck,nd,ne->cdke", curvature(p), x, x).reshape(size, size)
    hessian += penalty * np.eye(size)
    found = []
    for row, of_row, posterior, label in zip(x, z, p, y, strict=True):
        wide = np.kron(np.eye(CLASSES), row)
        a = wide @ np.linalg.solve(hessian, wide.T)
        w = np.diag(posterior) - np.outer(posterior, posterior)
        residual = posterior - np.eye(CLASSES)[label]
        found.append(of_row + np.linalg.solve(np.eye(CLASSES) - a @ w, a @ residual))
    return np.array(found)


def write_head(path, head):
    parts = {"weight": head[:, :-1], "bias": head[:, -1]}
    header, data = {}, b""
    for name, part in parts.items():
        raw = part.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(part.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}  # fmt: skip
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@pytest.fixture(params=["ce", "la"])
def fit(request, tmp_path):
    class Fit:
        folder = tmp_path
        loss = request.param
        offset = np.log(COUNTS / COUNTS.sum()) if request.param == "la" else np.zeros(CLASSES)
        penalty = DECAY * COUNTS.sum()

        def prior(self, *args, rows="loo"):
            labels = ("--labels", "y.npy") if rows == "loo" else ()
            return estimate("x.npy", "--head", "head.safetensors", *labels, "--counts",
                            "counts.npy", "--trained-with", self.loss, "--rows", rows, *args,
                            cwd=self.folder)  # fmt: skip

    rng = np.random.default_rng(5)
    Fit.y = np.repeat(np.arange(CLASSES), COUNTS)
    means = rng.normal(size=(CLASSES, WIDTH))
    Fit.x = (means[Fit.y] + rng.normal(size=(COUNTS.sum(), WIDTH))).astype(np.float32)
    Fit.x = Fit.x.astype(np.float64)
    Fit.head = fitted(Fit.x, Fit.y, Fit.penalty, Fit.offset)
    np.save(tmp_path / "x.npy", Fit.x.astype(np.float32))
    np.save(tmp_path / "y.npy", Fit.y)
    np.save(tmp_path / "counts.npy", COUNTS)
    write_head(tmp_path / "head.safetensors", Fit.head)
    return Fit()


def log_q(scores, offset):
    return np.log(softmax(scores + offset).mean(axis=0))


def test_is_the_prior_of_exact_refits_to_first_order(fit):
    exact = log_q(scores_by_exact_refits(fit.x, fit.y, fit.head, fit.penalty, fit.offset),
                  fit.offset)  # fmt: skip
    whole = np.log(fit.prior(rows="train")["effective"])
    found = np.log(fit.prior()["effective"])
    assert np.abs(found - exact).max() < 0.3 * np.abs(whole - exact).max()


def test_is_the_formula_of_the_documentation(fit):
    """The decay is found from the head, so it is that of the fit."""
    scores = scores_to_first_order(fit.x, fit.y, fit.head, fit.penalty, fit.offset)
    prior = fit.prior()
    # The stored head is float32.
    np.testing.assert_allclose(np.log(prior["effective"]), log_q(scores, fit.offset), atol=2e-5)
    assert prior["rows"] == "loo"
    assert prior["n_rows"] == COUNTS.sum()


def test_a_head_that_was_stopped_early_has_the_decay_that_it_is_stationary_for(fit):
    head = 0.6 * fit.head
    write_head(fit.folder / "head.safetensors", head)
    x = np.hstack([fit.x, np.ones((len(fit.x), 1))])
    gradient = (softmax(x @ head.T + fit.offset) - np.eye(CLASSES)[fit.y]).T @ x
    penalty = -(gradient * head).sum() / (head**2).sum()
    assert penalty > fit.penalty
    scores = scores_to_first_order(fit.x, fit.y, head, penalty, fit.offset)
    np.testing.assert_allclose(
        np.log(fit.prior()["effective"]), log_q(scores, fit.offset), atol=2e-5
    )


def test_the_same_bytes_for_any_number_of_threads(fit):
    one, three = (fit.prior("--threads", n) for n in (1, 3))
    assert one == three


def test_a_head_of_another_loss_is_refused(fit):
    write_head(fit.folder / "head.safetensors", -fit.head)
    refuse(fit.folder, "estimate", "x.npy", "--head", "head.safetensors", "--labels", "y.npy",
           "--counts", "counts.npy", "--rows", "loo", "--trained-with", fit.loss, "-o", "p.json",
           code=3, words=["not fitted", "--trained-with", "--rows holdout"])  # fmt: skip


@pytest.mark.parametrize("missing", ["--head", "--labels", "--counts"])
def test_what_it_needs_is_asked_for(fit, missing):
    given = {"--head": "head.safetensors", "--labels": "y.npy", "--counts": "counts.npy"}
    del given[missing]
    refuse(fit.folder, "estimate", "x.npy", *(word for pair in given.items() for word in pair),
           "--rows", "loo", "-o", "p.json", code=2,
           words=["features", "--head", "--labels", "--counts"])  # fmt: skip


@pytest.mark.parametrize("option", [("--part", "1/1"), ("--part", "1/2"), ("--ignore-index", "2")])
def test_every_training_row_is_needed(fit, option):
    words = ("estimate", "x.npy", "--head", "head.safetensors", "--labels", "y.npy", "--counts",
             "counts.npy", "--rows", "loo", "-o", "p.json", *option)  # fmt: skip
    if option == ("--part", "1/1"):
        fit.prior(*option)
        return
    refuse(fit.folder, *words, code=2, words=["--part", "--ignore-index"])


def test_a_head_of_another_width_is_refused(fit):
    np.save(fit.folder / "x.npy", fit.x[:, 1:].astype(np.float32))
    refuse(fit.folder, "estimate", "x.npy", "--head", "head.safetensors", "--labels", "y.npy",
           "--counts", "counts.npy", "--rows", "loo", "-o", "p.json", code=3,
           words=["width 9", "takes 10"])  # fmt: skip


def test_a_matrix_beyond_the_limit_is_refused(fit):
    wide = 6000
    np.save(fit.folder / "x.npy", np.zeros((len(fit.x), wide), np.float32))
    write_head(fit.folder / "head.safetensors", np.zeros((CLASSES, wide + 1)))
    refuse(fit.folder, "estimate", "x.npy", "--head", "head.safetensors", "--labels", "y.npy",
           "--counts", "counts.npy", "--rows", "loo", "-o", "p.json", "--input", "logits", code=3,
           words=["18003", "8192", "--rows holdout"])  # fmt: skip


def test_rows_are_weighted_towards_other_counts(fit):
    """Row i counts pi_c N / m_c, with pi of --counts and m_c rows of its class."""
    counts = np.array([100, 100, 50])
    np.save(fit.folder / "counts.npy", counts)
    offset = np.log(counts / counts.sum()) if fit.loss == "la" else np.zeros(CLASSES)
    head = fitted(fit.x, fit.y, fit.penalty, offset)
    write_head(fit.folder / "head.safetensors", head)
    scores = scores_to_first_order(fit.x, fit.y, head, fit.penalty, offset)
    weight = (counts / counts.sum() * COUNTS.sum() / COUNTS)[fit.y]
    expected = np.average(softmax(scores + offset), axis=0, weights=weight)
    np.testing.assert_allclose(np.log(fit.prior()["effective"]), np.log(expected), atol=2e-5)


def test_a_head_that_is_certain_of_all_rows_is_refused(tmp_path):
    """Logits of 1000 for the label and 0 else: posteriors are 0 and 1 to the last bit."""
    y = np.repeat(np.arange(CLASSES), [5, 3, 2])
    np.save(tmp_path / "x.npy", np.eye(CLASSES, dtype=np.float32)[y])
    np.save(tmp_path / "y.npy", y)
    np.save(tmp_path / "counts.npy", np.bincount(y))
    write_head(tmp_path / "head.safetensors", np.eye(CLASSES, CLASSES + 1) * 1000)
    refuse(tmp_path, "estimate", "x.npy", "--head", "head.safetensors", "--labels", "y.npy",
           "--counts", "counts.npy", "--rows", "loo", "-o", "p.json",
           "--input", "logits", code=3, words=["known by heart", "--rows holdout"])  # fmt: skip


def test_a_label_out_of_range_is_refused_without_an_option_that_is_refused_too(fit):
    fit.y[7] = CLASSES
    np.save(fit.folder / "y.npy", fit.y)
    outcome = attempt("estimate", "x.npy", "--head", "head.safetensors", "--labels", "y.npy",
                      "--counts", "counts.npy", "--rows", "loo", "-o", "p.json",
                      cwd=fit.folder)  # fmt: skip
    assert outcome.code == 3
    assert "label 3" in sentence(outcome)
    assert "--ignore-index" not in sentence(outcome)


def test_many_classes_take_little_memory(tmp_path):
    """256 matrices of 400 x 400 would be 312 MiB."""
    classes = 400
    y = np.arange(classes)
    x = np.stack([np.cos(y), np.sin(y)], axis=1).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    np.save(tmp_path / "counts.npy", np.ones(classes, int))
    write_head(tmp_path / "head.safetensors", np.hstack([0.01 * x, np.zeros((classes, 1))]))
    peak = peak_kib("estimate", "x.npy", "--head", "head.safetensors", "--labels", "y.npy",
                    "--counts", "counts.npy", "--rows", "loo", "--threads", 1, "-o", "p.json",
                    "--input", "logits", cwd=tmp_path)  # fmt: skip
    assert peak < 200 << 10
