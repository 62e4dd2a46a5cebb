"""Weights of PyTorch models as safetensors: the head's bias takes the offset, all else keeps its
bytes."""

import json
import struct

import ml_dtypes
import numpy as np
import pytest
from families import chosen, family
from files import read_safetensors, safetensors_bytes
from harness import attempt, p2p, refuse, snapshot
from running import MODELS, Correction, correction_of, difference
from safetensors import safe_open
from safetensors.numpy import load_file

ALL = chosen(format="safetensors")
EACH = pytest.mark.parametrize("weights", ALL, ids=lambda f: f.name)
KINDS = {"F32": np.float32, "F64": np.float64, "F16": np.float16, "BF16": ml_dtypes.bfloat16}


def arrays(path):
    """name -> array, float64 for floats."""
    return {
        name: np.frombuffer(content, KINDS[kind]).reshape(shape).astype(np.float64)
        if kind in KINDS else content
        for name, (kind, shape, content) in read_safetensors(path).items()
    }  # fmt: skip


def features():
    return np.load(MODELS / "safetensors-float32" / "inputs.npz")["features"].astype(np.float64)


def scores(path):
    tensors = arrays(path)
    return features() @ tensors["head.weight"].T + tensors.get("head.bias", 0)


def check(place, correction):
    """Within the rounding of the weights, which is relative to the terms of their sums."""
    z = correction.factor * scores(place.model) + correction.delta
    terms = correction.factor * (np.abs(features()) @ np.abs(arrays(place.model)["head.weight"]).T)
    found, tolerance = scores(place.path()), place.family.tolerance
    assert difference(found, z, terms) <= tolerance
    best = np.sort(z, axis=1)
    decided = best[:, -1] - best[:, -2] > 2 * tolerance * np.abs(best[:, -1])
    assert decided.mean() > (0.99 if tolerance <= 1e-5 else 0.7)
    np.testing.assert_array_equal(found.argmax(1)[decided], z.argmax(1)[decided])


@EACH
def test_the_new_weights_make_the_corrected_scores(workplace, weights):
    place = workplace(weights)
    said = place.bake()
    assert (said["format"], said["mode"], said["dtype"]) == ("safetensors", "fold", weights.dtype)
    assert (said["tensor"], said["n_classes"]) == ("head.bias", 10)
    check(place, place.correction)


@EACH
def test_all_other_tensors_keep_their_bytes(workplace, weights):
    place = workplace(weights)
    place.bake()
    old, new = read_safetensors(place.model), read_safetensors(place.path())
    changed = {name for name in new if new[name] != old.get(name)}
    assert changed == {"head.bias"} and old.keys() <= new.keys()


@EACH
def test_a_temperature_divides_the_weights(workplace, priors, weights):
    place = workplace(weights)
    prior = priors.make(10, "--temperature", 2)
    place.bake(prior=prior)
    check(place, correction_of(prior))
    assert place.unbake() == place.model.read_bytes()


@EACH
def test_a_scale_for_each_class_multiplies_the_rows_of_the_weights(workplace, priors, weights):
    place = workplace(weights)
    method = ["--method", "vector-scaling", *priors.holdout(10)]
    found = p2p("correct", priors.folder / "logits-10.npy", "--prior", place.prior, *method, "-o",
                place.folder / "scores.npy", "--json").json  # fmt: skip
    place.bake(*method)
    check(place, Correction(found["delta"], found["scale"]))
    assert place.unbake() == place.model.read_bytes()


@EACH
def test_the_package_reads_what_was_written(workplace, weights):
    place = workplace(weights)
    place.bake()
    assert "head.bias" in load_file(place.path())
    with safe_open(place.path(), "numpy") as file:
        record = json.loads(file.metadata()["prior2posterior"])
        old = safe_open(place.model, "numpy").metadata() or {}
        assert {k: v for k, v in file.metadata().items() if k != "prior2posterior"} == old
    assert record["baked"][0]["method"] == "p2p"


@EACH
def test_unbake_gives_the_original_bytes(workplace, weights):
    place = workplace(weights)
    place.bake()
    assert place.unbake() == place.model.read_bytes()


@EACH
def test_again_corrects_on_top_and_unbake_takes_both_out(workplace, weights):
    place = workplace(weights)
    place.bake()
    refuse(place.folder, "bake", "new.safetensors", "--prior", place.prior, "--tensor", "head.bias",
           "-o", "newer.safetensors", words=["--again"])  # fmt: skip
    p2p("bake", "new.safetensors", "--prior", place.prior, "--tensor", "head.bias", "--again", "-o",
        "newer.safetensors", cwd=place.folder)  # fmt: skip
    found, delta = scores(place.path("newer")), place.correction.delta
    assert difference(found, scores(place.model) + 2 * delta) <= 2 * weights.tolerance
    assert place.unbake("newer") == place.model.read_bytes()


@EACH
def test_show_says_what_would_change_and_then_what_was_baked(workplace, weights):
    place = workplace(weights)
    if not weights.options:
        assert p2p("show", place.model, "--json").json["tensor"] == "head.bias"
    place.bake()
    (baked,) = p2p("show", place.path(), "--json").json["baked"]
    assert (baked["method"], baked["where"]) == ("p2p", "head.bias")


def test_a_dry_run_writes_nothing(workplace):
    place = workplace(family("safetensors-float32"))
    old = snapshot(place.folder)
    assert place.bake("--dry-run")["output"] is None
    assert snapshot(place.folder) == old


