"""Models built node by node with the onnx package: what exporters seldom write but files may hold;
and models of torch_models.py that ONNX Runtime's tools have converted.

Each family is a function of the folder of all models that writes its own folder's model.onnx.
"""

import functools
import warnings

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROWS = 64
FEATURES, HIDDEN = 20, 32
NEWEST_OPSET, NEWEST_IR = 28, 14  # what the pinned ONNX Runtime runs
TYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE,
         "float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}  # fmt: skip
FAMILIES = {}


def family(function):
    """Registers NAME_WITH_UNDERSCORES as name-with-dashes."""
    name = function.__name__.replace("_", "-")

    @functools.wraps(function)
    def make(root):
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        made = function(root)
        if made is not None:
            save(folder, made)

    FAMILIES[name] = make
    return function


def random(name, *shape, scale=1.0):
    return np.random.default_rng(sum(name.encode())).normal(0, scale, shape)


def tensor(name, values, dtype="float32"):
    if dtype == "bfloat16":
        return helper.make_tensor(name, TensorProto.BFLOAT16, np.shape(values), np.ravel(values))
    return numpy_helper.from_array(np.asarray(values, dtype), name)


class Head:
    """Values of the last layer: weight [HIDDEN, classes], bias [classes]."""

    def __init__(self, name, classes=6):
        self.classes = classes
        self.weight = random(name + " weight", HIDDEN, classes, scale=2 / HIDDEN**0.5)
        self.bias = random(name + " bias", classes)


def body(dtype="float32"):
    """Nodes and initializers from `x` [rows, FEATURES] to `hidden` [rows, HIDDEN]."""
    nodes = [
        helper.make_node("Gemm", ["x", "body.weight", "body.bias"], ["body"], "body/fc"),
        helper.make_node("Tanh", ["body"], ["hidden"], "body/tanh"),
    ]
    initializers = [
        tensor("body.weight", random("body", FEATURES, HIDDEN, scale=2 / FEATURES**0.5), dtype),
        tensor("body.bias", random("body bias", HIDDEN, scale=0.2), dtype),
    ]
    return nodes, initializers


