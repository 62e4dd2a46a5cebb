"""p2p head: the last layer, retrained on cached features; and features in place of scores."""

import json
import re
import struct
import subprocess

import numpy as np
import pytest
from harness import COMMAND, SOURCE, attempt, estimate, p2p, sentence


@pytest.fixture
def cached(tmp_path):
    """Features of a long-tailed training set and of a balanced test set."""

    class Cached:
        folder = tmp_path
        counts = np.array([600, 120, 25, 6])

    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 16))
    labels = np.repeat(np.arange(4), Cached.counts)
    test = np.repeat(np.arange(4), 200)
    for name, y in (("train", labels), ("test", test)):
        x = centres[y] + rng.normal(0, 1.3, (len(y), 16))
        np.save(tmp_path / f"{name}.npy", x.astype(np.float32))
        np.save(tmp_path / f"{name}_y.npy", y)
    np.save(tmp_path / "counts.npy", Cached.counts)
    return Cached


def read_tensors(path):
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    return {
        name: np.frombuffer(raw[8 + length + info["data_offsets"][0] :][: info["data_offsets"][1]
                            - info["data_offsets"][0]], "<f4").reshape(info["shape"])
        for name, info in header.items()
    }


def head(cached, *args, output="head.safetensors"):
    report = p2p("head", "train.npy", "--labels", "train_y.npy", "-o", output, "--json", *args,
                 cwd=cached.folder).json
    return report, read_tensors(cached.folder / output)


def recalls(cached, name):
    report = p2p("evaluate", "test.npy", "--head", name, "--labels", "test_y.npy", "--counts",
                 "counts.npy", "--json", cwd=cached.folder).json
    return report["accuracy"], report["worst_recall"]


def test_a_head_has_weights_a_bias_and_a_falling_loss(cached):
    report, tensors = head(cached)
    assert tensors["weight"].shape == (4, 16)
    assert tensors["bias"].shape == (4,)
    assert report["n_classes"] == 4
    assert report["losses"][-1] < report["losses"][0]
    assert report["rows"] == cached.counts.tolist()


def test_scores_are_those_of_the_head(cached):
    _, tensors = head(cached, "--scores", "z.npy")
    x = np.load(cached.folder / "train.npy").astype(np.float64)
    expected = x @ tensors["weight"].T + tensors["bias"]
    np.testing.assert_allclose(np.load(cached.folder / "z.npy"), expected, atol=1e-4)


def test_features_and_a_head_give_the_prior_of_their_scores(cached):
    head(cached, "--scores", "z.npy")
    stored = estimate("z.npy", "--counts", "counts.npy", cwd=cached.folder)
    computed = estimate("train.npy", "--head", "head.safetensors", "--counts", "counts.npy",
                        cwd=cached.folder)
    np.testing.assert_allclose(computed["effective"], stored["effective"], rtol=1e-6)


def test_features_are_corrected_and_evaluated_like_scores(cached):
    head(cached)
    estimate("train.npy", "--head", "head.safetensors", "--counts", "counts.npy", cwd=cached.folder)
    p2p("correct", "test.npy", "--head", "head.safetensors", "--prior", "prior.json", "-o", "c.npy",
        cwd=cached.folder)
    assert np.load(cached.folder / "c.npy").shape == (800, 4)
    corrected = p2p("evaluate", "c.npy", "--labels", "test_y.npy", "--json", cwd=cached.folder).json
    assert corrected["accuracy"] > recalls(cached, "head.safetensors")[0] + 0.05


@pytest.mark.parametrize("method", ["crt", "priority-reweighing", "lws", "tau-norm:1"])
def test_methods_for_long_tails_help_the_rare_classes(cached, method):
    head(cached)
    plain = recalls(cached, "head.safetensors")
    start = ["--head", "head.safetensors"] if method[:3] in ("lws", "tau") else []
    head(cached, "--method", method, *start, output="new.safetensors")
    assert recalls(cached, "new.safetensors")[1] > plain[1]


def test_lort_makes_the_margins_alike(cached):
    plain, _ = head(cached)
    smooth, _ = head(cached, "--method", "lort", "--lr", "0.05")
    spread = lambda report: max(report["logits_magnitude"]) / min(report["logits_magnitude"])  # noqa: E731
    assert spread(smooth) < spread(plain)


