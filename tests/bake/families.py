"""The families of models that `p2p bake` is tested on, and what it is expected to do with each."""

import os
from dataclasses import dataclass, replace

TORCH, ONNX, ORT, SKLEARN = "PyTorch", "onnx", "ONNX Runtime", "scikit-learn"
ENDINGS = {"onnx": ".onnx", "safetensors": ".safetensors", "torchscript": ".pt"}


@dataclass(frozen=True)
class Family:
    name: str
    maker: str
    opset: int
    classes: int
    mode: str  # that `--mode auto` takes: fold, add or reweight; refused
    kind: str = "logits"  # of the output
    output: str = "scores"
    axis: int = -1  # of the classes in the output
    dtype: str = "float32"  # in which the offset is stored
    tolerance: float = 1e-5  # of scores; relative beyond 1
    options: tuple = ()  # that bake needs to find the scores
    also: tuple = ()  # other outputs that the correction changes
    says: tuple = ()  # words of the refusal
    runs: bool = True  # in ONNX Runtime; else in the reference evaluator of onnx
    checks: bool = True  # the original passes onnx.checker
    adds: bool = True  # an operation can be added behind the scores
    comparable: str = ""  # what labels are made of: probs; else logits
    hidden: str = ""  # value with the logits, where the output does not say it
    logits: bool = True  # there are some; else the output holds all that is known
    one_logit: bool = False  # of two classes
    format: str = "onnx"

    @property
    def file(self):
        return "model" + ENDINGS[self.format]

    @property
    def scales(self):
        """Each class can have a scale of its own: the logits are seen, with their constant."""
        return self.kind in ("logits", "labels") and not self.comparable

    @property
    def added(self):
        """The mode that `--mode add` takes."""
        return "add" if self.logits else "reweight"

    @property
    def refused(self):
        return self.mode == "refused"


FLOAT16, BFLOAT16 = 5 * 2**-10, 5 * 2**-7  # five units in the last place

