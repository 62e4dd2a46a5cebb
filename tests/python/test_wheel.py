"""The wheel needs NumPy and the C library only, and is fast to import."""

import os
import pathlib
import shutil
import subprocess
import sys
import venv
import zipfile

import pytest
from conftest import SOURCE

PYTHON = pathlib.Path(sys.executable)
WHEELS = sorted((SOURCE / "build/wheel").glob("prior2posterior-*.whl"))


@pytest.fixture(scope="module")
def clean_python(tmp_path_factory):
    """A new environment with nothing but the wheel and NumPy."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--retries", "2"]
    subprocess.run([*pip, WHEELS[0]], check=True)
    return python


def run(python, script):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    # In the folder of the environment, where no folder is called like a library.
    return subprocess.run(
        [python, "-c", script], cwd=python.parent, capture_output=True, text=True, env=environment
    )


def test_it_installs_beside_numpy_alone(clean_python):
    script = """
import numpy as np, prior2posterior as p2p, importlib.metadata as metadata
found = {d.metadata["Name"] for d in metadata.distributions()} - {"pip", "setuptools"}
assert found == {"numpy", "prior2posterior"}, found
z = np.random.default_rng(0).normal(size=(5000, 10)).astype(np.float32)
prior = p2p.estimate_prior(z)
print(p2p.correct(z, prior).shape, p2p.__version__ == metadata.version("prior2posterior"))
"""
    result = run(clean_python, script)
    assert result.stdout == "(5000, 10) True\n", result.stderr


@pytest.mark.parametrize(
    ("module", "words"),
    [("sklearn", "pip install scikit-learn"), ("torch", "pip install torch")],
)
def test_parts_for_libraries_that_are_not_there_say_so(clean_python, module, words):
    result = run(clean_python, f"import prior2posterior.{module}")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("ImportError: ")
    assert words in result.stderr.splitlines()[-1]


def test_it_loads_no_other_library_by_itself():
    script = """
import sys, numpy
before = set(sys.modules)
import prior2posterior
heavy = {"torch", "sklearn", "pandas", "polars", "pyarrow", "scipy", "jax", "dask"}
print(sorted(heavy & set(sys.modules)))
"""
    assert run(PYTHON, script).stdout == "[]\n"


def test_its_share_of_the_import_time_is_below_150_ms():
    # Processor time, which other programs do not lengthen.
    script = """
import time, numpy
begin = time.process_time()
import prior2posterior
print(time.process_time() - begin)
"""
    seconds = sorted(float(run(PYTHON, script).stdout) for _ in range(5))
    assert seconds[0] < 0.150


def test_it_holds_what_it_should_and_nothing_else():
    names = zipfile.ZipFile(WHEELS[0]).namelist()
    tops = {name.split("/")[0] for name in names}
    assert all(top.startswith("prior2posterior") for top in tops)
    assert {"prior2posterior/py.typed", "prior2posterior/_core.pyi"} <= set(names)
    licenses = " ".join(name for name in names if "/licenses/" in name)
    for notice in ("LICENSE", "libfmt-dev", "libhwy-dev", "nlohmann-json3-dev", "nanobind"):
        assert notice in licenses
    assert not [name for name in names if name.endswith((".hpp", ".cpp", ".a"))]


def test_a_source_build_without_libraries_names_the_packages(tmp_path):
    cmake = shutil.which("cmake")
    result = subprocess.run(
        [cmake, "-G", "Ninja", "-S", SOURCE, "-B", tmp_path, "-DCMAKE_DISABLE_FIND_PACKAGE_hwy=ON",
         "-DCMAKE_DISABLE_FIND_PACKAGE_fmt=ON", "-DP2P_BUILD_CLI=OFF"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode != 0
    words = " ".join(result.stderr.split())
    assert "fmt, Highway" in words
    assert "apt install libfmt-dev libhwy-dev" in words
