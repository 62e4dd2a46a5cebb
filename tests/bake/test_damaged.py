"""Files that are damaged or made to harm: one sentence, or a model that happens to be whole; never
a crash, never an output half written."""

import os
import shutil
import struct

import numpy as np
import onnx
import pytest
from families import family
from harness import attempt, refuse, sentence
from onnx import TensorProto, helper
from running import load

MEMORY = 1 << 30  # bytes of address space that a small file may take
SMALL = ["gemm-alpha-beta", "gemm-constant-node", "bias-in-subgraph", "external-bias",
         "sklearn-logistic", "trees-as-lightgbm", "sklearn-gaussian-nb"]  # fmt: skip


def limited():
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def survives(place, content, verb):
    """p2p on damaged bytes: exit 0, 2 or 3; unless 0, one sentence and no output."""
    place.path("bad").write_bytes(content)
    options = {
        "bake": ["--prior", place.prior, "-o", "out.onnx"],
        "unbake": ["-o", "out.onnx"],
        "show": [],
    }[verb]
    place.path("out").unlink(missing_ok=True)
    outcome = attempt(verb, "bad.onnx", *options, "--quiet", cwd=place.folder, preexec_fn=limited)
    assert outcome.code in (0, 2, 3), outcome
    if outcome.code != 0:
        sentence(outcome)
        assert not place.path("out").exists()
    return outcome.code


@pytest.fixture(params=SMALL)
def place(workplace, request):
    return workplace(family(request.param))


@pytest.fixture
def gemm(workplace):
    return workplace(family("gemm-opset11"))


def bake_refused(place, *words, model="model.onnx"):
    return refuse(
        place.folder, "bake", model, "--prior", place.prior, "-o", "new.onnx", words=words
    )


def rewrite(place, change):
    made = load(place.model)
    change(made)
    place.model.write_bytes(made.SerializeToString())


# ---- bytes