FAMILIES = [
    Family("resnet18", TORCH, 13, 10, "fold"),
    Family("resnet18-opset11", TORCH, 11, 10, "fold"),
    Family("resnet18-opset14", TORCH, 14, 10, "fold"),
    Family("resnet18-opset17", TORCH, 17, 10, "fold"),
    Family("resnet18-fixed-batch", TORCH, 13, 10, "fold"),
    Family("resnet18-weights-as-inputs", TORCH, 13, 10, "fold"),
    Family("resnet18-features", TORCH, 13, 10, "fold"),
    Family("mobilenet", TORCH, 13, 12, "fold"),
    Family("mobilenet-softmax", TORCH, 13, 12, "fold", "probs", "probabilities"),
    Family("mobilenet-log-softmax", TORCH, 13, 12, "fold", "log-probs", "log_probabilities"),
    Family("mobilenet-logits-probs", TORCH, 13, 12, "fold", output="logits",
           options=("--output-name", "logits"), also=("probs",)),
    Family("mobilenet-labels", TORCH, 13, 12, "fold", "labels", "label"),
    Family("two-inputs", TORCH, 13, 12, "fold"),
    Family("conv-head-pool", TORCH, 13, 7, "fold"),
    Family("conv-head-flatten", TORCH, 13, 7, "fold"),
    Family("conv-head-no-bias", TORCH, 13, 7, "fold"),
    Family("conv-head-4d", TORCH, 13, 7, "fold", axis=1),
    Family("segmentation", TORCH, 13, 7, "fold", axis=1),
    Family("segmentation-softmax", TORCH, 13, 7, "fold", "probs", "probabilities", axis=1),
    Family("segmentation-softmax-opset11", TORCH, 11, 7, "fold", "probs", "probabilities", axis=1,
           hidden="/net/Resize_output_0"),
    Family("segmentation-labels", TORCH, 13, 7, "fold", "labels", "label", axis=1),
    Family("time-first", TORCH, 14, 9, "fold"),
    Family("vit-token", TORCH, 14, 9, "add"),
    Family("vit-tokens", TORCH, 14, 9, "fold"),
    Family("mlp", TORCH, 13, 8, "fold"),
    Family("mlp-no-bias", TORCH, 13, 8, "add"),
    Family("mlp-shared-bias", TORCH, 13, 8, "add"),
    Family("cosine-head", TORCH, 13, 8, "add"),
    Family("float16", ORT, 13, 12, "fold", dtype="float16", tolerance=FLOAT16),
    Family("float16-inside", ORT, 13, 12, "fold", dtype="float16", tolerance=FLOAT16, checks=False),
    Family("qdq", ORT, 13, 12, "add"),
    Family("qdq-output", ORT, 13, 12, "add"),
    Family("qdq-per-channel", ORT, 13, 12, "add"),
    Family("dynamic-quantised", ORT, 13, 8, "fold"),
    Family("gemm-newest-opset", ONNX, 28, 6, "fold"),
    Family("gemm-opset11", ONNX, 11, 6, "fold"),
    Family("gemm-float64", ONNX, 17, 6, "fold", dtype="float64"),
    Family("gemm-alpha-beta", ONNX, 17, 6, "fold"),
    Family("gemm-beta-zero", ONNX, 17, 6, "add"),
    Family("gemm-no-bias", ONNX, 17, 6, "fold"),
    Family("gemm-row-bias", ONNX, 17, 6, "fold"),
    Family("gemm-scalar-bias", ONNX, 17, 6, "add"),
    Family("gemm-constant-node", ONNX, 17, 6, "fold"),
    Family("gemm-bias-is-input", ONNX, 11, 6, "fold"),
    Family("gemm-float-data", ONNX, 17, 6, "fold"),
    Family("gemm-int32-data", ONNX, 17, 6, "fold", dtype="float16", tolerance=FLOAT16),
    Family("bfloat16-gemm", ONNX, 17, 6, "fold", dtype="bfloat16", tolerance=BFLOAT16, runs=False),
    Family("bfloat16-weights", ONNX, 17, 6, "add"),
    Family("matmul-add", ONNX, 17, 6, "fold"),
    Family("identity-after", ONNX, 17, 6, "fold"),
    Family("bias-is-output", ONNX, 17, 6, "add", options=("--output-name", "scores")),
    Family("bias-in-subgraph", ONNX, 17, 6, "add", options=("--output-name", "scores")),
    Family("weights-used-twice", ONNX, 17, 6, "fold", also=("mean",)),
    Family("top-k", ONNX, 17, 6, "fold", output="", options=("--tensor", "logits"),
           also=("best", "which"), hidden="logits"),
    Family("label-confidence", ONNX, 17, 6, "fold", "labels", "label", also=("confidence",),
           options=("--output-name", "label"), comparable="probs"),
    Family("metadata", ONNX, 17, 6, "fold"),
    Family("unknown-fields", ONNX, 17, 6, "fold"),
    Family("external-weights", ONNX, 17, 6, "fold"),
    Family("external-bias", ONNX, 17, 6, "fold"),
    Family("over-2gb", ONNX, 17, 6, "fold"),
    Family("sigmoid", ONNX, 17, 6, "refused", says=("Sigmoid",)),
    Family("sigmoid-of-one", ONNX, 17, 2, "fold", "probs", one_logit=True),
    Family("sigmoid-of-one-flat", ONNX, 17, 2, "add", "probs", one_logit=True),
    Family("sigmoid-pair", ONNX, 17, 2, "fold", "probs", one_logit=True, also=("label",)),
    Family("softmax-averaged", ONNX, 17, 6, "reweight", "probs", logits=False),
    Family("softmax-spelt-out", ONNX, 17, 6, "reweight", "probs", logits=False),
    Family("softmax-transposed", ONNX, 17, 5, "fold", "probs", also=("label",)),
    Family("trees-softmax", ONNX, 17, 5, "fold", "probs", logits=False, also=("label",)),
    Family("trees-as-lightgbm", ONNX, 9, 5, "reweight", "probs", logits=False, also=("label",)),
    Family("softmax-clipped", ONNX, 17, 6, "refused", says=("Clip",)),
    Family("softmax-plus-constant", ONNX, 17, 6, "refused", says=("Softmax",)),
    Family("custom-operator", ONNX, 17, 6, "refused", says=("FancyHead", "com.example"), runs=False),
    Family("local-function", ONNX, 17, 6, "refused", says=("LocalHead",)),
    Family("sklearn-logistic", SKLEARN, 17, 4, "fold", "probs", "probabilities", also=("label",),
           adds=False),
    Family("sklearn-logistic-zipmap", SKLEARN, 17, 4, "fold", "probs", "output_probability",
           also=("output_label",), adds=False),
    Family("sklearn-logistic-raw", SKLEARN, 17, 4, "fold", output="probabilities", also=("label",),
           adds=False),
    Family("sklearn-logistic-names", SKLEARN, 17, 4, "fold", "probs", "probabilities",
           also=("label",), adds=False),
    Family("sklearn-logistic-names-zipmap", SKLEARN, 17, 4, "fold", "probs", "output_probability",
           also=("output_label",), adds=False),
    Family("sklearn-logistic-binary", SKLEARN, 17, 2, "fold", "probs", "probabilities",
           also=("label",), adds=False),
    Family("sklearn-mlp", SKLEARN, 17, 4, "fold", "probs", "probabilities", also=("label",)),
    Family("sklearn-mlp-zipmap", SKLEARN, 17, 4, "fold", "probs", "output_probability",
           also=("output_label",)),
    Family("sklearn-mlp-names", SKLEARN, 17, 4, "fold", "probs", "probabilities", also=("label",)),
    Family("sklearn-mlp-binary", SKLEARN, 17, 2, "fold", "probs", "probabilities", also=("label",),
           one_logit=True),
    Family("sklearn-mlp-binary-zipmap", SKLEARN, 17, 2, "fold", "probs", "output_probability",
           also=("output_label",), one_logit=True),
    Family("sklearn-gradient-boosting-raw", SKLEARN, 17, 4, "refused", says=("TreeEnsembleClassifier",)),
]  # fmt: skip