def test_the_same_seed_gives_the_same_file_on_any_number_of_threads(cached):
    for threads in (1, 2):
        head(cached, "--threads", threads, output=f"{threads}.safetensors")
    one, two = ((cached.folder / f"{n}.safetensors").read_bytes() for n in (1, 2))
    assert one == two
    head(cached, "--seed", "5", output="3.safetensors")
    assert (cached.folder / "3.safetensors").read_bytes() != one


def test_the_table_names_the_classes(cached):
    (cached.folder / "names.txt").write_text("ant\nbee\ncat\ndog\n")
    out = p2p("head", "train.npy", "--labels", "train_y.npy", "--classes", "names.txt", "-o",
              "h.safetensors", "--quiet", cwd=cached.folder).out
    assert [line.split()[0] for line in out.splitlines()[-4:]] == ["ant", "bee", "cat", "dog"]


def test_the_commands_of_the_document_run(cached):
    text = (SOURCE / "docs/heads.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    for ours, theirs in (("train", "features"), ("train_y", "labels"), ("test", "test_features")):
        (cached.folder / f"{ours}.npy").rename(cached.folder / f"{theirs}.npy")
    (cached.folder / "p2p").symlink_to(COMMAND)
    subprocess.run(["bash", "-e", "-c", f"PATH=$PWD:$PATH; {script}"], cwd=cached.folder, check=True)
    assert np.load(cached.folder / "corrected.npy").shape == (800, 4)


BAD = {
    "an unknown method": (["--method", "magic"], 2, "magic"),
    "a number where none goes": (["--method", "crt:2"], 2, "tau-norm:TAU"),
    "no head for tau-norm": (["--method", "tau-norm"], 2, "--head"),
    "an output of another kind": (["-o", "head.npy"], 2, ".safetensors"),
    "labels of another length": (["--labels", "test_y.npy"], 3, "labels"),
    "a smoothing beyond 1": (["--method", "lort:1"], 2, "[0, 1)"),
    "a rate that explodes": (["--lr", "1e300"], 3, "not finite in step"),
    "a label that is no class": (["--labels", "wild.npy"], 3, "--ignore-index 1000000000000"),
    "names of another number": (["--head", "head.safetensors", "--classes", "names.txt"], 3, "names 2"),
    "the input as output": (["--scores", "train.npy"], 3, "train.npy"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_trained_is_refused_and_nothing_is_left(cached, case):
    arguments, code, words = BAD[case]
    head(cached)
    (cached.folder / "names.txt").write_text("ant\nbee\n")
    np.save(cached.folder / "wild.npy", np.where(np.arange(751) == 3, 10**12, 0))
    before = sorted(path.name for path in cached.folder.iterdir())
    defaults = ["--labels", "train_y.npy"] if "--labels" not in arguments else []
    out = ["-o", "h.safetensors"] if "-o" not in arguments else []
    outcome = attempt("head", "train.npy", *defaults, *out, *arguments, cwd=cached.folder)
    assert outcome.code == code, outcome
    assert words in sentence(outcome)
    assert sorted(path.name for path in cached.folder.iterdir()) == before


def test_features_of_another_width_are_refused(cached):
    head(cached)
    np.save(cached.folder / "x.npy", np.zeros((5, 3), np.float32))
    outcome = attempt("estimate", "x.npy", "--head", "head.safetensors", "-o", "p.json",
                      cwd=cached.folder)
    assert outcome.code == 3
    assert "width 3" in sentence(outcome)


def test_the_head_is_never_overwritten(cached):
    head(cached)
    before = (cached.folder / "head.safetensors").read_bytes()
    outcome = attempt("estimate", "train.npy", "--head", "head.safetensors", "-o",
                      "head.safetensors", cwd=cached.folder)
    assert outcome.code == 3
    assert (cached.folder / "head.safetensors").read_bytes() == before


def test_scores_of_a_second_model_are_scores(cached):
    head(cached, "--scores", "z.npy")
    p2p("estimate", "train.npy", "--head", "head.safetensors", "--counts", "counts.npy", "-o",
        "p.json", cwd=cached.folder)
    rows = ["--holdout", "train.npy", "--holdout-labels", "train_y.npy", "--holdout-second", "z.npy"]
    p2p("correct", "train.npy", "--head", "head.safetensors", "--prior", "p.json", "--method", "gla",
        *rows, "--second", "z.npy", "-o", "c.npy", cwd=cached.folder)
    assert np.load(cached.folder / "c.npy").shape == (751, 4)
