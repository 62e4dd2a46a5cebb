"""A long-tailed classifier, corrected without training anything again.

Needs scikit-learn; runs offline in a second: python examples/01_quickstart.py
"""

import numpy as np
import prior2posterior as p2p
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

# Handwritten digits, 8 x 8 pixels. The test half stays balanced.
images, digits = load_digits(return_X_y=True)
images, test_images, digits, test_digits = train_test_split(
    images / 16, digits, test_size=0.5, stratify=digits, random_state=0
)

# A long tail for training: 80 zeros, fifty times fewer nines, exponentially fewer in between.
counts = [int(80 * (1 / 50) ** (c / 9)) for c in range(10)]
rows = np.concatenate([np.flatnonzero(digits == c)[:n] for c, n in enumerate(counts)])
model = LogisticRegression(max_iter=1000).fit(images[rows], digits[rows])

# How frequent is each digit, in the eyes of the model? Its mean posterior over training rows.
train_scores = model.decision_function(images[rows])
prior = p2p.estimate_prior(train_scores, labels=digits[rows])
print("believed before it sees an image, %:", (100 * prior.effective).round(1))

# Divide that belief out of the scores of new images.
test_scores = model.decision_function(test_images)
corrected = p2p.correct(test_scores, prior)


def measure(scores):
    """Accuracy by group: 3 digits with more than 30 training images, 2, 5 with fewer than 10."""
    # The usual cut-offs, 100 and 20 images, are for larger sets.
    return p2p.evaluate(scores, test_digits, counts=prior, many=30, few=10)


before, after = measure(test_scores), measure(corrected)
print(f"{'accuracy, %':12} {'all':>6} {'many':>6} {'medium':>6} {'few':>6}")
for name, found in (("before", before), ("after", after)):
    groups = (found.accuracy, found.many, found.medium, found.few)
    print(f"{name:12}", *(f"{100 * share:6.1f}" for share in groups))

assert after.accuracy > before.accuracy + 0.15
assert after.few > before.few + 0.33  # rare digits gain what
assert before.many - 0.04 < after.many < before.many  # frequent ones pay a little for
