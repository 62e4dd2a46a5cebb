"""What the command prints, kept as files: runs the cases, compares, and rewrites on request.

All cases run one after the other in one folder, on the shipped sample and the scalar target, so
that nothing depends on the processor."""

import json
import math
import os
import pathlib
import re
import shlex
import subprocess

SOURCE = pathlib.Path(os.environ.get("P2P_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
COMMAND = os.environ.get("P2P_COMMAND", str(SOURCE / "build" / "p2p"))
EXPECTED = pathlib.Path(__file__).parent / "expected"
DIGITS = 9

SAMPLE = "data/cifar10-lt100-resnet20-ce-mixup.npz"
MODEL = "data/stand-in-head.onnx"
TRAIN = f"{SAMPLE}:train_logits --counts {SAMPLE}:counts"
TEST = f"{SAMPLE}:test_logits"
LABELS = f"--labels {SAMPLE}:test_labels"
COMPARED = f"--train {TRAIN} --test {TEST} --test-labels {SAMPLE}:test_labels"

# name -> arguments. The ending says what is kept: .txt both streams, .json standard output alone.
CASES = {
    "help.txt": "--help",
    "help-estimate.txt": "estimate --help",
    "help-merge.txt": "merge --help",
    "help-inspect.txt": "inspect --help",
    "help-correct.txt": "correct --help",
    "help-evaluate.txt": "evaluate --help",
    "help-compare.txt": "compare --help",
    "help-sweep.txt": "sweep --help",
    "help-track.txt": "track --help",
    "help-bake.txt": "bake --help",
    "help-unbake.txt": "unbake --help",
    "help-show.txt": "show --help",
    "help-head.txt": "head --help",
    "estimate.txt": f"estimate {TRAIN} -o prior.json",
    "prior.json": f"estimate {TRAIN} -o - --quiet",
    "estimate.json": f"estimate {TRAIN} -o prior.json --json",
    "estimate-part.json": f"estimate {TRAIN} --part 2/3 -o two.json --json",
    "estimate-held-out.txt": f"estimate {TEST} {LABELS} --counts {SAMPLE}:counts --rows holdout -o held-out.json",
    "estimate-mismatch.txt": f"estimate {TEST} --counts {SAMPLE}:counts -o mismatch.json",
    "merge.txt": "merge two.json -o merged.json",
    "merge.json": "merge two.json -o merged.json --json",
    "inspect.txt": "inspect prior.json",
    "inspect.json": "inspect prior.json --json",
    "inspect-balance.txt": f"inspect prior.json --scores {TEST} {LABELS}",
    "inspect-balance.json": f"inspect prior.json --scores {TEST} {LABELS} --json",
    "inspect-part.txt": "inspect two.json",
    "inspect-unlabelled.txt": f"inspect prior.json --unlabelled {TEST}",
    "inspect-held-out.txt": f"inspect prior.json --unlabelled {SAMPLE}:train_logits --holdout {TEST} "
    f"--holdout-labels {SAMPLE}:test_labels",
    "correct.txt": f"correct {TEST} --prior prior.json -o corrected.npy",
    "correct.json": f"correct {TEST} --prior prior.json -o corrected.npy --json",
    "correct-empirical.json": f"correct {TEST} --prior prior.json --method empirical --tau 0.5 "
    "--strength 0.8 --target empirical --output probs -o empirical.npy --json",
    "evaluate.txt": f"evaluate corrected.npy {LABELS} --counts {SAMPLE}:counts",
    "evaluate.json": f"evaluate corrected.npy {LABELS} --counts {SAMPLE}:counts --json",
    "evaluate-bootstrap.txt": f"evaluate corrected.npy {LABELS} --counts {SAMPLE}:counts --bootstrap 50",
    "evaluate-bootstrap.json": f"evaluate corrected.npy {LABELS} --prior prior.json --bootstrap 50 --json",
    "compare.txt": f"compare {COMPARED} --methods none,empirical,bbse --bootstrap 50",
    "compare.json": f"compare {COMPARED} --methods none,empirical,bbse --bootstrap 50 --json",
    "sweep.txt": f"sweep {TEST} {LABELS} --prior prior.json --strengths 0,0.5,1 --targets 2",
    "sweep.json": f"sweep {TEST} {LABELS} --prior prior.json --strengths 0.5,1 --targets 1 --json",
    "show.txt": f"show {MODEL}",
    "show.json": f"show {MODEL} --json",
    "bake-dry-run.txt": f"bake {MODEL} --prior prior.json --dry-run",
    "bake.txt": f"bake {MODEL} --prior prior.json -o baked.onnx",
    "bake.json": f"bake {MODEL} --prior prior.json --mode add -o added.onnx --json",
    "show-baked.txt": "show baked.onnx",
    "show-baked.json": "show added.onnx --json",
    "unbake.txt": "unbake baked.onnx -o back.onnx",
    "error-baked-twice.txt": "bake baked.onnx --prior prior.json -o again.onnx",
    "error-model.txt": f"bake {SAMPLE} --prior prior.json -o baked.onnx",
    "error-no-verb.txt": "",
    "error-no-prior.txt": f"correct {TEST} -o corrected.npy",
    "error-method.txt": f"correct {TEST} --prior prior.json --method magic -o corrected.npy",
    "error-no-file.txt": "estimate no.npy -o prior.json",
    "error-members.txt": f"estimate {SAMPLE} -o prior.json",
    "error-labels.txt": f"evaluate {TEST} --labels {SAMPLE}:train_labels",
    "error-twice.txt": "merge two.json two.json -o merged.json",
    "error-counts.txt": f"estimate {TRAIN}_ -o prior.json",
}


def run_all(folder):
    """name -> what is printed, for every case."""
    link = pathlib.Path(folder) / "data"
    if not link.exists():
        link.symlink_to(SOURCE / "data")
    return {name: run(name, folder) for name in CASES}


def run(name, folder):
    process = subprocess.run(
        [COMMAND, *shlex.split(CASES[name])],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "P2P_FORCE_TARGET": "scalar", "LC_ALL": "C"},
    )
    printed = without_seconds(process.stdout) if name.startswith("compare.") else process.stdout
    if name.startswith(("bake", "show")):
        # The digest of prior.json, whose last digits may be those of another compiler.
        printed = re.sub(r"\b[0-9a-f]{64}\b", "<sha256>", printed)
    if name.endswith(".json"):
        assert process.returncode == 0, process.stderr
        return printed
    text = f"$ p2p {CASES[name]}".rstrip() + "\n" + printed
    if process.stderr:
        text += f"--- stderr\n{process.stderr}"
    if process.returncode:
        text += f"--- exit {process.returncode}\n"
    # How many blank lines part the sections of a help text is a matter of the CLI11 release.
    return "".join(
        line + "\n" for line in text.splitlines() if line.strip() or "--help" not in CASES[name]
    )


def without_seconds(text):
    """Times differ from run to run: 0 in their place."""
    text = re.sub(r"\b\d+\.\d{3}$", "0.000", text, flags=re.M)
    return re.sub(r'(seconds": )[-+.e\d]+', r"\g<1>0.0", text)


def same(a, b):
    """Equal JSON values, keys in the same order, numbers to 9 significant digits."""
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) or isinstance(b, float):
        return math.isclose(a, b, rel_tol=10.0**-DIGITS, abs_tol=1e-15)
    return a == b and type(a) is type(b)


def agrees(name, found):
    path = EXPECTED / name
    if not path.exists():
        return False
    expected = path.read_text()
    return (
        same(json.loads(expected), json.loads(found))
        if name.endswith(".json")
        else found == expected
    )