def model(nodes, initializers, classes=6, outputs=None, opset=17, ir=8, dtype="float32",
          inputs=(), domains=(), **parts):  # fmt: skip
    """Body and `nodes`, which make `scores` [rows, classes] (or `outputs`)."""
    body_nodes, body_initializers = body(dtype)
    kind = TYPES[dtype]
    graph = helper.make_graph(
        body_nodes + nodes,
        "classifier",
        [helper.make_tensor_value_info("x", kind, ["rows", FEATURES]), *inputs],
        outputs or [helper.make_tensor_value_info("scores", kind, ["rows", classes])],
        body_initializers + initializers,
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(
        graph, producer_name="a trainer", opset_imports=imports, ir_version=ir, **parts
    )


def gemm(*inputs, output="scores", **attributes):
    return helper.make_node("Gemm", ["hidden", *inputs], [output], "head/fc", **attributes)


def gemm_model(name, dtype="float32", **parts):
    head = Head(name)
    return model(
        [gemm("head.weight", "head.bias")],
        [tensor("head.weight", head.weight, dtype), tensor("head.bias", head.bias, dtype)],
        dtype=dtype, **parts,
    )  # fmt: skip


def weight(head):
    return tensor("head.weight", head.weight)


def bias(head):
    return tensor("head.bias", head.bias)


def info(name, kind, *shape):
    return helper.make_tensor_value_info(name, kind, list(shape))


def save_inputs(folder, values):
    np.savez(folder / "inputs.npz", **values)
    if len(values) == 1:
        np.save(folder / "inputs.npy", next(iter(values.values())))


def save(folder, made):
    (folder / "model.onnx").write_bytes(
        made if isinstance(made, bytes) else made.SerializeToString()
    )
    kind = onnx.load(folder / "model.onnx", load_external_data=False).graph.input[0].type
    dtype = {TensorProto.DOUBLE: np.float64, TensorProto.FLOAT16: np.float16}.get(
        kind.tensor_type.elem_type, np.float32
    )
    save_inputs(folder, {"x": random("inputs", ROWS, FEATURES).astype(dtype)})


# ---- where the bias is, and how it is stored


@family
def gemm_newest_opset(root):
    return gemm_model("newest", opset=NEWEST_OPSET, ir=NEWEST_IR)


@family
def gemm_opset11(root):
    return gemm_model("opset 11", opset=11, ir=6)


@family
def gemm_float64(root):
    return gemm_model("float64", dtype="float64")


@family
def gemm_alpha_beta(root):
    head = Head("alpha beta")
    return model(
        [gemm("head.weight", "head.bias", alpha=0.5, beta=-0.25, transB=1)],
        [tensor("head.weight", 2 * head.weight.T), tensor("head.bias", -4 * head.bias)],
    )


@family
def gemm_beta_zero(root):
    """The bias is multiplied by 0: no offset can act through it."""
    head = Head("beta zero")
    return model([gemm("head.weight", "head.bias", beta=0.0)], [weight(head), bias(head)])


@family
def gemm_no_bias(root):
    head = Head("no bias")
    return model([gemm("head.weight")], [weight(head)])


@family
def gemm_row_bias(root):
    head = Head("row")
    return model(
        [gemm("head.weight", "head.bias")],
        [weight(head), tensor("head.bias", head.bias[None, :])],
    )


@family
def gemm_scalar_bias(root):
    head = Head("scalar")
    return model([gemm("head.weight", "head.bias")], [weight(head), tensor("head.bias", [0.75])])


@family
def gemm_constant_node(root):
    head = Head("constant node")
    node = helper.make_node("Constant", [], ["head.bias"], "head/bias", value=bias(head))
    return model([node, gemm("head.weight", "head.bias")], [weight(head)])


@family
def gemm_bias_is_input(root):
    """IR version 3: every initializer is a graph input too."""
    head = Head("input")
    values = body()[1] + [weight(head), bias(head)]
    inputs = [info(v.name, v.data_type, *v.dims) for v in values]
    return model([gemm("head.weight", "head.bias")], values[2:], inputs=inputs, opset=11, ir=3)


@family
def gemm_float_data(root):
    head = Head("float_data")
    typed = helper.make_tensor("head.bias", TensorProto.FLOAT, [head.classes], head.bias)
    assert typed.float_data and not typed.raw_data
    return model([gemm("head.weight", "head.bias")], [weight(head), typed])


def float16_head(name, typed):
    """A float16 head between casts."""
    head = Head(name)
    nodes = [
        helper.make_node("Cast", ["hidden"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Gemm", ["half", "head.weight", "head.bias"], ["scores"], "head/fc"),
    ]
    return model(
        nodes, [tensor("head.weight", head.weight, "float16"), typed(head)],
        outputs=[info("scores", TensorProto.FLOAT16, "rows", head.classes)],
    )  # fmt: skip


@family
def gemm_int32_data(root):
    """float16 bits as numbers of int32_data."""

    def typed(head):
        made = helper.make_tensor("head.bias", TensorProto.FLOAT16, [head.classes], head.bias)
        made.ClearField("raw_data")
        bits = head.bias.astype(np.float16).view(np.uint16).astype(int)
        del made.int32_data[:]
        made.int32_data.extend(bits.tolist())
        return made

    return float16_head("int32_data", typed)


@family
def bfloat16_gemm(root):
    return gemm_model("bfloat16", dtype="bfloat16", opset=17)


@family
def matmul_add(root):
    head = Head("matmul")
    return model(
        [
            helper.make_node("MatMul", ["hidden", "head.weight"], ["product"], "head/product"),
            helper.make_node("Add", ["head.bias", "product"], ["scores"], "head/sum"),
        ],
        [weight(head), bias(head)],
    )


@family
def identity_after(root):
    head = Head("identity")
    return model(
        [
            gemm("head.weight", "head.bias", output="logits"),
            helper.make_node("Dropout", ["logits"], ["kept"], "dropout"),
            helper.make_node("Identity", ["kept"], ["scores"], "named"),
        ],
        [weight(head), bias(head)],
    )


@family
def bias_is_output(root):
    head = Head("output")
    outputs = [
        info("scores", TensorProto.FLOAT, "rows", 6),
        info("head.bias", TensorProto.FLOAT, 6),
    ]
    return model([gemm("head.weight", "head.bias")], [weight(head), bias(head)], outputs=outputs)


@family
def bias_in_subgraph(root):
    """A branch of an If reads the bias as well."""
    head = Head("subgraph")
    out = [info("branch", TensorProto.FLOAT, None)]
    then = helper.make_graph(
        [helper.make_node("Identity", ["head.bias"], ["branch"])], "then", [], out
    )
    other = helper.make_graph([helper.make_node("Neg", ["head.bias"], ["branch"])], "else", [], out)
    nodes = [
        gemm("head.weight", "head.bias"),
        helper.make_node("ReduceSum", ["hidden"], ["total"], keepdims=0),
        helper.make_node("Less", ["total", "zero"], ["negative"]),
        helper.make_node("If", ["negative"], ["echo"], then_branch=then, else_branch=other),
    ]
    outputs = [info("scores", TensorProto.FLOAT, "rows", 6), info("echo", TensorProto.FLOAT, None)]
    return model(nodes, [weight(head), bias(head), tensor("zero", np.float32(0))], outputs=outputs)


@family
def weights_used_twice(root):
    """The weights also project back, so no temperature can be multiplied into them."""
    head = Head("twice")
    nodes = [
        gemm("head.weight", "head.bias"),
        helper.make_node("Softmax", ["scores"], ["shares"], axis=1),
        helper.make_node("Gemm", ["shares", "head.weight"], ["mean"], "back", transB=1),
    ]
    outputs = [
        info("scores", TensorProto.FLOAT, "rows", 6), info("mean", TensorProto.FLOAT, "rows", HIDDEN)
    ]  # fmt: skip
    return model(nodes, [weight(head), bias(head)], outputs=outputs)


@family
def top_k(root):
    head = Head("top k")
    nodes = [
        gemm("head.weight", "head.bias", output="logits"),
        helper.make_node("TopK", ["logits", "k"], ["best", "which"], axis=-1),
    ]
    outputs = [
        info("best", TensorProto.FLOAT, "rows", 3),
        info("which", TensorProto.INT64, "rows", 3),
    ]
    return model(nodes, [weight(head), bias(head), tensor("k", [3], "int64")], outputs=outputs)


@family
def label_confidence(root):
    """The class and its probability, no row of scores."""
    head = Head("confidence")
    nodes = [
        gemm("head.weight", "head.bias", output="logits"),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=-1, keepdims=0),
        helper.make_node("ReduceMax", ["probabilities"], ["confidence"], axes=[-1], keepdims=0),
    ]
    outputs = [
        info("label", TensorProto.INT64, "rows"),
        info("confidence", TensorProto.FLOAT, "rows"),
    ]
    return model(nodes, [weight(head), bias(head)], outputs=outputs)


@family
def bfloat16_weights(root):
    """Stored as bfloat16, used as float32."""
    head = Head("bfloat16 weights")
    nodes = [
        helper.make_node("Cast", ["head.weight"], ["weight"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["head.bias"], ["bias"], to=TensorProto.FLOAT),
        gemm("weight", "bias"),
    ]
    values = [
        tensor("head.weight", head.weight, "bfloat16"),
        tensor("head.bias", head.bias, "bfloat16"),
    ]
    return model(nodes, values)


# ---- what must come through unchanged


@family
def metadata(root):
    made = gemm_model("metadata")
    helper.set_model_props(
        made,
        {
            "names": "{0: 'ant', 1: 'bee', 2: 'cat', 3: 'dog', 4: 'emu', 5: 'fox'}",
            "task": "classify",
        },
    )
    made.doc_string = "A model with a description."
    made.model_version = 7
    return made


UNKNOWN_MODEL, UNKNOWN_NODE = b"a field of the model", b"a field of a node"


def field_1000(content):
    """Tag (1000 << 3 | 2) as a varint, length, bytes."""
    return bytes([0xC2, 0x3E, len(content)]) + content


@family
def unknown_fields(root):
    made = gemm_model("unknown")
    made.graph.node[-1].MergeFromString(field_1000(UNKNOWN_NODE))
    content = made.SerializeToString() + field_1000(UNKNOWN_MODEL)
    assert UNKNOWN_NODE in content
    return content


def write_external(folder, made, values, file, size=None):
    """Moves the named initializers into `file`; `size` pads it with a hole."""
    offset = 0
    with open(folder / file, "wb") as out:
        for initializer in made.graph.initializer:
            if initializer.name not in values:
                continue
            content = initializer.raw_data
            initializer.ClearField("raw_data")
            initializer.data_location = TensorProto.EXTERNAL
            length = size or len(content)
            for key, value in (("location", file), ("offset", offset), ("length", length)):
                initializer.external_data.add(key=key, value=str(value))
            out.seek(offset)
            out.write(content)
            offset = (offset + length + 4095) // 4096 * 4096
        out.truncate(offset)


@family
def external_weights(root):
    made = gemm_model("external weights")
    write_external(root / "external-weights", made, ["body.weight", "head.weight"], "weights.bin")
    return made


@family
def external_bias(root):
    made = gemm_model("external bias")
    names = ["body.weight", "body.bias", "head.weight", "head.bias"]
    write_external(root / "external-bias", made, names, "model.onnx.data")
    return made


TABLE_ROWS = 18_000_000  # of 32 float32: 2.3 GB


@family
def over_2gb(root):
    """An embedding of 2.3 GB, nearly all of it a hole in a sparse file, looked up by number."""
    folder = root / "over-2gb"
    head = Head("huge")
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "index"], ["hidden"]), gemm("head.weight", "head.bias")],
        "lookup",
        [info("index", TensorProto.INT64, "rows")],
        [info("scores", TensorProto.FLOAT, "rows", head.classes)],
        [helper.make_tensor("table", TensorProto.FLOAT, [ROWS, HIDDEN],
                            random("table", ROWS, HIDDEN).astype("<f4").tobytes(), raw=True),
         weight(head), bias(head)],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    write_external(folder, made, ["table"], "table.bin", size=TABLE_ROWS * HIDDEN * 4)
    made.graph.initializer[0].dims[0] = TABLE_ROWS
    (folder / "model.onnx").write_bytes(made.SerializeToString())
    index = np.arange(ROWS)
    index[-4:] = TABLE_ROWS - 1 - np.arange(4)
    save_inputs(folder, {"index": index})


