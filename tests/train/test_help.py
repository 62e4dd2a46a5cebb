"""What p2p train, score and data say of themselves."""

import json
import re

import pytest
from tiny_images import p2p

OPTIONS = {
    "train": "--data --imbalance --profile --network --loss --mixup --label-smoothing --augment --cosine-head "
    "--epochs --batch --lr --schedule --weight-decay --no-bias-decay --holdout --seed --device --bf16 --resume -o "
    "--resize --skip-bad --weights --features --momentum --threads",
    "score": "--data -o --part --labels --features --mean --std --resize --skip-bad --batch --device --bf16 --threads",
    "data": "--from",
}


@pytest.mark.parametrize("verb", OPTIONS)
def test_help_names_every_promised_option(verb):
    text = p2p(verb, "--help").out
    for option in OPTIONS[verb].split() + "--json --quiet --version --help".split():
        assert re.search(rf"^  ([-\w]+,)?{option}\b", text, re.M), option


@pytest.mark.parametrize("verb", OPTIONS)
def test_help_ends_with_two_examples(verb):
    text = p2p(verb, "--help").out
    assert f"Usage: p2p {verb}" in text
    found = [line.strip() for line in text.partition("Examples:\n")[2].splitlines() if line.strip()]
    assert len(found) == 2
    assert all(line.startswith("p2p ") for line in found)


@pytest.mark.parametrize("verb", OPTIONS)
def test_help_fits_ninety_columns_but_for_the_examples(verb):
    for line in p2p(verb, "--help").out.partition("Examples:")[0].splitlines():
        assert len(line) <= 90, line


@pytest.mark.parametrize("verb", OPTIONS)
def test_version_names_libtorch(verb):
    assert re.fullmatch(r"\d+\.\d+\.\d+ \(LibTorch \d+\.\d+.*\)\n", p2p(verb, "--version").out)


def test_json_of_train_is_the_record_of_the_run(place):
    outcome = p2p(*place.words("--epochs", 1, "--json", "--quiet"), cwd=place.folder)
    assert json.loads(outcome.out) == place.run().record
    assert outcome.err == ""


def test_json_of_score_names_output_rows_and_classes(place):
    place.train("--epochs", 1)
    outcome = place.p2p("score", "run/model.safetensors", "--data", "data", "-o", "s.npy", "--json", "--quiet")
    assert json.loads(outcome.out) == {"model": "run/model.safetensors", "output": "s.npy", "n_rows": 18,
                                       "n_classes": 3, "skipped": []}  # fmt: skip
