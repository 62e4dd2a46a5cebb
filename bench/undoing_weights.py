"""Log-loss of ways to undo class weights, on real data: the table of docs/undoing-weights.md.

Needs scikit-learn, and `apt-cache` for descriptions of Debian packages by section. Minutes.

    python3 bench/undoing_weights.py [ROWS]
"""

import re
import subprocess
import sys
import warnings

import numpy as np
from prior2posterior.sklearn import PriorCorrectedClassifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

LEAST = 15  # packages of a section: five folds of what is left for training


def debian_packages(rows):
    """Descriptions of packages, and their sections."""
    text = subprocess.run(
        ["apt-cache", "dumpavail"], capture_output=True, text=True, check=True
    ).stdout
    found = {}
    for package in text.split("\n\n"):
        section = re.search(r"^Section: (?:[\w-]+/)?(\S+)$", package, re.MULTILINE)
        about = re.search(r"^Description(?:-en)?: (.*)$", package, re.MULTILINE)
        if section and about:
            found[about[1]] = section[1]
    words, sections = np.array(list(found)), np.array(list(found.values()))
    drawn = np.random.default_rng(0).permutation(words.size)[:rows]
    words, sections = words[drawn], sections[drawn]
    _, inverse, counts = np.unique(sections, return_inverse=True, return_counts=True)
    kept = counts[inverse] >= LEAST
    vectors = TfidfVectorizer(sublinear_tf=True, min_df=3, max_features=5000)
    return vectors.fit_transform(words[kept]), sections[kept]


def long_tailed_digits(_):
    """Digits of scikit-learn, of which later ones are rarer: 100 to 8 %."""
    X, y = load_digits(return_X_y=True)
    X = X + np.random.default_rng(1).normal(0, 6, X.shape)
    keep = np.random.default_rng(0).random(y.size) < 0.08 ** (y / 9)
    return X[keep] / 16, y[keep]


def ways(weighted, X, y):
    """Fitted models by name; `weighted` was fitted to these rows."""
    frozen = FrozenEstimator(weighted)
    towards = {"target": "empirical"}
    yield "weighted, as it is", weighted
    yield "weights stated, training rows", PriorCorrectedClassifier(frozen, **towards)
    yield "weights stated, cv=5", PriorCorrectedClassifier(weighted, cv=5, **towards)
    yield (
        "method='match', cv=5",
        PriorCorrectedClassifier(weighted, method="match", cv=5, **towards),
    )
    yield (
        "strength='auto', cv=5",
        PriorCorrectedClassifier(weighted, strength="auto", cv=5, **towards),
    )
    yield "method='auto', cv=5", PriorCorrectedClassifier(weighted, method="auto", cv=5, **towards)
    yield "method='bias', cv=5", PriorCorrectedClassifier(weighted, method="bias", cv=5, **towards)
    yield "CalibratedClassifierCV, cv=5", CalibratedClassifierCV(weighted, cv=5, ensemble=False)
    yield "trained without weights", LogisticRegression(max_iter=weighted.max_iter)


def main():
    """Print one table for each data set."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    warnings.simplefilter("ignore")
    for load in (long_tailed_digits, debian_packages):
        X, y = load(rows)
        X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
        weighted = LogisticRegression(class_weight="balanced", max_iter=300).fit(X, y)
        print(f"{load.__name__}: {np.unique(y).size} classes, {y.size} training rows")
        for name, model in ways(weighted, X, y):
            if model is not weighted:
                model.fit(X, y)
            loss = log_loss(y_test, model.predict_proba(X_test), labels=np.unique(y))
            right = np.mean(model.predict(X_test) == y_test)
            print(f"  {name:32} log-loss {loss:.3f}  accuracy {right:.3f}", flush=True)


if __name__ == "__main__":
    main()