# ---- probabilities that no logit stands behind, and single logits


def one_column(name):
    head = Head(name, 1)
    return head, [weight(head), bias(head)]


@family
def sigmoid_of_one(root):
    """p of the second class, [rows, 1]."""
    _, values = one_column("one")
    return model(
        [gemm("head.weight", "head.bias", output="z"),
         helper.make_node("Sigmoid", ["z"], ["scores"], "head/sigmoid")], values, classes=1,
    )  # fmt: skip


@family
def sigmoid_of_one_flat(root):
    """The same as [rows], of a head without a bias."""
    _, values = one_column("flat")
    nodes = [
        helper.make_node("MatMul", ["hidden", "head.weight"], ["column"], "head/product"),
        helper.make_node("Squeeze", ["column", "axis"], ["z"], "head/squeeze"),
        helper.make_node("Sigmoid", ["z"], ["scores"], "head/sigmoid"),
    ]
    return model(nodes, [values[0], tensor("axis", [1], "int64")],
                 outputs=[info("scores", TensorProto.FLOAT, "rows")])  # fmt: skip


@family
def sigmoid_pair(root):
    """p of the first class before 1 - p, and the class."""
    _, values = one_column("pair")
    nodes = [
        gemm("head.weight", "head.bias", output="minus"),
        helper.make_node("Sigmoid", ["minus"], ["p"], "head/sigmoid"),
        helper.make_node("Sub", ["one", "p"], ["q"]),
        helper.make_node("Concat", ["q", "p"], ["scores"], axis=-1),
        helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
    ]
    outputs = [
        info("scores", TensorProto.FLOAT, "rows", 2),
        info("label", TensorProto.INT64, "rows"),
    ]
    return model(nodes, [*values, tensor("one", np.float32(1))], outputs=outputs)


