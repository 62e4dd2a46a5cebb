"""A case against the oracle: the differences, as sentences."""

import expected
import numpy as np
import oracle
from faces import RefusedError

UNIT = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}


def number(x):
    return np.array([np.nan if v is None else v for v in x], float)


def far(name, got, want, tolerance):
    """A sentence where two arrays differ by more than the tolerance, relative to 1 + |want|."""
    got, want = np.asarray(got, float), np.asarray(want, float)
    if got.shape != want.shape:
        return [f"{name}: shape {got.shape}, expected {want.shape}"]
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    with np.errstate(invalid="ignore"):
        close = np.abs(got - want) <= tolerance * (1 + np.abs(want))
    return (
        [] if (same | close).all() else [f"{name}: {got.ravel()[:8]}, expected {want.ravel()[:8]}"]
    )


def differences(case, face):
    """Everything in which a face differs from the oracle; and what the oracle could not say."""
    o = case.options
    exact = o["dtype"] == "float64" and o["container"] != "csv"
    small = 1e-9 if exact else 2e-5
    wanted_refusal = expected.estimate_refused(case, parts=face.has_parts)
    try:
        found = face.estimate()
    except RefusedError as refusal:
        return ([] if wanted_refusal else [f"estimate refused: {refusal}"]), "refused"
    if wanted_refusal:
        return ["estimate was not refused"], None
    prior = expected.prior_of(case)
    wrong = far("q", number(found["effective"]), prior.q, small)
    wrong += far(
        "r",
        number(found["residual"]),
        prior.r,
        max(small, 1e-7 if exact else 1e-4) if o["iterate"] else small,
    )
    wrong += far(
        "log_q_stderr", number(found["log_q_stderr"]), prior.log_q_stderr, 1e-7 if exact else 1e-4
    )
    if found["floored"] != list(np.flatnonzero(prior.floored)):
        wrong.append(f"floored: {found['floored']}, expected {np.flatnonzero(prior.floored)}")
    if prior.pi is not None:
        inspected = face.inspect()
        for name, value in oracle.distances(prior.q, prior.pi).items():
            if value is not None:
                got = inspected[name]
                wrong += far(name, np.nan if got is None else got, value, 1e-9 if exact else 1e-4)
    wrong += evaluated(case, face, small)
    refused = expected.correct_refused(case, prior)
    try:
        correction, scores = face.correct()
    except RefusedError as refusal:
        if "did not converge" in str(refusal):
            return wrong, "not converged"
        return wrong + ([] if refused else [f"correct refused: {refusal}"]), "refused"
    if refused:
        return [*wrong, "correct was not refused"], None
    try:
        delta, temperature, scale, second = expected.correction_of(case, prior)
    except expected.UnknownError as why:
        return wrong, str(why)
    fitted = o["method"] in (
        "bias",
        "vector-scaling",
        "temperature",
        "gla",
        "em",
        "match",
        "match target",
    ) or (o["target"].startswith("estimated"))
    loose = (1e-4 if exact else 2e-3) if fitted else (1e-7 if exact else 1e-4)
    wrong += far(
        "delta", number([-np.inf if v is None else v for v in correction["delta"]]), delta, loose
    )
    wrong += far("temperature", correction["temperature"], temperature, loose)
    if scale is not None:
        wrong += far("scale", correction["scale"], scale, loose)
    if second is not None:
        wrong += far("second_temperature", correction["second_temperature"], second, loose)
    if not any(w.startswith(("delta", "temperature", "scale", "second")) for w in wrong):
        wrong += output(case, correction, scores)
    return wrong, None


def output(case, correction, scores):
    """The corrected scores, given the correction that p2p reports (compared before)."""
    o = case.options
    delta = np.array([-np.inf if v is None else v for v in correction["delta"]])
    z = case.test.z / correction["temperature"]
    if correction.get("scale"):
        z = case.test.z * number(correction["scale"])
    if correction.get("second_temperature"):
        z = z + case.test_second.z / correction["second_temperature"]
    z = z + delta
    kind = o["output"] or o["kind"]
    unit = max(UNIT[o["dtype"]], 4e-7 if o["container"] == "csv" else 0)
    if kind == "labels":
        top = np.sort(z, axis=1)
        sure = top[:, -1] - top[:, -2] > 8 * unit * np.abs(top[:, -1])
        return far("labels", scores[sure], z.argmax(axis=1)[sure], 0)
    scores = scores.astype(np.float64)
    if kind == "probs":
        return far("probs", scores, oracle.softmax(z), 2 * unit)
    if kind == "log-probs":
        return far("log-probs", scores, oracle.log_softmax(z), 4 * unit)
    if o["kind"] != "logits":
        return far(
            "logits of probabilities", oracle.log_softmax(scores), oracle.log_softmax(z), 8 * unit
        )
    return far("logits", scores, z, 4 * unit)


def evaluated(case, face, small):
    """The metrics of the test rows, where the face evaluates."""
    o = case.options
    try:
        found = face.evaluate()
    except NotImplementedError:
        return []
    labels = case.test_labels
    keep = np.ones(len(labels), bool) if o["ignore"] is None else labels != o["ignore"]
    want = oracle.metrics(
        case.test.z[keep],
        labels[keep],
        counts=case.counts,
        temperature=o["temperature"],
        exclude=case.exclude,
    )
    on_an_edge = oracle.near_an_edge(case.test.z[keep] / o["temperature"], excluded=case.exclude)
    wrong = []
    for name, value in want.items():
        got = found["groups"].get(name) if name in ("many", "medium", "few") else found.get(name)
        if name == "ece_equal_mass" and o["dtype"] in ("float16", "bfloat16"):
            continue  # confidences tie, and only the last bits order them
        if name in ("ece", "ece_classwise") and on_an_edge:
            continue  # only the last bits say on which side
        if value is None or got is None:
            if value is not got:
                wrong.append(f"{name}: {got}, expected {value}")
        else:
            wrong += far(name, got, value, 1e-9 if o["container"] != "csv" else small)
    return wrong
