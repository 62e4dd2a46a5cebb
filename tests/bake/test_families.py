"""Every family of models: the new model gives the corrected scores of the old one, and nothing else
in its file has changed."""

import numpy as np
import onnx
import pytest
from families import chosen
from harness import p2p, refuse, snapshot
from running import (
    MODELS,
    Correction,
    before,
    check_scores,
    correction_of,
    load,
    logits,
)

RECORD = "prior2posterior"


def each(families=None, **wanted):
    families = chosen(**wanted) if families is None else families
    return pytest.mark.parametrize("family", families, ids=lambda family: family.name)


def each_in_both_modes(**wanted):
    """Those that can, also with operations of their own."""
    return pytest.mark.parametrize(
        "family, mode",
        [pytest.param(family, mode, id=f"{family.name}-{mode}")
         for mode in ("auto", "add") for family in chosen(**wanted)
         if mode == "auto" or family.adds],
    )  # fmt: skip


@each([f for refused in (False, True) for f in chosen(refused=refused)])
def test_the_model_has_the_operator_set_that_is_stated(family):
    imports = load(MODELS / family.name / "model.onnx").opset_import
    assert {i.version for i in imports if i.domain == ""} == {family.opset}


# ---- scores


@each()
def test_the_new_scores_are_the_corrected_ones(workplace, family):
    place = workplace(family)
    place.bake()
    check_scores(family, place.outputs(), place.correction)


@each()
def test_only_the_outputs_that_are_named_change(workplace, family):
    place = workplace(family)
    said = place.bake()
    old, new = before(family), place.outputs()
    changed = {name for name in old if not np.array_equal(old[name], new[name])}
    assert changed == {family.output, *family.also} - {""}
    assert set(said["also_changes"]) == set(family.also)


@each()
def test_bake_says_what_it_did(workplace, family):
    place = workplace(family)
    said = place.bake()
    assert (said["format"], said["mode"], said["dtype"]) == ("onnx", family.mode, family.dtype)
    assert (said["output_name"] or "", said["output_kind"]) == (family.output, family.kind)
    assert said["n_classes"] == family.classes
    assert (said["why_not_fold"] is None) == (family.mode == "fold")
    assert (said["method"], said["target"], said["strength"]) == ("p2p", "uniform", 1)
    assert said["verification"] is None


@each(adds=True)
def test_added_operations_give_the_same_scores_as_folding(workplace, family):
    place = workplace(family)
    assert place.bake("--mode", "add")["mode"] == family.added
    check_scores(family, place.outputs(), place.correction)


@each(runs=True)
def test_the_proof_agrees(workplace, family):
    place = workplace(family)
    proof = place.bake("--verify", "inputs.npz", "--threads", 1)["verification"]
    assert proof["engine"].startswith("ONNX Runtime")
    assert proof["passed"] and proof["max_difference"] <= proof["tolerance"]
    assert proof["differing_decisions"] == 0
    assert proof["n_rows"] >= 64 and proof["n_classes"] == family.classes
    if family.dtype in ("float32", "float64"):
        assert proof["tolerance"] == 1e-5
    turned = (place.correction.scores(family).argmax(-1) != logits(family).argmax(-1)).sum()
    assert abs(proof["changed_decisions"] - turned) <= (0 if family.tolerance <= 1e-5 else 3)
    assert turned > 0


@each()
def test_a_temperature_divides_the_scores(workplace, priors, family):
    place = workplace(family)
    prior = priors.make(family.classes, "--temperature", 2)
    place.bake(prior=prior)
    check_scores(family, place.outputs(), correction_of(prior))


@each_in_both_modes(scales=True)
def test_a_scale_for_each_class(workplace, priors, family, mode):
    place = workplace(family)
    method = ["--method", "vector-scaling", *priors.holdout(family.classes)]
    scores = priors.folder / f"logits-{family.classes}.npy"
    found = p2p("correct", scores, "--prior", place.prior, *method, "-o",
                place.folder / "scores.npy", "--json").json  # fmt: skip
    assert len(set(found["scale"])) == family.classes
    place.bake(*method, "--mode", mode)
    check_scores(family, place.outputs(), Correction(found["delta"], found["scale"]))


@each(scales=False)
def test_a_scale_of_logits_for_each_class_is_refused_where_only_probabilities_are_seen(workplace, priors, family):
    place = workplace(family)
    method = ["--method", "vector-scaling", *priors.holdout(family.classes)]
    why = "a scale for each class needs the logits" if family.logits else "learned from logits"
    refuse(place.folder, "bake", family.file, "--prior", place.prior, *method, *family.options,
           "-o", "new.onnx", words=[why])  # fmt: skip


@each()
def test_a_class_that_the_target_lacks_never_wins(workplace, family):
    place = workplace(family)
    target = np.arange(float(family.classes))  # none of class 0
    np.save(place.folder / "target.npy", target)
    place.bake("--target", "target.npy")
    check_scores(family, place.outputs(), correction_of(place.prior, target))


# ---- the rest of the model