def test_a_file_cut_off_anywhere_is_survived(place):
    content = place.model.read_bytes()
    lengths = {*range(0, 40), *range(0, len(content), max(1, len(content) // 40)), len(content) - 1}
    refused = [survives(place, content[:n], "bake") == 3 for n in sorted(lengths)]
    assert sum(refused) > 0.9 * len(refused)


@pytest.mark.parametrize("verb", ["bake", "show"])
def test_flipped_bits_are_survived(place, verb):
    rng = np.random.default_rng(0)
    original = np.frombuffer(place.model.read_bytes(), np.uint8)
    for round in range(60):
        content = original.copy()
        where = rng.integers(0, len(content), 1 + round % 4)
        content[where] ^= (1 << rng.integers(0, 8, len(where))).astype(np.uint8)
        survives(place, content.tobytes(), verb)


def test_damaged_baked_models_are_survived(place):
    place.bake()
    rng = np.random.default_rng(1)
    original = np.frombuffer(place.path().read_bytes(), np.uint8)
    for round in range(60):
        content = original.copy()
        where = rng.integers(len(content) // 2, len(content), 1 + round % 4)
        content[where] ^= (1 << rng.integers(0, 8, len(where))).astype(np.uint8)
        survives(place, content.tobytes(), "unbake")


def test_a_text_is_no_model(gemm):
    gemm.model.write_text("this is not a protocol buffer\n" * 10)
    bake_refused(gemm, "model.onnx")


def test_an_empty_file_is_no_model(gemm):
    gemm.model.write_bytes(b"")
    bake_refused(gemm, "model.onnx")


def test_a_folder_is_no_model(gemm):
    gemm.model.unlink()
    gemm.model.mkdir()
    bake_refused(gemm, "model.onnx")


@pytest.mark.parametrize("length", [1 << 31, 1 << 62, (1 << 64) - 1])
def test_a_length_beyond_the_file_is_refused_before_memory_is_taken(gemm, length):
    varint = bytes((length >> 7 * i & 0x7F) | (0x80 if length >> 7 * (i + 1) else 0)
                   for i in range(10) if i == 0 or length >> 7 * i)  # fmt: skip
    assert survives(gemm, b"\x08\x08" + b"\x3a" + varint + b"\x0a\x01x", "bake") == 3


def test_deep_nesting_is_refused(gemm):
    """Graphs in the attribute of a node of a graph, 5,000 deep."""

    def field(number, content):
        length, size = len(content), b""
        while length > 0x7F:
            size, length = size + bytes([length & 0x7F | 0x80]), length >> 7
        return bytes([number << 3 | 2]) + size + bytes([length]) + content

    graph = b""
    for _ in range(5000):
        attribute = field(1, b"then_branch") + field(6, graph)
        graph = field(1, field(2, b"y") + field(4, b"If") + field(5, attribute))
    assert survives(gemm, b"\x08\x08" + field(7, graph), "bake") == 3


# ---- structure


def test_a_cyclic_graph_is_refused(gemm):
    def change(made):
        made.graph.node[0].input[0] = "hidden"

    rewrite(gemm, change)
    bake_refused(gemm, "model.onnx")


def test_a_value_made_twice_is_refused(gemm):
    rewrite(gemm, lambda made: made.graph.node[0].output.__setitem__(0, "scores"))
    bake_refused(gemm, "scores")


def test_an_output_that_nobody_makes_is_refused(gemm):
    rewrite(gemm, lambda made: made.graph.node.pop())
    bake_refused(gemm, "scores")


def test_no_graph_is_refused(gemm):
    rewrite(gemm, lambda made: made.ClearField("graph"))
    bake_refused(gemm, "model.onnx")


@pytest.mark.parametrize("shape", [[5], [7], [6, 2], [3, 2], [0]])
def test_a_bias_of_the_wrong_shape_is_refused(gemm, shape):
    """The initializer says another shape than its bytes hold."""

    def change(made):
        bias = made.graph.initializer[-1]
        del bias.dims[:]
        bias.dims.extend(shape)

    rewrite(gemm, change)
    bake_refused(gemm, "head.bias")


@pytest.mark.parametrize("size", [-1, 1 << 62])
def test_a_bias_of_an_impossible_size_is_refused(gemm, size):
    rewrite(gemm, lambda made: made.graph.initializer[-1].dims.__setitem__(0, size))
    bake_refused(gemm, "model.onnx")


def test_a_bias_of_too_few_bytes_is_refused(gemm):
    def change(made):
        made.graph.initializer[-1].raw_data = made.graph.initializer[-1].raw_data[:-4]

    rewrite(gemm, change)
    bake_refused(gemm, "head.bias")


def test_another_number_of_classes_than_the_prior_has_is_refused(gemm, priors):
    refuse(gemm.folder, "bake", "model.onnx", "--prior", priors.make(9), "-o", "new.onnx",
           words=["9", "6"])  # fmt: skip


def test_another_number_of_classes_behind_a_wrong_output_shape_is_refused(gemm, priors):
    """The graph says that the output has 9 columns, the layer makes 6."""

    def change(made):
        made.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 9

    rewrite(gemm, change)
    refuse(gemm.folder, "bake", "model.onnx", "--prior", priors.make(9), "-o", "new.onnx",
           words=["9", "6"])  # fmt: skip


def test_a_name_that_would_break_the_line_does_not(gemm):
    def change(made):
        made.graph.node[-1].output[0] = "z"
        made.graph.node.add(op_type="Sigmoid", input=["z"], output=["scores"], name="a\nb\x1b[31m")

    rewrite(gemm, change)
    assert "\x1b" not in bake_refused(gemm, "Sigmoid")


# ---- external data


@pytest.fixture
def external(workplace):
    return workplace(family("external-bias"))


def move_data(place, location):
    def change(made):
        for initializer in made.graph.initializer:
            for entry in initializer.external_data:
                if entry.key == "location":
                    entry.value = location

    rewrite(place, change)


def test_data_above_the_folder_of_the_model_are_refused(external):
    shutil.copy(external.folder / "model.onnx.data", external.folder.parent / "outside")
    move_data(external, "../outside")
    bake_refused(external, "../outside")


def test_data_that_lead_out_and_back_are_refused(external):
    move_data(external, f"../{external.folder.name}/model.onnx.data")
    bake_refused(external, "..")


def test_data_under_an_absolute_path_are_refused(external):
    move_data(external, str(external.folder / "model.onnx.data"))
    bake_refused(external, "model.onnx.data")


def test_a_link_out_of_the_folder_is_refused(external):
    outside = external.folder.parent / "outside"
    shutil.move(external.folder / "model.onnx.data", outside)
    os.symlink(outside, external.folder / "model.onnx.data")
    bake_refused(external, "model.onnx.data")


def test_a_folder_that_is_a_link_out_is_refused(external):
    outside = external.folder.parent / "elsewhere"
    outside.mkdir()
    shutil.move(external.folder / "model.onnx.data", outside / "data")
    os.symlink(outside, external.folder / "inner")
    move_data(external, "inner/data")
    bake_refused(external, "inner/data")


def test_data_in_a_folder_below_are_read(external):
    (external.folder / "inner").mkdir()
    shutil.move(external.folder / "model.onnx.data", external.folder / "inner" / "data")
    move_data(external, "inner/data")
    external.bake()


def test_data_that_only_the_linked_original_may_use_are_refused(external):
    """As the caches of model hubs lay files out: names in one folder link to contents in another.
    The engine follows such links for a model that is a link itself, not for the new one beside it.
    """
    blobs, names = external.folder / "blobs", external.folder / "names"
    blobs.mkdir()
    names.mkdir()
    for name in ("model.onnx", "model.onnx.data"):
        shutil.move(external.folder / name, blobs / f"content-of-{name}")
        os.symlink(f"../blobs/content-of-{name}", names / name)
    assert attempt("show", names / "model.onnx").code == 0
    refuse(names, "bake", "model.onnx", "--prior", external.prior, "-o", "new.onnx",
           words=["model.onnx.data"])  # fmt: skip
    (names / "model.onnx.data").unlink()
    shutil.copy(blobs / "content-of-model.onnx.data", names / "model.onnx.data")
    external.bake(model="names/model", out="names/new")


def test_missing_data_are_refused(external):
    (external.folder / "model.onnx.data").unlink()
    bake_refused(external, "model.onnx.data")


def test_data_that_are_too_short_are_refused(external):
    os.truncate(external.folder / "model.onnx.data", 4096)
    bake_refused(external, "model.onnx.data")


@pytest.mark.parametrize("key, value", [("offset", "-4096"), ("offset", str(1 << 62)),
                                        ("length", "-1"), ("length", str(1 << 62)),
                                        ("offset", "99999999999999999999"), ("offset", "4k")])  # fmt: skip
def test_data_at_an_impossible_place_are_refused(external, key, value):
    def change(made):
        for entry in made.graph.initializer[-1].external_data:
            if entry.key == key:
                entry.value = value

    rewrite(external, change)
    bake_refused(external, "model.onnx")


def test_an_output_that_could_not_find_its_data_is_refused(external):
    (external.folder / "other").mkdir()
    refuse(external.folder, "bake", "model.onnx", "--prior", external.prior, "-o",
           "other/new.onnx", words=["model.onnx.data"])  # fmt: skip


# ---- the record


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 1, "baked": []}',
                                  '{"version": 2, "baked": []}', '{"version": 1, "baked": [{}]}',
                                  '{"version": 1, "baked": 7}'])  # fmt: skip
def test_a_damaged_record_is_refused(gemm, text):
    def change(made):
        helper.set_model_props(made, {"prior2posterior": text})

    rewrite(gemm, change)
    refuse(gemm.folder, "unbake", "model.onnx", "-o", "old.onnx", words=["model.onnx"])


def test_nothing_baked_means_nothing_to_take_out(gemm):
    refuse(gemm.folder, "unbake", "model.onnx", "-o", "old.onnx", words=["model.onnx"])


def test_unbake_refuses_a_bias_that_somebody_else_changed(gemm):
    gemm.bake()
    made = load(gemm.path())
    bias = next(i for i in made.graph.initializer if i.name == "head.bias")
    bias.raw_data = np.arange(6, dtype="<f4").tobytes()
    gemm.path().write_bytes(made.SerializeToString())
    refuse(gemm.folder, "unbake", "new.onnx", "-o", "old.onnx", words=["head.bias"])


def test_unbake_restores_the_weights_of_a_model_that_was_written_anew(gemm):
    """Other bytes, the same graph: the file cannot be the original's, the weights must."""
    gemm.bake()
    made = load(gemm.path())
    made.producer_version = "rewritten"
    onnx.save(made, gemm.path())
    assert attempt("unbake", "new.onnx", "-o", "old.onnx", cwd=gemm.folder).code == 0
    old = load(gemm.model)
    old.producer_version = "rewritten"
    assert load(gemm.path("old")) == old


# ---- other formats


def test_a_safetensors_header_bomb_is_refused(gemm):
    path = gemm.folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 62) + b"{}" + b" " * 100)
    outcome = attempt("bake", path.name, "--prior", gemm.prior, "-o", "new.safetensors",
                      cwd=gemm.folder, preexec_fn=limited)  # fmt: skip
    assert outcome.code == 3
    sentence(outcome)


def test_an_unknown_ending_is_refused(gemm):
    gemm.model.rename(gemm.folder / "model.h5")
    refuse(gemm.folder, "bake", "model.h5", "--prior", gemm.prior, "-o", "new.h5", code=2,
           words=[".onnx", ".safetensors"])  # fmt: skip


def test_a_sequence_is_not_taken_for_scores(gemm):
    def change(made):
        made.graph.node.add(op_type="SequenceConstruct", input=["scores"], output=["list"])
        made.graph.output[0].CopyFrom(
            helper.make_tensor_sequence_value_info("list", TensorProto.FLOAT, None)
        )

    rewrite(gemm, change)
    bake_refused(gemm, "list")
