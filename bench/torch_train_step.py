"""torch_train_step.py NETWORK BATCH THREADS STEPS DEVICE LAYOUT...: images/s of training steps in Python PyTorch.

The same CIFAR network, loss and SGD as p2p train, eager, on one random batch that is there already: no
images are read, changed or moved, which p2p train does as well in its time. DEVICE: cpu or cuda. LAYOUT: nchw,
channels-last, or channels-last-bf16 (autocast). Prints a line for each.
"""

import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional

DEPTH = {"resnet20": 3, "resnet32": 5, "resnet44": 7}


class Block(nn.Module):
    def __init__(self, width, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(width, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.stride, self.missing = stride, channels - width

    def forward(self, x):
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.missing:
            half = self.missing // 2
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, half))
        return functional.relu(x + y)


def network(name):
    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    width = 16
    for channels in (16, 32, 64):
        for block in range(DEPTH[name]):
            layers.append(Block(width, channels, 2 if channels > 16 and block == 0 else 1))
            width = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def images_per_second(name, batch, steps, device, layout):
    order = torch.channels_last if layout.startswith("channels-last") else torch.contiguous_format
    model = network(name).to(device, memory_format=order)
    images = torch.rand(batch, 3, 32, 32, device=device).contiguous(memory_format=order)
    labels = torch.randint(0, 10, (batch,), device=device)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=2e-4)

    def step():
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=layout.endswith("bf16")):
            loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()

    def seconds(count):
        start = time.perf_counter()
        for _ in range(count):
            step()
        if device == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / count

    at_once = 20 if device == "cuda" else 1  # steps that a GPU may be ahead of the program
    seconds(2 * at_once)
    return batch / statistics.median(seconds(at_once) for _ in range(steps))


def main():
    name, batch, threads, steps, device, *layouts = sys.argv[1:]
    torch.set_num_threads(int(threads))
    torch.backends.cudnn.benchmark = True
    for layout in layouts:
        print(torch.__version__, layout, images_per_second(name, int(batch), int(steps), device, layout))


main()