@family
def softmax_spelt_out(root):
    head = Head("spelt out")
    nodes = [
        gemm("head.weight", "head.bias", output="z"),
        helper.make_node("ReduceMax", ["z"], ["largest"], axes=[-1]),
        helper.make_node("Sub", ["z", "largest"], ["shifted"]),
        helper.make_node("Exp", ["shifted"], ["e"]),
        helper.make_node("ReduceSum", ["e", "axis"], ["sum"]),
        helper.make_node("Div", ["e", "sum"], ["scores"], "head/div"),
    ]
    return model(nodes, [weight(head), bias(head), tensor("axis", [-1], "int64")])


@family
def softmax_transposed(root):
    """Of the channels of a map, which come last afterwards; and the class of every position, by
    the map itself."""
    kernel = random("map", 5, 1, 1, 1)
    nodes = [
        helper.make_node("Reshape", ["hidden", "map"], ["image"]),
        helper.make_node("Conv", ["image", "kernel", "shift"], ["z"], "head/conv"),
        helper.make_node("Softmax", ["z"], ["p"], "head/softmax", axis=1),
        helper.make_node("Transpose", ["p"], ["scores"], perm=[0, 2, 3, 1]),
        helper.make_node("ArgMax", ["p"], ["label"], axis=1, keepdims=0),
    ]
    outputs = [
        info("scores", TensorProto.FLOAT, "rows", 4, 8, 5),
        info("label", TensorProto.INT64, "rows", 4, 8),
    ]
    values = [tensor("map", [-1, 1, 4, 8], "int64"), tensor("kernel", 2 * kernel),
              tensor("shift", random("shift", 5))]  # fmt: skip
    return model(nodes, values, outputs=outputs)