def test_several_heads_are_listed(workplace):
    place = workplace(family("safetensors-two-heads"))
    refuse(place.folder, "bake", place.model.name, "--prior", place.prior, "-o", "new.safetensors",
           words=["head.bias", "aux.bias", "--tensor"])  # fmt: skip


def test_a_head_without_bias_offers_to_make_one(workplace):
    place = workplace(family("safetensors-no-bias"))
    refuse(place.folder, "bake", place.model.name, "--prior", place.prior, "-o", "new.safetensors",
           words=["--add-bias head.bias"])  # fmt: skip


def test_a_new_bias_comes_with_a_word_on_who_loads_it(workplace):
    place = workplace(family("safetensors-no-bias"))
    outcome = attempt("bake", place.model.name, "--prior", place.prior, "--add-bias", "head.bias",
                      "-o", "new.safetensors", "--quiet", cwd=place.folder)  # fmt: skip
    assert outcome.code == 0
    assert "warning: the tensor 'head.bias' is new" in outcome.err
    assert "must give the layer a bias too" in outcome.err


@pytest.mark.parametrize("architecture", ["LlamaForSequenceClassification", "GPT2LMHeadModel"])
@pytest.mark.parametrize("options", [(), ("--add-bias", "head.bias")])
def test_a_bias_that_from_pretrained_would_leave_out_is_not_made(workplace, architecture, options):
    place = workplace(family("safetensors-no-bias"))
    (place.folder / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    text = refuse(place.folder, "bake", place.model.name, "--prior", place.prior, *options, "-o",
                  "new.safetensors", words=[architecture, "p2p correct", "ONNX"])  # fmt: skip
    assert ("--add-bias" in text) == bool(options)


def test_the_bias_of_a_head_that_shares_an_embedding_is_found(tmp_path, priors):
    """As in BERT's masked language model: the weight is saved once, under the embedding's name."""
    tensors = {"embeddings.word_embeddings.weight": ("F32", [10, 4], b"\0" * 160),
               "cls.predictions.bias": ("F32", [10], np.arange(10, dtype="<f4").tobytes())}  # fmt: skip
    (tmp_path / "m.safetensors").write_bytes(safetensors_bytes(tensors))
    prior = priors.make(10)
    said = p2p("bake", "m.safetensors", "--prior", prior, "-o", "new.safetensors", "--json",
               cwd=tmp_path).json  # fmt: skip
    assert said["tensor"] == "cls.predictions.bias"
    found = arrays(tmp_path / "new.safetensors")["cls.predictions.bias"]
    assert difference(found, np.arange(10) + correction_of(prior).delta) < 1e-6


def test_another_number_of_classes_is_refused(workplace, priors):
    place = workplace(family("safetensors-float32"))
    refuse(place.folder, "bake", place.model.name, "--prior", priors.make(9), "-o",
           "new.safetensors", words=["9"])  # fmt: skip


def test_added_operations_are_refused(workplace):
    place = workplace(family("safetensors-float32"))
    refuse(place.folder, "bake", place.model.name, "--prior", place.prior, "--mode", "add", "-o",
           "new.safetensors", code=2, words=["--mode"])  # fmt: skip


def test_weights_cannot_be_verified_by_running_them(workplace):
    place = workplace(family("safetensors-float32"))
    refuse(place.folder, "bake", place.model.name, "--prior", place.prior, "--verify", "inputs.npz",
           "-o", "new.safetensors", code=2, words=[".onnx"])  # fmt: skip


def test_class_names_in_another_order_are_refused(workplace, priors):
    place = workplace(family("safetensors-float32"))
    names = [f"class{c}" for c in range(10)]
    content = place.model.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = {"classes": json.dumps(names)}
    text = json.dumps(header).encode()
    place.model.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    place.bake(prior=priors.make(10, names=names))
    place.path().unlink()
    refuse(place.folder, "bake", place.model.name, "--prior", priors.make(10, names=names[::-1]),
           "-o", "new.safetensors", words=["class0", "class9"])  # fmt: skip


# ---- damaged


def test_a_file_cut_off_anywhere_is_refused(workplace):
    place = workplace(family("safetensors-float32"))
    content = place.model.read_bytes()
    for length in [0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1]:
        (place.folder / "bad.safetensors").write_bytes(content[:length])
        refuse(place.folder, "bake", "bad.safetensors", "--prior", place.prior, "-o",
               "new.safetensors", words=["bad.safetensors"])  # fmt: skip


@pytest.mark.parametrize("shape, size", [([10], 36), ([9], 40), ([-10], 40), ([1 << 62], 40)])
def test_a_bias_whose_bytes_are_not_its_shape_is_refused(tmp_path, priors, shape, size):
    tensors = {"fc.bias": ("F32", shape, b"\0" * size),
               "fc.weight": ("F32", [10, 4], b"\0" * 160)}  # fmt: skip
    (tmp_path / "m.safetensors").write_bytes(safetensors_bytes(tensors))
    refuse(tmp_path, "bake", "m.safetensors", "--prior", priors.make(10), "-o", "new.safetensors",
           words=["m.safetensors"])  # fmt: skip


def test_a_pickle_is_refused_with_the_line_that_converts_it(workplace, tmp_path, priors):
    pickle = MODELS / "state-dict" / "pickled.pt"
    (tmp_path / "pickled.pt").write_bytes(pickle.read_bytes())
    text = refuse(tmp_path, "bake", "pickled.pt", "--prior", priors.make(10), "-o", "new.pt",
                  words=["safetensors", "torch.load"])  # fmt: skip
    assert "save_file" in text
