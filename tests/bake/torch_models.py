"""Networks in PyTorch, exported as their users do. Needs only torch and NumPy, so that Debian's
python3-torch runs it; PyTorch 2.x adds a second exporter.

usage: torch_models.py FOLDER [--exporter torchscript|dynamo]
Writes FOLDER/NAME/model.onnx and inputs.npz for each family, and without the dynamo exporter
FOLDER/NAME/model.pt for TorchScript and FOLDER/state-dict: weights.npz, features.npy and a pickle.
"""

import argparse
import inspect
import pathlib
import warnings

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

ROWS = 64


# ---- networks: each keeps its last layer in `head`


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, width_in, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride != 1 or width_in != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class ResNet18(nn.Module):
    """Four stages of two blocks, narrow; 7x7 stem and pooling as the original."""

    def __init__(self, classes, width=8):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 7, 2, padding=3, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.MaxPool2d(3, 2, padding=1),
        )  # fmt: skip
        blocks, last = [], width
        for stage in range(4):
            for block in range(2):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(Residual(last, width << stage, stride))
                last = width << stage
        self.stages = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(last, classes)

    def features(self, image):
        return torch.flatten(self.pool(self.stages(self.stem(image))), 1)

    def forward(self, image):
        return self.head(self.features(image))


class Inverted(nn.Module):
    """Expand, filter each channel, project: MobileNetV2's block."""

    def __init__(self, width_in, width, stride):
        super().__init__()
        inner = 4 * width_in
        self.body = nn.Sequential(
            nn.Conv2d(width_in, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU6(),
            nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False),
            nn.BatchNorm2d(inner), nn.ReLU6(),
            nn.Conv2d(inner, width, 1, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip
        self.skip = stride == 1 and width_in == width

    def forward(self, x):
        return x + self.body(x) if self.skip else self.body(x)


class MobileNet(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6()
        )
        self.blocks = nn.Sequential(
            Inverted(8, 16, 2), Inverted(16, 16, 1), Inverted(16, 24, 2), Inverted(24, 24, 1)
        )
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(24, classes)

    def forward(self, image):
        x = F.adaptive_avg_pool2d(self.blocks(self.stem(image)), 1)
        return self.head(self.dropout(torch.flatten(x, 1)))


class ConvNet(nn.Module):
    """A 1x1 convolution for a head, before (`pool_last`) or after the pooling."""

    def __init__(self, classes, pool_last, bias=True):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU()
        )
        self.head = nn.Conv2d(32, classes, 1, bias=bias)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.pool_last = pool_last

    def forward(self, image):
        x = self.body(image)
        x = self.pool(self.head(x)) if self.pool_last else self.head(self.pool(x))
        return torch.flatten(x, 1)


class PointNet(ConvNet):
    """Scores of [rows, classes, 1, 1]."""

    def forward(self, image):
        return self.head(self.pool(self.body(image)))


class Segmenter(ConvNet):
    """A class for each of 7x7 positions, enlarged from the 3x3 that the head scores."""

    def forward(self, image):
        x = F.adaptive_avg_pool2d(self.body(image), 4)[:, :, :3, :3]
        return F.interpolate(self.head(x), size=(7, 7), mode="bilinear", align_corners=False)


class Attention(nn.Module):
    """A transformer block, normalised first."""

    def __init__(self, width, heads=2):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x):
        batch, tokens, width = x.shape
        q, k, v = (
            part.reshape(batch, tokens, self.heads, width // self.heads).transpose(1, 2)
            for part in self.qkv(self.norm1(x)).chunk(3, dim=-1)
        )
        a = torch.softmax(q @ k.transpose(2, 3) * (width // self.heads) ** -0.5, dim=-1) @ v
        x = x + self.out(a.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """Patches of 8x8, a class token, two blocks. The head acts on every token; `tokens`: all of
    them are the output, else the class token's scores."""

    def __init__(self, classes, tokens, width=32):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.position = nn.Parameter(torch.randn(1, 17, width) * 0.1)
        self.blocks = nn.Sequential(Attention(width), Attention(width))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)
        self.tokens = tokens

    def forward(self, image):
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.position
        scores = self.head(self.norm(self.blocks(x)))
        return scores if self.tokens else scores[:, 0]


class TimeFirst(VisionTransformer):
    """Scores of [tokens, rows, classes]."""

    def forward(self, image):
        x = self.patches(image).flatten(2).transpose(1, 2)
        return self.head(self.norm(self.blocks(x)).transpose(0, 1))


class Mlp(nn.Module):
    def __init__(self, classes, bias=True):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(20, 48), nn.ReLU(), nn.Linear(48, 32), nn.Tanh())
        self.head = nn.Linear(32, classes, bias=bias)

    def forward(self, features):
        return self.head(self.body(features))


class Cosine(Mlp):
    """Cosines between the features and a direction for each class, times one learnt scale."""

    def __init__(self, classes):
        super().__init__(classes, bias=False)
        self.scale = nn.Parameter(torch.tensor(16.0))

    def forward(self, features):
        direction = F.normalize(self.head.weight, dim=1)
        return self.scale * (F.normalize(self.body(features), dim=1) @ direction.t())


class SharedBias(Mlp):
    """The last bias also shifts a second output, so it cannot take an offset for the first."""

    def forward(self, features):
        scores = self.head(self.body(features))
        return scores, (features[:, : self.head.out_features] + self.head.bias).sum(1, keepdim=True)


class Ending(nn.Module):
    """A network whose scores are turned into something else by `end`."""

    def __init__(self, net, end):
        super().__init__()
        self.net, self.end = net, end

    @property
    def head(self):
        return self.net.head

    def forward(self, x):
        return self.end(self.net(x))


class WithFeatures(ResNet18):
    def forward(self, image):
        features = self.features(image)
        return self.head(features), features


class TwoInputs(MobileNet):
    """An image and numbers that go with it."""

    def __init__(self, classes):
        super().__init__(classes)
        self.head = nn.Linear(24 + 20, classes)

    def forward(self, image, numbers):
        x = F.adaptive_avg_pool2d(self.blocks(self.stem(image)), 1)
        return self.head(torch.cat([torch.flatten(x, 1), numbers], dim=1))


# ---- families: the network, its inputs and how it is exported


def images():
    """Coarse patterns with noise on them."""
    coarse = F.interpolate(torch.randn(ROWS, 3, 4, 4), scale_factor=8)
    return {"image": coarse + 0.3 * torch.randn(ROWS, 3, 32, 32)}


def vectors():
    return {"features": torch.randn(ROWS, 20)}


def export_of(net, inputs, outputs=("scores",), batch=None, **options):
    return {"net": net, "inputs": inputs, "outputs": list(outputs), "batch": batch, **options}


def softmax(net):
    return Ending(net, nn.Softmax(dim=1))


FAMILIES = {
    "resnet18-opset11": lambda: export_of(ResNet18(10), images(), opset=11),
    "resnet18": lambda: export_of(ResNet18(10), images(), opset=13),
    "resnet18-opset14": lambda: export_of(ResNet18(10), images(), opset=14),
    "resnet18-opset17": lambda: export_of(ResNet18(10), images(), opset=17),
    "resnet18-fixed-batch": lambda: export_of(ResNet18(10), images(), opset=13, batch=4),
    "resnet18-weights-as-inputs": lambda: export_of(
        ResNet18(10), images(), opset=13, weights_as_inputs=True),
    "resnet18-features": lambda: export_of(
        WithFeatures(10), images(), ("scores", "embedding"), opset=13),
    "mobilenet": lambda: export_of(MobileNet(12), images(), opset=13),
    "mobilenet-softmax": lambda: export_of(
        softmax(MobileNet(12)), images(), ("probabilities",), opset=13),
    "mobilenet-log-softmax": lambda: export_of(
        Ending(MobileNet(12), nn.LogSoftmax(dim=1)), images(), ("log_probabilities",), opset=13),
    "mobilenet-logits-probs": lambda: export_of(
        Ending(MobileNet(12), lambda z: (z, torch.softmax(z, 1))), images(), ("logits", "probs"),
        opset=13),
    "mobilenet-labels": lambda: export_of(
        Ending(MobileNet(12), lambda z: z.argmax(1)), images(), ("label",), opset=13),
    "two-inputs": lambda: export_of(
        TwoInputs(12), {**images(), "numbers": torch.randn(ROWS, 20)}, opset=13),
    "conv-head-pool": lambda: export_of(ConvNet(7, pool_last=True), images(), opset=13),
    "conv-head-flatten": lambda: export_of(ConvNet(7, pool_last=False), images(), opset=13),
    "conv-head-no-bias": lambda: export_of(
        ConvNet(7, pool_last=False, bias=False), images(), opset=13),
    "conv-head-4d": lambda: export_of(PointNet(7, pool_last=False), images(), opset=13),
    "segmentation": lambda: export_of(Segmenter(7, pool_last=False), images(), opset=13),
    "segmentation-softmax": lambda: export_of(
        softmax(Segmenter(7, pool_last=False)), images(), ("probabilities",), opset=13),
    "segmentation-softmax-opset11": lambda: export_of(
        softmax(Segmenter(7, pool_last=False)), images(), ("probabilities",), opset=11),
    "segmentation-labels": lambda: export_of(
        Ending(Segmenter(7, pool_last=False), lambda z: z.argmax(1)), images(), ("label",),
        opset=13),
    "time-first": lambda: export_of(TimeFirst(9, tokens=True), images(), opset=14, rows_axis=1),
    "vit-token": lambda: export_of(VisionTransformer(9, tokens=False), images(), opset=14),
    "vit-tokens": lambda: export_of(VisionTransformer(9, tokens=True), images(), opset=14),
    "mlp": lambda: export_of(Mlp(8), vectors(), opset=13),
    "mlp-no-bias": lambda: export_of(Mlp(8, bias=False), vectors(), opset=13),
    "mlp-shared-bias": lambda: export_of(
        SharedBias(8), vectors(), ("scores", "check"), opset=13),
    "cosine-head": lambda: export_of(Cosine(8), vectors(), opset=13),
}  # fmt: skip


SCRIPTS = {
    "torchscript-trace-resnet18": (lambda: export_of(ResNet18(10), images(), opset=0), "trace"),
    "torchscript-script-resnet18": (lambda: export_of(ResNet18(10), images(), opset=0), "script"),
    "torchscript-trace-mlp": (lambda: export_of(Mlp(8), vectors(), opset=0), "trace"),
    "torchscript-script-mlp": (lambda: export_of(Mlp(8), vectors(), opset=0), "script"),
    "torchscript-trace-conv-head": (
        lambda: export_of(ConvNet(7, pool_last=False), images(), opset=0), "trace"),
    "torchscript-trace-conv-head-4d": (
        lambda: export_of(PointNet(7, pool_last=False), images(), opset=0), "trace"),
    "torchscript-script-softmax": (
        lambda: export_of(softmax(MobileNet(12)), images(), opset=0), "script"),
    "torchscript-trace-no-bias": (
        lambda: export_of(Mlp(8, bias=False), vectors(), opset=0), "trace"),
}  # fmt: skip


# ---- making them


def spread_scores(net, inputs):
    """Gives the head weights and a bias with which the classes differ and every one can win: over
    the inputs each score has mean b_c ~ N(0, 1), and all together deviate from it by 2."""
    seen = {}

    def look(_, arguments, output):
        seen["features"], seen["scores"] = arguments[0], output

    hook = net.head.register_forward_hook(look)

    def columns(x):
        """[rows, channels]: means over an image's positions; the first of the tokens."""
        return x.flatten(2).mean(2) if x.dim() == 4 else x[:, 0] if x.dim() == 3 else x

    with torch.no_grad():
        if net.head.bias is not None:
            net.head.bias.zero_()
        net(*inputs)
        if seen:
            weight = net.head.weight.reshape(net.head.weight.shape[0], -1)
            mean = columns(seen["features"]).mean(0)
            weight -= torch.outer(weight @ mean, mean) / mean.dot(mean)
            net(*inputs)
            weight *= 2 / columns(seen["scores"]).std()
        if net.head.bias is not None:
            net.head.bias.copy_(torch.randn(net.head.bias.shape))
    hook.remove()


def settle(net, inputs):
    """Batch norms with running statistics of their own and an affine part that is no identity."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.7, 1.3)
        nn.init.normal_(norm.bias, 0, 0.2)
    net.train()
    with torch.no_grad():
        for _ in range(8):
            net(*inputs)
    net.eval()


def built(name, make):
    torch.manual_seed(sum(name.encode()))
    export = make()
    inputs = tuple(export["inputs"].values())
    settle(export["net"], inputs)
    spread_scores(export["net"], inputs)
    return export


def write_onnx(
    folder, exporter, net, inputs, outputs, opset, batch=None, weights_as_inputs=False, rows_axis=0
):
    example = tuple(value[: batch or 2] for value in inputs.values())
    names = list(inputs)
    options = {"input_names": names, "output_names": outputs, "opset_version": opset}
    if weights_as_inputs:
        options["keep_initializers_as_inputs"] = True
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = exporter == "dynamo"
    if exporter == "dynamo":
        options |= {"external_data": False, "opset_version": max(opset, 18)}
        if batch is None:
            options["dynamic_shapes"] = tuple({0: torch.export.Dim("batch")} for _ in names)
    elif batch is None:
        options["dynamic_axes"] = {name: {0: "batch"} for name in names}
        options["dynamic_axes"] |= {name: {rows_axis: "batch"} for name in outputs}
    torch.onnx.export(net, example, str(folder / "model.onnx"), **options)


def save_inputs(folder, inputs):
    arrays = {name: value.numpy() for name, value in inputs.items()}
    np.savez(folder / "inputs.npz", **arrays)
    if len(arrays) == 1:
        np.save(folder / "inputs.npy", next(iter(arrays.values())))


def write_torchscript(folder, how, net, inputs):
    example = tuple(inputs.values())
    made = torch.jit.script(net) if how == "script" else torch.jit.trace(net, example)
    torch.jit.save(made, str(folder / "model.pt"))


def write_state_dict(folder):
    """A ResNet-18 as weights alone, and what goes into its head."""
    export = built("state-dict", FAMILIES["resnet18"])
    net, (image,) = export["net"], export["inputs"].values()
    torch.save(net.state_dict(), folder / "pickled.pt")
    np.savez(folder / "weights.npz", **{k: v.numpy() for k, v in net.state_dict().items()})
    with torch.no_grad():
        np.save(folder / "features.npy", net.features(image).numpy())


def folder_of(root, name):
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--exporter", choices=["torchscript", "dynamo"], default="torchscript")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of the tracer, for shapes that the families fix on purpose
    torch.set_num_threads(1)
    for name, make in FAMILIES.items():
        folder = folder_of(arguments.folder, name)
        export = built(name, make)
        write_onnx(folder, arguments.exporter, **export)
        save_inputs(folder, export["inputs"])
    if arguments.exporter == "dynamo":
        return
    for name, (make, how) in SCRIPTS.items():
        folder = folder_of(arguments.folder, name)
        export = built(name, make)
        write_torchscript(folder, how, export["net"], export["inputs"])
        save_inputs(folder, export["inputs"])
    write_state_dict(folder_of(arguments.folder, "state-dict"))


if __name__ == "__main__":
    main()