def stumps(name, classes, trees, **attributes):
    """One split a tree; tree i adds to the score of class i % classes."""
    rng = np.random.default_rng(sum(name.encode()))
    ids = np.arange(trees)
    return helper.make_node(
        "TreeEnsembleClassifier", ["x"], ["trees.label", "trees.scores"], name,
        domain="ai.onnx.ml", post_transform="SOFTMAX",
        classlabels_int64s=list(range(10, 10 + classes)),
        nodes_treeids=ids.repeat(3).tolist(), nodes_nodeids=[0, 1, 2] * trees,
        nodes_featureids=[f for i in rng.integers(0, FEATURES, trees).tolist() for f in (i, 0, 0)],
        nodes_values=[v for x in rng.normal(0, 1, trees).tolist() for v in (x, 0.0, 0.0)],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"] * trees,
        nodes_truenodeids=[1, 0, 0] * trees, nodes_falsenodeids=[2, 0, 0] * trees,
        class_treeids=ids.repeat(2).tolist(), class_nodeids=[1, 2] * trees,
        class_ids=(ids % classes).repeat(2).tolist(),
        class_weights=rng.normal(0, 0.2, 2 * trees).tolist(), **attributes,
    )  # fmt: skip


def trees_model(nodes, values, opset, ml):
    graph = helper.make_graph(
        nodes, "trees", [info("x", TensorProto.FLOAT, "rows", FEATURES)],
        [info("label", TensorProto.INT64, "rows"), info("scores", TensorProto.FLOAT, "rows", 5)],
        values,
    )  # fmt: skip
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", ml)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


@family
def trees_softmax(root):
    """As XGBoost is exported: with base values."""
    nodes = [
        stumps("boosted", 5, 30, base_values=[0.5] * 5),
        helper.make_node("Identity", ["trees.label"], ["label"]),
        helper.make_node("Identity", ["trees.scores"], ["scores"]),
    ]
    return trees_model(nodes, [], 17, 3)


@family
def trees_as_lightgbm(root):
    """As LightGBM is exported: without base values, behind a multiplication by 1."""
    nodes = [
        stumps("boosted", 5, 30),
        helper.make_node("Cast", ["trees.label"], ["label"], to=TensorProto.INT64),
        helper.make_node("Mul", ["trees.scores", "one"], ["scores"]),
    ]
    return trees_model(nodes, [tensor("one", np.float32(1))], 9, 1)


# ---- heads that are refused


@family
def sigmoid(root):
    head = Head("sigmoid")
    return model(
        [gemm("head.weight", "head.bias", output="z"),
         helper.make_node("Sigmoid", ["z"], ["scores"], "head/sigmoid")],
        [weight(head), bias(head)],
    )  # fmt: skip


