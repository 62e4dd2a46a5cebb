"""The folder of a p2p train run as the input of estimate, inspect, correct, evaluate, compare, sweep."""

import json

import numpy as np
import pytest
from harness import p2p, refuse

COUNTS = np.array([200, 80, 30, 12])
NAMES = "ant\nbee\ncat\ndog\n"
ADJUSTED = np.log(COUNTS / COUNTS.sum())
LABELLED = ["--labels", "run/test_labels.npy"]
HELD_OUT = ["--holdout", "run/holdout_scores.npy", "--holdout-labels", "run/holdout_labels.npy"]
TOLD = "the held-out rows are those of the run 'run'"


class Run:
    """A folder as p2p train leaves it, in run/; training, held-out and balanced test rows."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "run"
        self.path.mkdir()
        rng = np.random.default_rng(0)
        for rows, sizes in (("train", COUNTS), ("holdout", COUNTS // 2), ("test", [40] * 4)):
            labels = np.repeat(np.arange(4), sizes)
            scores = rng.normal(0, 1, (len(labels), 4)) + np.log(COUNTS) / 2
            scores[np.arange(len(labels)), labels] += 2
            np.save(self.path / f"{rows}_scores.npy", scores.astype(np.float32))
            np.save(self.path / f"{rows}_labels.npy", labels.astype(np.int64))
        np.save(self.path / "counts.npy", COUNTS.astype(np.int64))
        (self.path / "classes.txt").write_text(NAMES)
        for model in ("model.safetensors", "model.onnx"):
            (self.path / model).write_bytes(b"weights")
        self.record = {"format": 1, "p2p": "0.1.0", "classes": 4, "losses": [2.5, 1.5]}
        self.trained("ce", np.zeros(4))

    def trained(self, loss, offset):
        self.say(trained_with=loss, training_offset=[float(b) for b in offset])

    def say(self, **keys):
        """Changes keys of run.json; None takes one out."""
        self.record = {k: v for k, v in {**self.record, **keys}.items() if v is not None}
        (self.path / "run.json").write_text(json.dumps(self.record))

    def forget_holdout(self):
        """As trained without --holdout."""
        for name in ("holdout_scores.npy", "holdout_labels.npy"):
            (self.path / name).unlink()

    def p2p(self, *args):
        return p2p(*args, cwd=self.folder)

    def refuse(self, *args, words, code=3):
        return refuse(self.folder, *args, words=words, code=code)

    def prior(self, name="run/prior.json"):
        return (self.folder / name).read_bytes()

    def explicit(self, *args, rows="train"):
        """The bytes of the prior that files given one by one make."""
        self.p2p("estimate", f"run/{rows}_scores.npy", "--counts", "run/counts.npy", "--classes",
                 "run/classes.txt", *args, "-o", "explicit.json")  # fmt: skip
        return self.prior("explicit.json")


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


@pytest.fixture
def estimated(run):
    run.p2p("estimate", "run")
    return run


def test_a_run_is_estimated_corrected_and_evaluated_without_options(run):
    run.p2p("estimate", "run")
    run.p2p("correct", "run")
    raw = run.p2p("evaluate", "run", "--json").json
    labels, counts = "run/test_labels.npy", "run/counts.npy"
    corrected = run.p2p("evaluate", "run/test_corrected.npy", "--labels", labels, "--counts", counts,
                        "--json").json  # fmt: skip
    assert corrected["balanced_accuracy"] > raw["balanced_accuracy"] + 0.01


def test_scores_of_a_run_are_logits_without_a_word(run):
    assert "taken for" not in run.p2p("estimate", "run").err
    assert json.loads(run.prior("run/prior.json"))["input_kind"] == "logits"


def test_estimate_says_where_the_prior_went(run):
    assert "'run/prior.json'" in run.p2p("estimate", "run").err


@pytest.mark.parametrize("path", ["run", "run/", "./run"])
def test_the_prior_is_that_of_the_files(run, path):
    run.p2p("estimate", path)
    assert run.prior() == run.explicit()


def test_a_run_is_found_from_inside(run):
    p2p("estimate", ".", cwd=run.path)
    assert run.prior() == run.explicit()


def test_held_out_rows_are_read_on_request(run):
    (run.path / "holdout_labels.npy").unlink()
    run.p2p("estimate", "run", "--rows", "holdout")
    found = run.prior("run/prior-holdout.json")
    assert found == run.explicit("--rows", "holdout", rows="holdout")
    assert json.loads(found)["rows"] == "holdout"


def test_a_prior_of_held_out_rows_leaves_that_of_the_training_rows(estimated):
    before = estimated.prior()
    estimated.p2p("estimate", "run", "--rows", "holdout")
    assert estimated.prior() == before
    assert estimated.prior("run/prior-holdout.json") != before


@pytest.mark.parametrize(
    "loss, offset",
    [
        ("ce", np.zeros(4)),
        ("la:1", ADJUSTED),
        ("la:0.5", 0.5 * ADJUSTED),
        ("balanced-softmax", np.log(COUNTS)),
        ("balanced-softmax", ADJUSTED),
    ],
)
def test_losses_that_estimate_knows_keep_their_names(run, loss, offset):
    run.trained(loss, offset)
    run.p2p("estimate", "run")
    assert run.prior() == run.explicit("--trained-with", loss)
    assert json.loads(run.prior())["trained_with"] == loss


@pytest.mark.parametrize(
    "loss", ["ldam-drw", "ce", "la:1", "la:", "la:nan", "weights:run/counts.npy", ""]
)
def test_any_other_offset_is_given_by_its_values(run, loss):
    offset = [0.5, -0.25, 1, 0]
    run.trained(loss, offset)
    np.save(run.folder / "offset.npy", offset)
    run.p2p("estimate", "run")
    assert run.prior() == run.explicit("--trained-with", "offset:offset.npy")
    assert json.loads(run.prior())["trained_with"] == "offset"


def test_classes_without_training_images_may_have_no_offset(run):
    counts = np.array([200, 80, 30, 0])
    np.save(run.path / "counts.npy", counts)
    offset = [*np.log(counts[:3] / counts.sum()), None]
    run.say(trained_with="la:1", training_offset=offset)
    run.p2p("estimate", "run")
    assert run.prior() == run.explicit("--trained-with", "la:1")


def test_an_output_that_is_given_is_used(run):
    run.p2p("estimate", "run", "-o", "mine.json")
    assert not (run.path / "prior.json").exists()
    run.p2p("correct", "run", "--prior", "mine.json", "-o", "mine.npy")
    assert not (run.path / "test_corrected.npy").exists()
    assert np.load(run.folder / "mine.npy").shape == (160, 4)


def test_options_win_over_the_run(run):
    run.trained("la:1", ADJUSTED)
    np.save(run.folder / "n.npy", [4, 3, 2, 1])
    (run.folder / "names.txt").write_text("a\nb\nc\nd\n")
    run.p2p("estimate", "run", "--counts", "n.npy", "--trained-with", "ce", "--classes", "names.txt",
            "--labels", "run/train_labels.npy")  # fmt: skip
    prior = json.loads(run.prior())
    assert prior["counts"] == [4, 3, 2, 1]
    assert prior["trained_with"] == "ce"
    assert prior["classes"] == ["a", "b", "c", "d"]
    assert prior["weighted"]


def test_other_counts_do_not_change_the_offset_of_the_training(run):
    run.trained("la:1", ADJUSTED)
    np.save(run.folder / "n.npy", [4, 3, 2, 1])
    run.p2p("estimate", "run", "--counts", "n.npy")
    np.testing.assert_allclose(json.loads(run.prior())["training_offset"], ADJUSTED)


def test_correct_gives_the_scores_of_the_explicit_command(estimated):
    estimated.p2p("correct", "run")
    estimated.p2p("correct", "run/test_scores.npy", "--prior", "run/prior.json", "-o", "x.npy")
    found = (estimated.path / "test_corrected.npy").read_bytes()
    assert found == (estimated.folder / "x.npy").read_bytes()


def next_command(run, *args):
    """The command that correct names in its last line."""
    line = run.p2p("correct", "run", *args).err.splitlines()[-1]
    assert line.count("; next: p2p ") == 1, line
    return line.partition("; next: p2p ")[2].split()


@pytest.mark.parametrize(
    "output, out", [([], "run/test_corrected.npy"), (["-o", "x.csv"], "x.csv")]
)
def test_correct_says_how_to_judge_what_it_made(estimated, output, out):
    command = next_command(estimated, *output)
    assert command == ["evaluate", out, *LABELLED, "--counts", "run/counts.npy"]
    assert estimated.p2p(*command, "--json").json["n_rows"] == 160


@pytest.mark.parametrize(
    "more", [["--quiet"], ["--json"], ["--output", "labels"], ["-o", "-"]], ids=" ".join
)
def test_there_may_be_nothing_to_judge_or_nobody_to_tell(estimated, more):
    assert "next:" not in estimated.p2p("correct", "run", *more).err


def test_files_that_are_no_run_have_no_next_command(estimated):
    files = ["run/test_scores.npy", "--prior", "run/prior.json", "-o", "x.npy"]
    assert "next:" not in estimated.p2p("correct", *files).err


def test_verbs_may_be_repeated(estimated):
    for verb in ("estimate", "correct", "correct", "evaluate", "estimate"):
        estimated.p2p(verb, "run")


EXPLICIT = {
    "evaluate": ["evaluate", "run/test_scores.npy", *LABELLED, "--counts", "run/counts.npy"],
    "inspect": ["inspect", "run/prior.json", "--scores", "run/test_scores.npy", *LABELLED],
    "sweep": ["sweep", "run/test_scores.npy", *LABELLED, "--prior", "run/prior.json"],
}


@pytest.mark.parametrize("verb", EXPLICIT)
def test_a_verb_prints_what_it_prints_of_the_files(estimated, verb):
    assert estimated.p2p(verb, "run").out == estimated.p2p(*EXPLICIT[verb]).out


FEW = ["--methods", "none,empirical", "--bootstrap", "20"]


def comparison(run, *args):
    """What compare finds, without the time that it took."""
    found = run.p2p("compare", *args, *FEW, "--json").json
    found.pop("prior_seconds")
    for method in found["methods"]:
        method.pop("seconds")
    return found


def test_compare_judges_on_the_test_rows(estimated):
    explicit = ["--prior", "run/prior.json", "--test", "run/test_scores.npy", "--test-labels",
                "run/test_labels.npy", *HELD_OUT]  # fmt: skip
    found = comparison(estimated, "run")
    assert found == comparison(estimated, *explicit)
    assert "p2p (held-out)" in [method["name"] for method in found["methods"]]


TRAINED = {
    "ce": np.zeros(4),
    "la:1": ADJUSTED,
    "balanced-softmax": np.log(COUNTS),
    "ldam-drw": [0.5, -0.25, 1, 0],
}


@pytest.mark.parametrize("loss", TRAINED)
@pytest.mark.parametrize("holdout", [False, True])
def test_compare_measures_the_prior_as_estimate_does(run, loss, holdout):
    run.trained(loss, TRAINED[loss])
    run.p2p("estimate", "run")
    if not holdout:
        run.forget_holdout()
    estimated = comparison(run, "run")
    (run.path / "prior.json").unlink()
    assert comparison(run, "run", "--train", "run/train_scores.npy") == estimated


def test_a_loss_that_compare_is_given_wins_over_that_of_the_run(run):
    run.trained("la:1", ADJUSTED)
    run.p2p("estimate", "run", "--trained-with", "ce")
    train = ["--train", "run/train_scores.npy"]
    as_ce = comparison(run, "run", *train, "--trained-with", "ce")
    assert as_ce == comparison(run, "run")
    assert as_ce != comparison(run, "run", *train)


def test_counts_that_compare_is_given_win_over_those_of_the_run(run):
    np.save(run.folder / "n.npy", [4, 3, 2, 1])
    run.trained("la:1", ADJUSTED)
    run.p2p("estimate", "run", "--counts", "n.npy")
    measured = comparison(run, "run", "--train", "run/train_scores.npy", "--counts", "n.npy")
    assert measured == comparison(run, "run")


@pytest.mark.parametrize("given", [["--counts", "run/counts.npy"], ["--trained-with", "ce"]])
def test_compare_does_not_change_the_prior_of_the_run(estimated, given):
    words = ["the prior 'run/prior.json' holds what", given[0]]
    estimated.refuse("compare", "run", *given, words=words, code=2)


def test_training_scores_of_another_model_are_not_those_of_the_run(run):
    np.save(run.folder / "five.npy", np.eye(5, dtype=np.float32))
    np.save(run.folder / "n.npy", [5, 4, 3, 2, 1])
    (run.folder / "names.txt").write_text("a\nb\nc\nd\ne\n")
    run.refuse("compare", "run", "--train", "five.npy", "--counts", "n.npy", "--classes",
               "names.txt", words=["'five.npy' has 5 classes", "the run 'run' has 4"])  # fmt: skip


UNLABELLED = ["--unlabelled", "run/test_scores.npy"]
LEARNING = {
    "auto": ["--method", "auto"],
    "strength": ["--strength", "auto"],
    "bias": ["--method", "bias"],
    "temperature": ["--method", "temperature"],
    "match": ["--method", "match"],
    "em": ["--method", "em", *UNLABELLED],
    "bbse": ["--method", "bbse", *UNLABELLED],
    "estimated target": ["--target", "estimated:rlls", *UNLABELLED],
}
NOT_LEARNING = {
    "p2p": [],
    "empirical": ["--method", "empirical"],
    "gala": ["--method", "gala", *UNLABELLED],
    "match to target": ["--method", "match", "--match-to", "target", *UNLABELLED],
}


def corrected(run, *args):
    run.p2p("correct", "run", *args)
    return (run.path / "test_corrected.npy").read_bytes()


@pytest.mark.parametrize("method", LEARNING)
def test_a_method_that_learns_from_held_out_rows_learns_from_those_of_the_run(estimated, method):
    outcome = estimated.p2p("correct", "run", *LEARNING[method])
    assert outcome.err.count(TOLD) == 1
    found = (estimated.path / "test_corrected.npy").read_bytes()
    assert found == corrected(estimated, *LEARNING[method], *HELD_OUT)


@pytest.mark.parametrize("method", NOT_LEARNING)
def test_any_other_method_says_nothing_of_held_out_rows(estimated, method):
    outcome = estimated.p2p("correct", "run", *NOT_LEARNING[method])
    assert "held-out" not in outcome.err
    assert "--holdout" not in outcome.err


def test_sweep_learns_from_the_held_out_rows_of_the_run(estimated):
    bias = ["--method", "bias", "--targets", "1"]
    outcome = estimated.p2p("sweep", "run", *bias)
    assert outcome.out == estimated.p2p("sweep", "run", *bias, *HELD_OUT).out
    assert outcome.err.count(TOLD) == 1
    assert TOLD not in estimated.p2p("sweep", "run").err


def test_compare_says_that_it_took_the_held_out_rows(estimated):
    assert estimated.p2p("compare", "run", *FEW).err.count(TOLD) == 1


AUTO = {
    "correct": ["correct", "run", "--method", "auto"],
    "sweep": ["sweep", "run", "--method", "bias"],
    "compare": ["compare", "run", *FEW],
}


@pytest.mark.parametrize("verb", AUTO)
def test_quiet_verbs_take_the_held_out_rows_without_a_word(estimated, verb):
    assert TOLD not in estimated.p2p(*AUTO[verb], "--quiet").err


@pytest.mark.parametrize("verb", AUTO)
def test_held_out_rows_that_are_given_win(estimated, verb):
    for kind in ("scores", "labels"):
        rows = np.load(estimated.path / f"holdout_{kind}.npy")
        np.save(estimated.folder / f"{kind}.npy", rows[::2])
    given = ["--holdout", "scores.npy", "--holdout-labels", "labels.npy"]
    assert TOLD not in estimated.p2p(*AUTO[verb], *given).err
    assert (
        estimated.p2p(*AUTO[verb], "--json").json
        != estimated.p2p(*AUTO[verb], *given, "--json").json
    )


def test_labels_alone_are_not_joined_with_scores_of_the_run(estimated):
    words = ["--holdout-labels need the scores"]
    estimated.refuse(*AUTO["correct"], *HELD_OUT[2:], words=words, code=2)


@pytest.mark.parametrize("name", ["holdout_scores.npy", "holdout_labels.npy"])
def test_a_run_without_labelled_held_out_rows_has_none_to_learn_from(estimated, name):
    (estimated.path / name).unlink()
    assert TOLD not in estimated.p2p(*AUTO["correct"]).err
    assert TOLD not in estimated.p2p(*AUTO["compare"]).err
    estimated.refuse(*AUTO["sweep"], words=["needs labelled held-out scores"], code=2)


def test_inspect_reads_other_rows_of_a_run_on_request(estimated):
    rows = ["--scores", "run/holdout_scores.npy", "--labels", "run/holdout_labels.npy"]
    assert (
        estimated.p2p("inspect", "run", *rows).out
        == estimated.p2p("inspect", "run/prior.json", *rows).out
    )


def test_inspect_compares_other_rows_with_the_held_out_rows_of_the_run(estimated):
    rows = ["--unlabelled", "run/test_scores.npy"]
    taken = estimated.p2p("inspect", "run", *rows, "--input", "logits", "--json")
    given = estimated.p2p("inspect", "run", *rows, *HELD_OUT, "--input", "logits", "--json")
    assert taken.json == given.json
    assert taken.json["inputs"]["n_held_out"] == (COUNTS // 2).sum()
    assert TOLD in taken.err and TOLD not in given.err


def test_evaluate_may_take_its_counts_from_a_prior(estimated):
    assert (
        estimated.p2p("evaluate", "run", "--prior", "run/prior.json").out
        == estimated.p2p("evaluate", "run").out
    )


def test_a_folder_without_a_record_is_a_set_of_score_files(run):
    folder = run.folder / "scores"
    folder.mkdir()
    for rows in ("train", "holdout"):
        (folder / f"{rows}.npy").write_bytes((run.path / f"{rows}_scores.npy").read_bytes())
    run.p2p("estimate", "scores", "-o", "x.json")
    assert json.loads(run.prior("x.json"))["n_rows"] == COUNTS.sum() + (COUNTS // 2).sum()
    run.refuse("estimate", "scores", words=["--output is required"], code=2)
    run.refuse("correct", "scores", words=["--prior is required"], code=2)
    run.refuse("evaluate", "scores", words=["--labels is required"], code=2)


def test_features_are_another_way_to_give_scores(run):
    p2p("head", "run/train_scores.npy", "--labels", "run/train_labels.npy", "-o", "h.safetensors",
        cwd=run.folder)  # fmt: skip
    more = ["--head", "h.safetensors", "-o"]
    run.p2p("estimate", "run/train_scores.npy", *more, "a.json")
    run.p2p("estimate", "--features", "run/train_scores.npy", *more, "b.json")
    assert run.prior("a.json") == run.prior("b.json")
    run.refuse(
        "estimate", "--features", "run/train_scores.npy", "-o", "c.json", words=["--head"], code=2
    )
    run.refuse("estimate", "run/train_scores.npy", "--features", "run/train_scores.npy", *more,
               "c.json", words=["--features", "excludes"], code=2)  # fmt: skip
    run.refuse("estimate", *more, "c.json", words=["SCORES is required"], code=2)


# --- what cannot be used ---

RECORDS = {
    "no format": ({"format": None}, ['"format" is missing']),
    "a format that is no number": ({"format": "1"}, ['"format" must be an integer']),
    "a newer format": ({"format": 2}, ["run format 2", "reads 1"]),
    "no classes": ({"classes": None}, ['"classes" is missing']),
    "one class": ({"classes": 1}, ['"classes" must be an integer from 2']),
    "half a class": ({"classes": 4.5}, ['"classes" must be an integer from 2']),
    "too many classes": ({"classes": 2**63}, ['"classes" must be an integer from 2']),
    "other classes": ({"classes": 5, "training_offset": [0] * 5}, ["5 classes", "test_scores.npy' has 4"]),
    "no loss": ({"trained_with": None}, ['"trained_with" is missing']),
    "a loss that is no text": ({"trained_with": 1}, ['"trained_with" must be a string']),
    "no offset": ({"training_offset": None}, ['"training_offset" is missing']),
    "a short offset": ({"training_offset": [0]}, ["an array of 4 numbers"]),
    "an offset of words": ({"training_offset": [0, "a", 0, 0]}, ["of class 1 must be a number or null"]),
}  # fmt: skip


@pytest.mark.parametrize("case", RECORDS)
def test_a_record_that_is_not_as_promised_is_refused(estimated, case):
    keys, words = RECORDS[case]
    estimated.say(**keys)
    for verb in ("correct", "evaluate", "inspect", "sweep", "compare"):
        estimated.refuse(verb, "run", words=["run/run.json", *words])
    words = [word.replace("test", "train") for word in words]
    estimated.refuse("estimate", "run", words=["run/run.json", *words])


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "[" * 100000, '{"format": 1e999}', '{"a": "\xff"}']
)
def test_a_damaged_record_is_refused(run, text):
    (run.path / "run.json").write_bytes(text.encode("latin-1"))
    run.refuse("estimate", "run", words=["'run/run.json'", "damaged or no JSON object"])


def test_a_record_without_end_is_refused(run):
    with open(run.path / "run.json", "wb") as record:
        record.truncate(1 << 40)
    run.refuse("estimate", "run", words=["'run/run.json' is longer than"])


def test_an_offset_of_unknown_loss_must_be_finite(run):
    run.say(trained_with="mine", training_offset=[0, None, 0, 0])
    run.refuse("estimate", "run", words=["run/run.json", "class 1", "finite"])


@pytest.mark.parametrize("verb", ["estimate", "correct", "evaluate", "inspect", "compare", "sweep"])
def test_a_run_that_is_nowhere_is_named(run, verb):
    word = "'rnu' is no run" if verb == "compare" else "'rnu' does not exist"
    run.refuse(verb, "rnu", words=[word])


def test_help_needs_no_run(run):
    assert "Usage: p2p estimate" in run.p2p("estimate", "rnu", "--help").out


def test_a_run_that_is_not_finished_is_named(run):
    (run.path / "log.csv").write_text("epoch\n")
    (run.path / "checkpoint.safetensors").write_bytes(b"state")
    run.p2p("estimate", "run")
    missing = "run.json"
    (run.path / missing).unlink()
    for verb in ("estimate", "correct", "evaluate", "inspect", "compare", "sweep"):
        run.refuse(
            verb, "run", words=["'run' is not finished", f"no {missing}", "p2p train --resume"]
        )


def test_a_run_without_training_scores_is_not_finished(run):
    (run.path / "train_scores.npy").unlink()
    (run.path / "checkpoint.safetensors").write_bytes(b"state")
    (run.path / "run.json").write_text("{}")
    run.refuse(
        "estimate", "run", words=["not finished", "no train_scores.npy", "p2p train --resume"]
    )


def test_a_checkpoint_alone_makes_no_run(run):
    folder = run.folder / "scores"
    folder.mkdir()
    (folder / "checkpoint.safetensors").write_bytes(b"state")
    run.refuse("estimate", "scores", "-o", "x.json", words=["scores/checkpoint.safetensors"])


def test_a_run_without_test_images_has_a_prior_to_inspect(estimated):
    for name in ("test_scores.npy", "test_labels.npy"):
        (estimated.path / name).unlink()
    assert estimated.p2p("inspect", "run").out == estimated.p2p("inspect", "run/prior.json").out
    for verb in ("correct", "evaluate", "sweep", "compare"):
        words = ["no test_scores.npy", "without test images"]
        estimated.refuse(verb, "run", words=words)


@pytest.mark.parametrize(
    "verb, name",
    [
        ("estimate", "train_scores.npy"),
        ("estimate", "counts.npy"),
        ("estimate", "classes.txt"),
        ("correct", "test_scores.npy"),
        ("evaluate", "test_labels.npy"),
        ("evaluate", "counts.npy"),
    ],
)
def test_a_file_that_is_missing_is_named(estimated, verb, name):
    (estimated.path / name).unlink()
    estimated.refuse(verb, "run", words=[f"the run 'run' has no {name}"])


def test_a_run_without_held_out_rows_says_so(run):
    (run.path / "holdout_scores.npy").unlink()
    run.refuse(
        "estimate",
        "run",
        "--rows",
        "holdout",
        words=["no holdout_scores.npy", "train with --holdout"],
    )


def test_augmented_rows_have_a_prior_of_their_own(estimated):
    before = estimated.prior()
    for what in ("scores", "labels"):
        (estimated.path / f"holdout_{what}.npy").rename(
            estimated.path / f"train_augmented_{what}.npy"
        )
    estimated.p2p("estimate", "run", "--rows", "train-augmented")
    expected = estimated.explicit("--rows", "train-augmented", rows="train_augmented")
    assert estimated.prior("run/prior-train-augmented.json") == expected
    assert estimated.prior() == before


def test_a_run_without_augmentation_has_no_augmented_rows(run):
    run.refuse("estimate", "run", "--rows", "train-augmented",
               words=["no train_augmented_scores.npy", "with --augment none, or by an earlier version"])  # fmt: skip


@pytest.mark.parametrize("verb", ["correct", "inspect", "sweep", "compare"])
def test_a_prior_is_estimated_first(run, verb):
    run.refuse(verb, "run", words=["no prior.json yet", "p2p estimate run"])


def test_a_run_stands_alone(run):
    for order in (["run", "run/test_scores.npy"], ["run/test_scores.npy", "run"]):
        run.refuse("estimate", *order, words=["'run' is a run", "alone"], code=2)
    run.refuse(
        "estimate",
        "run",
        "--head",
        "run/model.safetensors",
        words=["--head", "another model of the run 'run'"],
        code=2,
    )
    run.refuse("compare", "run", "--test", "run/test_scores.npy", words=["RUN"], code=2)


@pytest.mark.parametrize(
    "name", ["run.json", "train_scores.npy", "test_labels.npy", "holdout_scores.npy", "counts.npy",
             "classes.txt", "model.safetensors", "model.onnx"],
)  # fmt: skip
def test_no_file_of_the_run_is_overwritten(estimated, name):
    words = [f"run/{name}' is the same file as the input"]
    estimated.refuse("estimate", "run", "-o", f"run/{name}", words=words)
    estimated.refuse("correct", "run", "-o", f"run/{name}", words=words)
    if name.endswith(".json"):
        estimated.refuse("sweep", "run", "-o", f"run/{name}", words=words)
        estimated.refuse("compare", "run", "-o", f"run/{name}", words=words)


def test_correct_keeps_the_prior_of_the_run(estimated):
    estimated.refuse("correct", "run", "-o", "run/prior.json", words=["prior.json"])


def test_rows_cannot_be_left_out_of_the_features_of_a_run(run):
    run.refuse("estimate", "run", "--rows", "loo", code=2, words=["learned", "--rows holdout"])
