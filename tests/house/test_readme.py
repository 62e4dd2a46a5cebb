"""README.md: its ```sh blocks run as pasted, its table is what ./demo prints, its C++ compiles."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(os.environ["P2P_SOURCE_DIR"])
COMMAND = os.environ["P2P_COMMAND"]
README = (SOURCE / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def run(script, folder):
    result = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "P2P_COMMAND": COMMAND},
    )
    assert result.returncode == 0, f"{script}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture
def checkout(tmp_path):
    """What the commands of the README need of a checkout in which ./demo has built the command."""
    (tmp_path / "build").mkdir()
    (tmp_path / "build/p2p").symlink_to(COMMAND)
    (tmp_path / "data").symlink_to(SOURCE / "data")
    shutil.copy(SOURCE / "demo", tmp_path)
    return tmp_path


def table_rows(text):
    return re.findall(r"^(?:correction|none|empirical|p2p) .*$", text, re.MULTILINE)


def test_the_demo_prints_the_table(checkout):
    printed = table_rows(run("./demo", checkout))
    assert len(printed) == 4
    assert printed == table_rows(blocks("text")[0])


def test_every_shell_block_runs_as_pasted(checkout):
    scripts = blocks("sh")
    assert len(scripts) >= 3
    run("".join(scripts), checkout)
    assert (checkout / "corrected.npy").exists()


def test_the_program_is_the_example_that_the_install_tests_build():
    assert blocks("cpp") == [(SOURCE / "examples/in_memory.cpp").read_text(encoding="utf-8")]


def test_every_link_leads_to_a_file():
    for document in [
        SOURCE / name
        for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
    ] + list(SOURCE.glob("docs/**/*.md")):
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name} links to {target}"