def after_softmax(name, *nodes, **constants):
    """`nodes` make `scores` from the probabilities `p`."""
    head = Head(name)
    return model(
        [gemm("head.weight", "head.bias", output="z"),
         helper.make_node("Softmax", ["z"], ["p"], "head/softmax", axis=-1), *nodes],
        [weight(head), bias(head), *[tensor(k, v, v.dtype) for k, v in constants.items()]],
    )  # fmt: skip


@family
def softmax_averaged(root):
    """Of two networks, or of two views of an image."""
    return after_softmax(
        "averaged",
        helper.make_node("Slice", ["hidden", "first", "last", "axis"], ["other"]),
        helper.make_node("Softmax", ["other"], ["q"], axis=-1),
        helper.make_node("Add", ["p", "q"], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], ["scores"]),
        half=np.float32(0.5), first=np.array([0]), last=np.array([6]), axis=np.array([1]),
    )  # fmt: skip


@family
def softmax_clipped(root):
    return after_softmax(
        "clipped", helper.make_node("Clip", ["p", "least"], ["scores"]), least=np.float32(1e-6)
    )


@family
def softmax_plus_constant(root):
    """What looks like a layer with a bias."""
    return after_softmax(
        "plus", helper.make_node("Add", ["p", "epsilon"], ["scores"]),
        epsilon=np.full(6, 1e-6, np.float32),
    )  # fmt: skip


@family
def custom_operator(root):
    head = Head("custom")
    node = helper.make_node(
        "FancyHead",
        ["hidden", "head.weight", "head.bias"],
        ["scores"],
        "head",
        domain="com.example",
    )
    return model([node], [weight(head), bias(head)], domains=["com.example"])


@family
def local_function(root):
    head = Head("function")
    inner = helper.make_function(
        "local", "LocalHead", ["x", "w", "b"], ["y"],
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"])], [helper.make_opsetid("", 17)],
    )  # fmt: skip
    node = helper.make_node(
        "LocalHead", ["hidden", "head.weight", "head.bias"], ["scores"], "head", domain="local"
    )
    return model([node], [weight(head), bias(head)], domains=["local"], functions=[inner])


# ---- models of PyTorch, converted by the tools of ONNX Runtime


def converted_to_float16(root, source, keep_io_types):
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of weights that float16 cannot tell from 0
        return convert_float_to_float16(
            onnx.load(root / source / "model.onnx"), keep_io_types=keep_io_types
        )


def inputs_of(root, source, name, dtype=np.float32):
    with np.load(root / source / "inputs.npz") as arrays:
        values = {key: value.astype(dtype) for key, value in arrays.items()}
    save_inputs(root / name, values)
    return values


@family
def float16(root):
    made = converted_to_float16(root, "mobilenet", keep_io_types=False)
    onnx.save(made, root / "float16" / "model.onnx")
    inputs_of(root, "mobilenet", "float16", np.float16)


@family
def float16_inside(root):
    """Inputs and outputs stay float32, between casts."""
    made = converted_to_float16(root, "mobilenet", keep_io_types=True)
    onnx.save(made, root / "float16-inside" / "model.onnx")
    inputs_of(root, "mobilenet", "float16-inside")


class Batches:
    """The rows of a model's inputs, for calibration."""

    def __init__(self, values):
        self.feeds = iter(
            [{k: v[i : i + 16] for k, v in values.items()} for i in range(0, ROWS, 16)]
        )

    def get_next(self):
        return next(self.feeds, None)


def quantised(root, name, source="mobilenet", **options):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Reader(Batches, CalibrationDataReader):
        pass

    values = inputs_of(root, source, name)
    quantize_static(
        root / source / "model.onnx", root / name / "model.onnx", Reader(values),
        quant_format=QuantFormat.QDQ, **options,
    )  # fmt: skip


@family
def qdq(root):
    """The last Gemm gives float scores."""
    quantised(root, "qdq", extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm"]})


@family
def qdq_output(root):
    """The scores themselves are quantised and dequantised."""
    quantised(root, "qdq-output")


@family
def qdq_per_channel(root):
    quantised(root, "qdq-per-channel", per_channel=True)


@family
def dynamic_quantised(root):
    from onnxruntime.quantization import quantize_dynamic

    inputs_of(root, "mlp", "dynamic-quantised")
    quantize_dynamic(root / "mlp" / "model.onnx", root / "dynamic-quantised" / "model.onnx")
