"""From a long-tailed training loop to a corrected model, in PyTorch.

A small network learns ten overlapping classes, of which the first has 100 times the images of the
last. Its effective prior is summed on the device over the training loader, and divided out.
"""

import numpy as np
import prior2posterior as p2p
import torch
from prior2posterior.torch import EffectivePrior, PriorCorrection
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

CLASSES, FEATURES = 10, 20
torch.manual_seed(0)
device = "cuda" if torch.cuda.is_available() else "cpu"

# Ten clouds of points: long-tailed for training, balanced for the test.
counts = (1000 * 100 ** (-np.arange(CLASSES) / (CLASSES - 1))).astype(int)  # 1000 ... 10
centres = torch.randn(CLASSES, FEATURES)


def points(per_class):
    """Draw that many points of each class."""
    y = torch.repeat_interleave(torch.arange(CLASSES), torch.as_tensor(per_class))
    return centres[y] + 1.8 * torch.randn(len(y), FEATURES), y


train_set, (test_x, test_y) = TensorDataset(*points(counts)), points([500] * CLASSES)
train_loader = DataLoader(train_set, batch_size=128, shuffle=True)

# Plain cross-entropy.
model = nn.Sequential(nn.Linear(FEATURES, 64), nn.ReLU(), nn.Linear(64, CLASSES)).to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-3)
for _epoch in range(20):
    for x, y in train_loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x.to(device)), y.to(device)).backward()
        optimizer.step()

# What does it believe before it looks? A metric, updated as any other.
model.eval()
metric = EffectivePrior(counts=counts)
with torch.no_grad():
    for x, y in train_loader:
        metric.update(model(x.to(device)), y)
prior = metric.compute()
print(p2p.inspect(prior))

# Divided out by a module behind the model ...
corrected = nn.Sequential(model, PriorCorrection(prior).to(device))
with torch.no_grad():
    raw_scores, scores = model(test_x.to(device)).cpu(), corrected(test_x.to(device)).cpu()
before = p2p.evaluate(raw_scores, test_y, counts=counts)
after = p2p.evaluate(scores, test_y, counts=counts)
print(f"\n{'recall':8}{'before':>8}{'after':>8}")
for name in ("many", "medium", "few", "accuracy"):
    print(f"{name:8}{getattr(before, name):8.3f}{getattr(after, name):8.3f}")

# ... or in the bias of its last layer, which costs nothing when it runs.
baked = p2p.bake(model, prior)
with torch.no_grad():
    baked_scores = baked(test_x.to(device)).cpu()
torch.testing.assert_close(baked_scores, scores, rtol=1e-4, atol=1e-4)

assert after.accuracy > before.accuracy + 0.02
assert after.few > before.few + 0.1
assert (baked_scores.argmax(1) == scores.argmax(1)).all()