def without_logits(name, classes=4, mode="reweight", **more):
    outputs = ("output_probability", "output_label") if "zipmap" in name else ("probabilities", "label")
    return Family(f"sklearn-{name}", SKLEARN, 17, classes, mode, "probs", outputs[0],
                  also=outputs[1:], logits=False, **more)  # fmt: skip


FAMILIES += [
    without_logits("forest"),
    without_logits("forest-zipmap"),
    without_logits("forest-names"),
    without_logits("forest-names-zipmap"),
    without_logits("forest-binary", 2),
    without_logits("forest-binary-zipmap", 2),
    without_logits("extra-trees"),
    without_logits("tree"),
    without_logits("tree-binary", 2),
    without_logits("bagging"),
    without_logits("gradient-boosting", mode="fold"),
    without_logits("gradient-boosting-zipmap", mode="fold"),
    without_logits("gradient-boosting-binary", 2),
    without_logits("svc"),
    without_logits("svc-names-zipmap"),
    without_logits("svc-binary", 2),
    without_logits("knn"),
    without_logits("knn-names-zipmap"),
    without_logits("gaussian-nb"),
    without_logits("gaussian-nb-names-zipmap"),
    without_logits("gaussian-nb-binary", 2),
    without_logits("calibrated"),
    without_logits("calibrated-zipmap"),
    without_logits("calibrated-binary", 2),
    without_logits("one-vs-rest"),
]

FAMILIES += [
    Family(f"safetensors-{name}", TORCH, 0, 10, "fold", output="", format="safetensors", **more)
    for name, more in {
        "float32": {},
        "float16": {"dtype": "float16", "tolerance": FLOAT16},
        "bfloat16": {"dtype": "bfloat16", "tolerance": BFLOAT16},
        "float64": {"dtype": "float64"},
        "no-bias": {"options": ("--add-bias", "head.bias")},
        "two-heads": {"options": ("--tensor", "head.bias")},
    }.items()
]

FAMILIES += [
    Family(f"torchscript-{name}", TORCH, 0, classes, output="", format="torchscript",
           **{"mode": "fold", **more})
    for name, classes, more in [
        ("trace-resnet18", 10, {}),
        ("script-resnet18", 10, {}),
        ("trace-mlp", 8, {}),
        ("script-mlp", 8, {}),
        ("trace-conv-head", 7, {}),
        ("trace-conv-head-4d", 7, {"axis": 1}),
        ("script-softmax", 12, {"kind": "probs"}),
        ("trace-no-bias", 8, {"mode": "refused", "says": ("bias",)}),
    ]
]  # fmt: skip


# For scripts/torch2-models: only the families of this maker; and the exporter, where it is not the
# one that PyTorch 1.13 has.
MAKER = os.environ.get("P2P_BAKE_MAKER")
if os.environ.get("P2P_BAKE_EXPORTER") == "dynamo":
    modes = {"mlp-no-bias": "fold"}  # a Gemm in place of a MatMul
    FAMILIES = [
        replace(f, opset=max(18, f.opset), mode=modes.get(f.name, f.mode)) for f in FAMILIES
    ]


def chosen(*, format="onnx", refused=False, **wanted):
    """Families by attribute."""
    wanted |= {"format": format, "refused": refused}
    return [
        family for family in FAMILIES
        if MAKER in (None, family.maker)
        and all(getattr(family, key) == value for key, value in wanted.items())
    ]  # fmt: skip


def family(name):
    return next(f for f in FAMILIES if f.name == name)
