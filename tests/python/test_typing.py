"""Types, stubs and docstrings: what editors and help() show."""

import inspect
import pydoc
import subprocess
import sys

import prior2posterior as p2p
import prior2posterior.sklearn
import pytest
from conftest import SOURCE

USER_SCRIPT = """
from pathlib import Path

import numpy as np
import prior2posterior as p2p
from numpy.typing import NDArray
from prior2posterior.sklearn import PriorCorrectedClassifier, PriorCorrector
from prior2posterior.torch import EffectivePrior, LogitAdjustedLoss, PriorCorrection


def use(logits: NDArray[np.float32], labels: NDArray[np.int64], counts: list[int]) -> float:
    prior: p2p.ClassPrior = p2p.estimate_prior(logits, counts=counts, trained_with="la:1")
    total = sum([p2p.PosteriorSum(counts=counts).update(logits)], p2p.PosteriorSum())
    q: NDArray[np.float64] = prior.effective
    names: list[str] | None = total.compute().classes
    correction: p2p.Correction = p2p.make_correction(prior, method="auto", holdout=logits)
    corrected: NDArray[np.float32] = p2p.correct(logits, correction)
    metrics: p2p.Metrics = p2p.evaluate(corrected, labels, counts=prior)
    few: float | None = metrics.few
    inspection: p2p.Inspection = p2p.inspect(prior)
    p2p.save(prior, Path("prior.json"))
    text: str = p2p.load_prior("prior.json").to_json() + inspection.gap
    print(q.sum(), names, few, text, PriorCorrector().fit(logits).transform(logits))
    return metrics.accuracy
"""


def mypy(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", SOURCE / "pyproject.toml",
         "--cache-dir", "/dev/null", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_a_script_that_uses_the_package_is_typed(tmp_path):
    (tmp_path / "script.py").write_text(USER_SCRIPT)
    result = mypy(tmp_path, "script.py")
    assert result.returncode == 0, result.stdout
    (tmp_path / "script.py").write_text(
        USER_SCRIPT.replace("few: float | None", "few: str").replace('trained_with="la:1"', "tau=1")
    )
    result = mypy(tmp_path, "script.py")
    assert 'Incompatible types in assignment (expression has type "float | None"' in result.stdout
    assert 'Unexpected keyword argument "tau"' in result.stdout


def test_the_package_itself_is_typed(tmp_path):
    result = mypy(tmp_path, "-p", "prior2posterior")
    assert result.returncode == 0, result.stdout


def test_the_stub_is_that_of_the_compiled_module(tmp_path):
    subprocess.run(
        [sys.executable, SOURCE / "scripts/make-stubs", tmp_path / "_core.pyi"], check=True
    )
    expected = (SOURCE / "python/prior2posterior/_core.pyi").read_text()
    assert (tmp_path / "_core.pyi").read_text() == expected, "run scripts/make-stubs"


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_ruff_has_nothing_to_say(command):
    result = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--no-cache", "python", "tests/python",
         "tests/python_torch", "examples", "study", "tests/study"],
        cwd=SOURCE, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout


FUNCTIONS = [
    name for name in p2p.__all__ if inspect.isfunction(getattr(p2p, name)) and name != "methods"
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_of_every_function_is_described(name):
    function = getattr(p2p, name)
    text = inspect.getdoc(function)
    for section in ("Parameters\n----------", "Raises\n------"):
        assert section in text
    described = text.split("Parameters\n")[1].split("Raises\n")[0]
    for parameter in inspect.signature(function).parameters.values():
        assert parameter.name in described, parameter.name


def test_help_reads_like_a_page():
    page = pydoc.plain(pydoc.render_doc(p2p))
    assert page.index("Measure the prior") < page.index("estimate_prior(train_logits")
    for name in p2p.__all__:
        assert name.startswith("__") or name in page
    for private in ("_core.Scores", "_options(", "as_rows"):
        assert private not in page


def test_nothing_is_printed(toy, capfd):
    prior = p2p.estimate_prior(toy.logits, counts=toy.counts)
    p2p.correct(toy.logits, prior)
    p2p.evaluate(toy.logits, toy.labels, counts=prior)
    assert capfd.readouterr() == ("", "")
