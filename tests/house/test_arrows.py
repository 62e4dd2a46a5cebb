"""The include arrows hold, and the script that says so can say otherwise."""

import os
import pathlib
import subprocess

import pytest

SOURCE = pathlib.Path(os.environ["P2P_SOURCE_DIR"])


def check_arrows(root):
    return subprocess.run([SOURCE / "scripts/check-arrows", root], capture_output=True, text=True)


def test_the_tree_keeps_its_arrows():
    result = check_arrows(SOURCE)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    "path, text",
    [
        ("include/p2p/a.hpp", "#include <nlohmann/json.hpp>\n"),
        ("include/p2p/a.hpp", '#include "core/parallel.hpp"\n'),
        ("src/core/a.cpp", "#include <fmt/format.h>\n"),
        ("src/core/a.cpp", '#include "kernels/kernels.hpp"\n'),
        ("src/io/a.cpp", '#include "prior/estimate.hpp"\n'),
        ("src/prior/a.cpp", "#include <hwy/highway.h>\n"),
        ("src/metrics/a.cpp", "#include <iostream>\n"),
        ("src/metrics/a.cpp", 'void f() { std::printf("x"); }\n'),
        ("src/io/a.cpp", "void f() { std::exit(1); }\n"),
        ("src/report/a.cpp", '#include "metrics/row_plan.hpp"\n'),
        ("cli/a.cpp", '#include "io/file.hpp"\n'),
        ("src/model/a.cpp", "#include <torch/script.h>\n"),
        ("cli/a.cpp", "#include <ATen/ATen.h>\n"),
        ("torch/a.cpp", '#include "prior/estimate.hpp"\n'),
        ("src/new_room/a.cpp", "\n"),
    ],
)
def test_a_planted_violation_is_found(tmp_path, path, text):
    planted = tmp_path / path
    planted.parent.mkdir(parents=True)
    planted.write_text(text)
    result = check_arrows(tmp_path)
    assert result.returncode == 1
    assert path in result.stdout


def test_comments_and_formatting_into_memory_are_no_violation(tmp_path):
    source = tmp_path / "src/io/a.cpp"
    source.parent.mkdir(parents=True)
    source.write_text(
        '#include <cstdio>\n// exit(1)\nint f(char* b) { return std::snprintf(b, 1, "exit(1)"); }\n'
    )
    result = check_arrows(tmp_path)
    assert result.returncode == 0, result.stdout