def interface(model):
    return [str(value) for value in (*model.graph.input, *model.graph.output)]


def without_record(model):
    return {p.key: p.value for p in model.metadata_props if p.key != RECORD}


@each_in_both_modes()
def test_everything_around_the_head_stays(workplace, family, mode):
    place = workplace(family)
    place.bake("--mode", mode)
    old, new = load(place.model), load(place.path())
    assert interface(new) == interface(old)
    assert new.opset_import == old.opset_import and new.ir_version == old.ir_version
    assert new.functions == old.functions
    assert without_record(new) == without_record(old)
    for field in ("producer_name", "producer_version", "domain", "model_version", "doc_string"):
        assert getattr(new, field) == getattr(old, field)
    assert (new.graph.name, new.graph.value_info) == (old.graph.name, old.graph.value_info)
    kept = [node.SerializeToString() for node in new.graph.node]
    changed = [node for node in old.graph.node if node.SerializeToString() not in kept]
    assert len(changed) <= 2 + len(family.also), [node.op_type for node in changed]


@each(mode="fold")
def test_folding_adds_no_work(workplace, family):
    place = workplace(family)
    place.bake()

    def kinds(path):
        return [(node.op_type, node.name, list(node.output)) for node in load(path).graph.node]

    assert kinds(place.path()) == kinds(place.model)


@each_in_both_modes(checks=True)
def test_the_checker_of_onnx_accepts_the_new_model(workplace, family, mode):
    place = workplace(family)
    place.bake("--mode", mode)
    onnx.checker.check_model(str(place.path()), full_check=family.runs)


@each()
def test_baking_leaves_the_folder_as_it_was_but_for_the_new_model(workplace, family):
    place = workplace(family)
    old = snapshot(place.folder)
    place.bake()
    new = snapshot(place.folder)
    assert new.pop("new.onnx")
    assert new == old


# ---- out again, and on top


@each_in_both_modes()
def test_unbake_gives_the_original_bytes(workplace, family, mode):
    place = workplace(family)
    place.bake("--mode", mode)
    assert place.unbake() == place.model.read_bytes()


@each()
def test_unbake_takes_a_temperature_out(workplace, priors, family):
    place = workplace(family)
    place.bake(prior=priors.make(family.classes, "--temperature", 2))
    assert place.unbake() == place.model.read_bytes()


@each()
def test_baking_twice_is_refused(workplace, family):
    place = workplace(family)
    place.bake()
    refuse(place.folder, "bake", "new.onnx", "--prior", place.prior, *family.options, "-o",
           "newer.onnx", words=["new.onnx", "--again", "unbake"])  # fmt: skip


@pytest.mark.parametrize("modes", ["auto auto", "add add", "auto add", "add auto"])
@each(adds=True)
def test_again_corrects_on_top_and_unbake_takes_both_out(workplace, priors, family, modes):
    check_again(workplace(family), priors, *modes.split())


@each(adds=False)
def test_again_corrects_intercepts_on_top_and_unbake_takes_both_out(workplace, priors, family):
    check_again(workplace(family), priors, "fold", "fold")


def check_again(place, priors, first_mode, second_mode):
    warm = priors.make(place.family.classes, "--temperature", 2)
    place.bake("--mode", first_mode)
    place.bake("--mode", second_mode, "--again", model="new", out="newer", prior=warm)
    first, second = place.correction, correction_of(warm)
    both = Correction(second.factor * first.delta + second.delta, second.factor * first.factor)
    check_scores(place.family, place.outputs("newer"), both)
    assert place.unbake("newer") == place.model.read_bytes()


# ---- looking only


@each()
def test_show_says_what_would_be_done_and_then_what_was(workplace, family):
    place = workplace(family)
    old = snapshot(place.folder)
    would = p2p("show", "model.onnx", "--prior", place.prior, *family.options, "--json",
                cwd=place.folder).json  # fmt: skip
    assert would["mode"] == family.mode and would["baked"] == []
    assert snapshot(place.folder) == old
    place.bake()
    (baked,) = p2p("show", "new.onnx", "--json", cwd=place.folder).json["baked"]
    assert (baked["method"], baked["target"], baked["strength"]) == ("p2p", "uniform", 1)
    assert baked["mode"] == family.mode


@each()
def test_a_dry_run_says_what_bake_would_and_writes_nothing(workplace, family):
    place = workplace(family)
    old = snapshot(place.folder)
    dry = place.bake("--dry-run")
    assert snapshot(place.folder) == old
    wet = place.bake()
    assert dry["output"] is None and wet["output"] == "new.onnx"
    assert {**dry, "output": ""} == {**wet, "output": ""}


# ---- refused


@each(chosen(refused=True))
def test_a_head_that_cannot_take_a_correction_is_refused_by_name(workplace, family):
    place = workplace(family)
    for mode in ("auto", "fold", "add"):
        refuse(place.folder, "bake", "model.onnx", "--prior", place.prior, "--mode", mode, "-o",
               "new.onnx", words=family.says)  # fmt: skip
