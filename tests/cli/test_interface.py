"""The manners of the command: streams, exit codes, help, examples, quiet, no colour in pipes."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from harness import COMMAND, SAMPLE, SOURCE, attempt, estimate, p2p, refuse

VERBS = ["estimate", "merge", "inspect", "correct", "evaluate", "compare", "sweep", "track"]


def runs(toy):
    """One good run of each verb."""
    return {
        "estimate": ["estimate", "logits.npy", "--counts", "counts.npy", "-o", "x.json"],
        "merge": ["merge", "prior.json", "-o", "x.json"],
        "inspect": ["inspect", "prior.json", "--scores", "logits.npy", "--labels", "labels.npy"],
        "correct": ["correct", "logits.npy", "--prior", "prior.json", "-o", "x.npy"],
        "evaluate": ["evaluate", "logits.npy", "--labels", "labels.npy", "--counts", "counts.npy",
                     "--bootstrap", "20"],
        "compare": ["compare", "--train", "logits.npy", "--counts", "counts.npy", "--test", "logits.npy",
                    "--test-labels", "labels.npy", "--methods", "none,empirical", "--bootstrap", "20"],
        "sweep": ["sweep", "logits.npy", "--labels", "labels.npy", "--prior", "prior.json"],
        "track": ["track", "logits.npy", "--prior", "prior.json"],
    }  # fmt: skip


def test_version_is_one_line_everywhere():
    first = p2p("--version").out
    assert re.fullmatch(r"(p2p )?\d+\.\d+\.\d+\n", first)
    for verb in VERBS:
        assert p2p(verb, "--version").out == first


def test_the_prior_names_the_version(toy, prior):
    assert prior["tool_version"] in p2p("--version").out


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_goes_to_stdout_alone(verb):
    outcome = p2p(*filter(None, [verb]), "--help")
    assert outcome.err == ""
    assert "Usage: p2p" in outcome.out
    assert outcome.out == p2p(*filter(None, [verb]), "-h").out


def test_help_names_every_verb():
    text = p2p("--help").out
    for verb in VERBS:
        assert re.search(rf"^  {verb}\b", text, re.M)


OPTIONS = {
    "estimate": "-o --counts --labels --trained-with --rows --temperature --smoothing --floor --part "
    "--input --classes --ignore-index --class-axis --exclude",
    "merge": "-o",
    "inspect": "--scores --labels --unlabelled --holdout --holdout-labels --input --classes "
    "--ignore-index --class-axis --exclude",
    "correct": "--prior -o --method --tau --target --strength --output --input --classes "
    "--ignore-index --class-axis --exclude",
    "evaluate": "--labels --counts --prior --many --few --bootstrap --input --classes "
    "--ignore-index --class-axis --exclude",
    "compare": "--test --test-labels --train --train-labels --counts --trained-with --prior --holdout "
    "--holdout-labels --unlabelled --second --holdout-second --methods --strength --target --tau --eps "
    "--many --few --bootstrap -o --input --classes --ignore-index --class-axis --exclude",
    "sweep": "--labels --prior --method --strengths --targets --tau --eps --holdout --holdout-labels "
    "--unlabelled --second --many --few -o --input --classes --ignore-index --class-axis --exclude",
    "track": "--prior --state --follow --half-life --reset-every --drift --target --input",
}


@pytest.mark.parametrize("verb", VERBS)
def test_help_names_every_promised_option(verb):
    text = p2p(verb, "--help").out
    for option in (
        OPTIONS[verb].split() + "--json --quiet --seed --threads --version --help".split()
    ):
        assert re.search(rf"^  ([-\w]+,)?{option}\b", text, re.M), option


def test_help_fits_ninety_columns_but_for_the_examples():
    for verb in ["", *VERBS]:
        text = p2p(*filter(None, [verb]), "--help").out
        for line in text.partition("Examples:")[0].splitlines():
            assert len(line) <= 90, line


def examples(verb):
    text = p2p(*filter(None, [verb]), "--help").out.partition("Examples:\n")[2]
    return [line.strip() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_ends_with_two_examples(verb):
    found = examples(verb)
    assert len(found) == 2
    assert all(line.startswith("p2p ") for line in found)


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_the_examples_work_as_pasted(tmp_path, verb):
    (tmp_path / "data").mkdir()
    shutil.copy(SAMPLE, tmp_path / "data")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "p2p").symlink_to(COMMAND)
    for line in examples(verb):
        process = subprocess.run(["bash", "-c", f"PATH={tmp_path}/bin:$PATH; {line}"], cwd=tmp_path,
                                 capture_output=True)  # fmt: skip
        assert process.returncode == 0, (line, process.stderr)


@pytest.mark.parametrize("verb", VERBS)
def test_json_is_one_object_and_nothing_else(toy, prior, verb):
    outcome = p2p(*runs(toy)[verb], "--json", cwd=toy.folder)
    assert outcome.json
    assert outcome.out.endswith("}\n")


@pytest.mark.parametrize("verb", ["estimate", "merge", "correct"])
def test_a_verb_that_writes_a_file_prints_words_on_stderr_only(toy, prior, verb):
    outcome = p2p(*runs(toy)[verb], cwd=toy.folder)
    assert outcome.bytes == b""
    assert all(line.startswith("p2p: ") for line in outcome.err.splitlines())
    assert runs(toy)[verb][-1] in outcome.err


@pytest.mark.parametrize("verb", VERBS)
def test_quiet_says_nothing_on_stderr(toy, prior, verb):
    assert p2p(*runs(toy)[verb], "--quiet", cwd=toy.folder).err == ""


def test_quiet_keeps_warnings(toy):
    toy.save("n.npy", toy.counts[::-1].copy())
    outcome = p2p("estimate", "logits.npy", "--counts", "n.npy", "-o", "x.json", "--quiet",
                  cwd=toy.folder)  # fmt: skip
    assert outcome.err.startswith("p2p: warning: ")


def test_quiet_keeps_errors(toy):
    refuse(toy.folder, "estimate", "no.npy", "-o", "x.json", "--quiet", words=["no.npy"])


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
def test_no_control_codes_in_pipes(toy, prior, verb, term):
    for more in ([], ["--json"]):
        outcome = p2p(
            *runs(toy)[verb], *more, cwd=toy.folder, env={"TERM": term, "CLICOLOR_FORCE": "1"}
        )
        assert b"\x1b" not in outcome.bytes and "\x1b" not in outcome.err
        assert "\r" not in outcome.err


@pytest.mark.parametrize("verb", VERBS)
def test_words_are_whole_sentences(toy, prior, verb):
    for line in p2p(*runs(toy)[verb], cwd=toy.folder).err.splitlines():
        assert not line.endswith(("\n", " ")) and "  " not in line, line


USAGE = [
    ["frobnicate"], ["estimate"], ["estimate", "logits.npy"], ["correct", "logits.npy", "-o", "x.npy"],
    ["merge", "-o", "x.json"], ["inspect"], ["evaluate", "logits.npy"],
    ["estimate", "logits.npy", "-o", "x.json", "--frobnicate"],
    ["correct", "logits.npy", "--prior", "prior.json", "-o", "x.npy", "--method", "magic"],
    ["correct", "logits.npy", "--prior", "prior.json", "-o", "x.npy", "--output", "csv"],
    ["evaluate", "logits.npy", "--labels", "labels.npy", "--bootstrap", "-1"],
    ["estimate", "-", "-", "-o", "x.json"],
    ["estimate", "logits.npy", "-o", "-", "--json"],
    ["merge", "prior.json", "-o", "-", "--json"],
    ["estimate", "logits.npy", "-o", ""],
]  # fmt: skip


@pytest.mark.parametrize("args", USAGE, ids=" ".join)
def test_wrong_usage_is_exit_2_in_one_sentence(toy, prior, args):
    refuse(toy.folder, *args, code=2)


def test_without_a_verb_all_verbs_are_listed_with_a_line_each():
    outcome = attempt()
    assert outcome.code == 2 and outcome.out == ""
    first, *lines = outcome.err.splitlines()
    assert "a verb is missing" in first
    assert [line.split()[0] for line in lines] == [
        "estimate", "merge", "inspect", "correct", "evaluate", "compare", "sweep", "track", "bake",
        "unbake", "show", "head", "train", "score", "data",
    ]  # fmt: skip
    assert all(len(line.split()) > 3 for line in lines)


def test_an_unknown_verb_is_named():
    outcome = attempt("frobnicate")
    assert "'frobnicate'" in outcome.err and "evaluate" in outcome.err


def test_an_unknown_simd_target_is_a_usage_error(toy):
    outcome = attempt("estimate", "logits.npy", "-o", "x.json", cwd=toy.folder,
                      env={"P2P_FORCE_TARGET": "abacus"})  # fmt: skip
    assert outcome.code == 2 and "scalar" in outcome.err


def test_the_scalar_target_gives_the_same_prior_to_single_precision(toy, prior):
    p2p("estimate", "logits.npy", "--counts", "counts.npy", "-o", "scalar.json", cwd=toy.folder,
        env={"P2P_FORCE_TARGET": "scalar"})  # fmt: skip
    found = json.loads((toy.folder / "scalar.json").read_text())
    np.testing.assert_allclose(found["effective"], prior["effective"], rtol=2e-6)


def test_a_seed_can_be_given_to_every_verb(toy, prior):
    for verb in VERBS:
        p2p(*runs(toy)[verb], "--seed", 7, "--threads", 2, cwd=toy.folder)


def test_the_locale_does_not_change_numbers(toy, prior):
    plain = p2p(*runs(toy)["evaluate"], cwd=toy.folder, env={"LC_ALL": "C"})
    german = p2p(*runs(toy)["evaluate"], cwd=toy.folder, env={"LC_ALL": "de_DE.UTF-8"})
    assert german.bytes == plain.bytes


def test_no_absolute_path_gets_into_a_prior(toy):
    p2p("estimate", toy.folder / "logits.npy", "--counts", toy.folder / "counts.npy", "-o", "x.json",
        cwd=toy.folder)  # fmt: skip
    text = (toy.folder / "x.json").read_text()
    assert str(toy.folder) not in text and str(SOURCE) not in text


IDLE = {
    "--many": (["evaluate", "logits.npy", "--labels", "labels.npy", "--many", "50"], "training counts"),
    "--ignore-index": (["estimate", "logits.npy", "-o", "x.json", "--ignore-index", "9"], "labels"),
    "--input": (["inspect", "prior.json", "--input", "logits"], "--scores"),
    "--few": (["sweep", "logits.npy", "--labels", "labels.npy", "--prior", "none.json", "--few", "5"],
              "training counts"),
    "--rounds": (["head", "logits.npy", "--labels", "labels.npy", "-o", "x.safetensors", "--rounds", "3",
                  "--epochs", "1"], "priority-reweighing"),
    "--second": (["correct", "logits.npy", "--prior", "prior.json", "-o", "x.npy", "--second",
                  "logits.npy"], "--method p2p"),
}  # fmt: skip


@pytest.mark.parametrize("option", IDLE)
def test_an_option_that_means_nothing_here_is_said(toy, prior, option):
    estimate("logits.npy", output="none.json", cwd=toy.folder)  # a prior without counts
    args, why = IDLE[option]
    outcome = attempt(*args, cwd=toy.folder)
    assert outcome.code == 0, outcome
    said = [line for line in outcome.err.splitlines() if "warning" in line and option in line]
    assert len(said) == 1 and why in said[0], outcome
