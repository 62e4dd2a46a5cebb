"""Classifiers of scikit-learn, exported by skl2onnx.

Each family is a function of the folder of all models that writes its own folder's model.onnx.
"""

import warnings

import numpy as np
from skl2onnx import to_onnx
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

ROWS, FEATURES = 64, 6
OPSET = {"": 17, "ai.onnx.ml": 3}
NAMES = ["bird", "cat", "dog", "fish"]


def samples(classes):
    """Long-tailed, overlapping clusters."""
    rng = np.random.default_rng(classes)
    labels = rng.choice(
        classes, 400, p=np.array([8, 4, 2, 1])[:classes] / sum([8, 4, 2, 1][:classes])
    )
    centres = rng.normal(0, 1, (classes, FEATURES))
    return (centres[labels] + rng.normal(0, 1, (400, FEATURES))).astype(np.float32), labels


def make(root, name, estimator, classes, names=None, **options):
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    x, labels = samples(classes)
    if names:
        labels = np.array(names)[labels]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(x, labels)
    made = to_onnx(estimator, x[:1], target_opset=OPSET, options={id(estimator): options})
    (folder / "model.onnx").write_bytes(made.SerializeToString())
    np.savez(folder / "inputs.npz", X=x[:ROWS])
    np.save(folder / "inputs.npy", x[:ROWS])


def logistic():
    return LogisticRegression(max_iter=200)


def perceptron():
    return MLPClassifier((16,), max_iter=60, random_state=0)


def grown(kind, **more):
    """Trees whose leaves seldom hold one class alone."""
    return kind(max_depth=4, min_samples_leaf=12, random_state=0, **more)


# Estimators that give probabilities and no logits, by the name of their families.
OTHERS = {
    "forest": lambda: grown(RandomForestClassifier, n_estimators=8),
    "extra-trees": lambda: grown(ExtraTreesClassifier, n_estimators=8),
    "tree": lambda: grown(DecisionTreeClassifier),
    "bagging": lambda: BaggingClassifier(grown(DecisionTreeClassifier), 4, random_state=0),
    "gradient-boosting": lambda: GradientBoostingClassifier(
        n_estimators=5, max_depth=2, random_state=0),
    "svc": lambda: SVC(probability=True, random_state=0),
    "knn": lambda: KNeighborsClassifier(40),
    "gaussian-nb": GaussianNB,
    "calibrated": lambda: CalibratedClassifierCV(LogisticRegression(), cv=2),
    "one-vs-rest": lambda: OneVsRestClassifier(LogisticRegression()),
}  # fmt: skip
KINDS = {
    "forest": ["", "-zipmap", "-names", "-names-zipmap", "-binary", "-binary-zipmap"],
    "tree": ["", "-binary"],
    "gradient-boosting": ["", "-zipmap", "-binary"],
    "svc": ["", "-names-zipmap", "-binary"],
    "knn": ["", "-names-zipmap"],
    "gaussian-nb": ["", "-names-zipmap", "-binary"],
    "calibrated": ["", "-zipmap", "-binary"],
}


def other(estimator, kind):
    name = f"sklearn-{estimator}{kind}"
    return name, lambda root: make(
        root, name, OTHERS[estimator](), 2 if "binary" in kind else 4,
        NAMES if "names" in kind else None, zipmap="zipmap" in kind)  # fmt: skip


FAMILIES = {
    "sklearn-logistic": lambda root: make(root, "sklearn-logistic", logistic(), 4, zipmap=False),
    "sklearn-logistic-zipmap": lambda root: make(root, "sklearn-logistic-zipmap", logistic(), 4),
    "sklearn-logistic-raw": lambda root: make(
        root, "sklearn-logistic-raw", logistic(), 4, zipmap=False, raw_scores=True),
    "sklearn-logistic-names": lambda root: make(
        root, "sklearn-logistic-names", logistic(), 4, NAMES, zipmap=False),
    "sklearn-logistic-names-zipmap": lambda root: make(
        root, "sklearn-logistic-names-zipmap", logistic(), 4, NAMES),
    "sklearn-logistic-binary": lambda root: make(
        root, "sklearn-logistic-binary", logistic(), 2, zipmap=False),
    "sklearn-mlp": lambda root: make(root, "sklearn-mlp", perceptron(), 4, zipmap=False),
    "sklearn-mlp-zipmap": lambda root: make(root, "sklearn-mlp-zipmap", perceptron(), 4),
    "sklearn-mlp-names": lambda root: make(
        root, "sklearn-mlp-names", perceptron(), 4, NAMES, zipmap=False),
    "sklearn-mlp-binary": lambda root: make(root, "sklearn-mlp-binary", perceptron(), 2, zipmap=False),
    "sklearn-mlp-binary-zipmap": lambda root: make(
        root, "sklearn-mlp-binary-zipmap", perceptron(), 2),
    "sklearn-gradient-boosting-raw": lambda root: make(
        root, "sklearn-gradient-boosting-raw", OTHERS["gradient-boosting"](), 4, zipmap=False, raw_scores=True),
}  # fmt: skip
FAMILIES |= dict(other(estimator, kind) for estimator in OTHERS for kind in KINDS.get(estimator, [""]))
