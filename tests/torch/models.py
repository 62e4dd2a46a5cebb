"""Small modules, scripted or traced as their users do."""

from collections import namedtuple
from typing import Dict, Tuple

import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 7


class Mlp(nn.Module):
    def __init__(self, end=None, bias=True):
        super().__init__()
        self.hidden = nn.Linear(6, CLASSES)  # as many outputs as classes, but not the last
        self.fc = nn.Linear(CLASSES, CLASSES, bias=bias)
        self.end = end if end is not None else nn.Identity()

    def forward(self, x):
        return self.end(self.fc(F.relu(self.hidden(x))))


class Times(nn.Module):
    """Scores times a learned number, over a fixed one."""

    def __init__(self, number, temperature):
        super().__init__()
        self.number = nn.Parameter(torch.tensor(number))
        self.temperature = temperature

    def forward(self, z):
        return z * self.number / self.temperature


class Branch(nn.Module):
    """The same layer either way, chosen when it runs."""

    def forward(self, z):
        if z.shape[0] > 3:
            z = z.contiguous()
        else:
            z = z.clone()
        return z


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x):
        return F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class Cnn(nn.Module):
    """As a small ResNet: stem, blocks, average, dropout, Linear."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.blocks = nn.Sequential(Residual(8), nn.MaxPool2d(2), Residual(8))
        self.dropout = nn.Dropout(0.3)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.blocks(self.stem(x))
        return self.fc(self.dropout(F.adaptive_avg_pool2d(x, 1).flatten(1)))


class ConvHead(nn.Module):
    """A 1x1 convolution makes the scores of each place, which are averaged."""

    def __init__(self, average):
        super().__init__()
        self.body = nn.Conv2d(3, 8, 3, padding=1)
        self.classifier = nn.Conv2d(8, CLASSES, 1)
        self.average = average

    def forward(self, x):
        x = self.classifier(F.relu(self.body(x)))
        if self.average == "mean":
            return x.mean([2, 3])
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        return F.log_softmax(x, dim=1)


class Matrix(nn.Module):
    """Scores as x W + b with W [d, C]."""

    def __init__(self, function):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, CLASSES))
        self.bias = nn.Parameter(torch.randn(CLASSES))
        self.function = function

    def forward(self, x):
        if self.function == "addmm":
            return torch.addmm(self.bias, x, self.weight)
        return x @ self.weight + self.bias


class Tokens(nn.Module):
    """Integers in, two inputs by name."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 6)
        self.fc = nn.Linear(6, CLASSES)

    def forward(self, words, weights, offset: float = 0.0):
        return self.fc((self.embedding(words) * weights.unsqueeze(-1)).sum(1) + offset)


Scores = namedtuple("Scores", ["features", "logits", "probs"])


class Several(nn.Module):
    """More than one output, in one of the containers of TorchScript."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(6, 5)
        self.fc = nn.Linear(5, CLASSES)

    def scores(self, x) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        features = F.relu(self.hidden(x))
        logits = self.fc(features)
        return features, logits, logits.softmax(-1)


class AsTuple(Several):
    def forward(self, x):
        return self.scores(x)


class AsNamedTuple(Several):
    def forward(self, x):
        features, logits, probs = self.scores(x)
        return Scores(features, logits, probs)


class AsDict(Several):
    def forward(self, x) -> Dict[str, torch.Tensor]:
        features, logits, probs = self.scores(x)
        found = {"features": features, "logits": logits}
        found["probs"] = probs
        return found


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(6, CLASSES)
        self.b = nn.Linear(6, CLASSES)

    def forward(self, x):
        return self.a(x), self.b(x)


class EitherHead(TwoHeads):
    """Which layer makes the scores is chosen when it runs."""

    def forward(self, x):
        if x.sum() > 1e6:
            z = self.a(x)
        else:
            z = self.b(x)
        return z


class Shared(nn.Module):
    """The weight of the last layer is that of the first, too."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(CLASSES, 6)
        self.fc = nn.Linear(6, CLASSES)
        self.fc.weight = self.embedding.weight

    def forward(self, words):
        return self.fc(self.embedding(words).mean(1))


class Twice(nn.Module):
    """One layer makes the scores and something else."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(CLASSES, CLASSES)

    def forward(self, x):
        return self.fc(F.relu(self.fc(x)))


class InPlace(Mlp):
    def forward(self, x):
        z = self.fc(F.relu(self.hidden(x)))
        view = z[:, 0:3]
        view.sigmoid_()
        return z


def rows(shape=(6,), count=20):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(1))


def built(module, *examples, trace=False):
    """In evaluation mode, with weights that are the same every time."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "number" not in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
        for name, buffer in module.named_buffers():
            if buffer.is_floating_point():
                buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
    module.eval()
    return torch.jit.trace(module, examples) if trace else torch.jit.script(module)
