"""Models run by ONNX Runtime in this process, and what the corrected scores should be: a float64
reading that shares nothing with the command."""

import functools
import json
import os
import pathlib

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

MODELS = pathlib.Path(os.environ["P2P_BAKE_MODELS"])
onnxruntime.set_default_logger_severity(3)


def load(path):
    return onnx.load(path, load_external_data=False)


def inputs_of(family):
    with np.load(MODELS / family.name / "inputs.npz") as arrays:
        return dict(arrays)


# ---- running


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def batches(rows, first_axis):
    size = first_axis if isinstance(first_axis, int) else rows
    assert rows % size == 0
    return [slice(i, i + size) for i in range(0, rows, size)]


def as_array(value):
    """[rows, classes] of a ZipMap's list of dictionaries."""
    return np.array([list(row.values()) for row in value]) if isinstance(value, list) else value


def joined(parts, rows):
    """Rows of all batches; a value that does not depend on the rows once."""
    if len(parts) == 1 or np.shape(parts[0])[:1] != (rows // len(parts),):
        return parts[0]
    return np.concatenate(parts)


def run(path, inputs, outputs=None, by_reference=False):
    """name -> array of each (named) output."""
    rows = len(next(iter(inputs.values())))
    if by_reference:
        evaluator = ReferenceEvaluator(onnx.load(path))
        names = outputs or evaluator.output_names
        feeds = {name: value.astype(ml_dtypes.bfloat16) for name, value in inputs.items()}
        return dict(zip(names, [np.asarray(v, np.float64) for v in evaluator.run(names, feeds)]))
    made = session(path if isinstance(path, bytes) else str(path))
    names = outputs or [output.name for output in made.get_outputs()]
    needed = {i.name for i in made.get_inputs()} & set(inputs)
    slices = batches(rows, made.get_inputs()[0].shape[0])
    parts = [made.run(names, {name: inputs[name][s] for name in needed}) for s in slices]
    return {n: joined([as_array(p[i]) for p in parts], rows) for i, n in enumerate(names)}


@functools.cache
def before(family):
    """Every output of the original model."""
    return run(MODELS / family.name / "model.onnx", inputs_of(family), by_reference=not family.runs)


def after(family, path):
    return run(path, inputs_of(family), by_reference=not family.runs)


# ---- reading


def log_softmax(z):
    """A row of -inf (all its classes are ruled out) stays one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = z - np.where(np.isinf(z).all(-1, keepdims=True), 0, z.max(axis=-1, keepdims=True))
        total = np.exp(z).sum(axis=-1, keepdims=True)
        return np.where(total == 0, -np.inf, z - np.log(total))


def exposed(family, value):
    """A value inside the original model, over all rows."""
    model = onnx.load(MODELS / family.name / "model.onnx")
    model.graph.output.add(name=value)
    return run(model.SerializeToString(), inputs_of(family), [value])[value]


def linear_classifier(node, x):
    of = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    weights = np.array(of["coefficients"]).reshape(-1, x.shape[1])
    z = x.astype(np.float64) @ weights.T + np.array(of["intercepts"])
    if (
        of["post_transform"] == b"LOGISTIC"
    ):  # of two classes: the scores are -z and z, p1 = sigmoid(z)
        z[:, 0] = 0
    return z


def classes_last(family, scores):
    """The output of a family with its classes on the last axis; labels as they are."""
    return scores if family.kind == "labels" else np.moveaxis(scores, family.axis, -1)


@functools.cache
def logits(family):
    """The original scores z in float64, [..., C]: the output, or what goes into its last Softmax,
    LogSoftmax, ArgMax or linear classifier."""
    if not family.logits:
        with np.errstate(divide="ignore"):
            return np.log(before(family)[family.output].astype(np.float64))
    if family.hidden:
        return np.moveaxis(exposed(family, family.hidden), family.axis, -1).astype(np.float64)
    if family.kind == "logits":
        return classes_last(family, before(family)[family.output]).astype(np.float64)
    nodes = load(MODELS / family.name / "model.onnx").graph.node
    if family.one_logit:
        (sigmoid,) = [node for node in nodes if node.op_type == "Sigmoid"]
        z = exposed(family, sigmoid.input[0]).astype(np.float64).reshape(-1, 1)
        return np.concatenate([np.zeros_like(z), z], axis=1)
    for kind in ("Softmax", "LogSoftmax", "ArgMax", "LinearClassifier"):
        for node in nodes:
            if node.op_type == kind == "LinearClassifier":
                return linear_classifier(node, next(iter(inputs_of(family).values())))
            if node.op_type == kind:
                axis = [a.i for a in node.attribute if a.name == "axis"]
                z = exposed(family, node.input[0]).astype(np.float64)
                return np.moveaxis(z, axis[0] if axis else -1, -1)
    raise AssertionError(f"{family.name} has no scores")


class Correction:
    """z' = factor * z + delta."""

    def __init__(self, delta, factor=1.0):
        self.delta, self.factor = np.asarray(delta, np.float64), np.asarray(factor, np.float64)

    def scores(self, family):
        return self.factor * logits(family) + self.delta


def correction_of(prior_file, target=None):
    """Of method p2p: log t - log r, with mean 0 over its numbers, after division by T."""
    prior = json.loads(pathlib.Path(prior_file).read_text())
    r = np.array(prior["residual"], np.float64)  # null, of classes that stay as they are, is NaN
    t = np.ones(len(r)) if target is None else np.asarray(target)
    with np.errstate(divide="ignore"):
        delta = np.log(t / t.sum()) - np.log(r)
    delta -= delta[np.isfinite(delta)].mean()
    return Correction(np.where(np.isnan(r), 0, delta), 1 / prior["temperature"])


def expected(family, correction):
    """What the corrected model should give at its output."""
    z = correction.scores(family)
    shown = before(family)[family.output] if family.output else z
    if family.one_logit and shown.shape != z.shape:  # p alone
        return np.exp(log_softmax(z))[:, 1].reshape(shown.shape)
    if family.kind == "logits":
        return z
    if family.kind == "labels":
        return z.argmax(axis=-1)
    return np.exp(log_softmax(z)) if family.kind == "probs" else log_softmax(z)


def difference(found, wanted, size=0):
    """Largest |found - wanted|, relative for values (or `size`: what was summed up) beyond 1; equal
    infinities do not differ."""
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    assert found.shape == wanted.shape
    with np.errstate(invalid="ignore"):
        gap = np.abs(found - wanted) / np.maximum(1, np.maximum(np.abs(wanted), size))
    return float(np.where(found == wanted, 0, gap).max())


def both_classes(p):
    """[1 - p, p] of the second class's p, a column or not."""
    return np.stack([1 - p.ravel(), p.ravel()], axis=1)


def decisions(values, family):
    if family.one_logit and values.shape[-1] != 2:
        values = both_classes(values)
    return values if family.kind == "labels" else values.argmax(axis=-1)


def check_scores(family, found, correction, tolerance=None):
    """The outputs are the corrected ones, and so is each decision that the tolerance cannot turn."""
    tolerance = tolerance or family.tolerance
    z = correction.scores(family)
    if family.output:
        found = classes_last(family, found[family.output])
        if family.kind != "labels":
            size = np.abs(correction.factor * logits(family)) if family.kind == "logits" else 0
            assert difference(found, expected(family, correction), size) <= tolerance
        best, second = np.moveaxis(np.sort(z, axis=-1)[..., :-3:-1], -1, 0)
        possible = np.isfinite(best)  # not all classes are ruled out
        with np.errstate(invalid="ignore"):
            decided = best > second + 2 * tolerance * np.maximum(1, np.abs(best))
        assert decided[possible].mean() > (0.99 if tolerance <= 1e-5 else 0.75)
        np.testing.assert_array_equal(decisions(found, family)[decided], z.argmax(axis=-1)[decided])
    else:  # TopK
        assert difference(found["best"], -np.sort(-z, axis=-1)[:, :3]) <= tolerance
        np.testing.assert_array_equal(found["which"], np.argsort(-z, axis=-1)[:, :3])
