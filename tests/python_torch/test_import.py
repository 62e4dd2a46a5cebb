"""What importing the package brings in."""

import subprocess
import sys


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_the_package_alone_does_not_import_pytorch():
    code = "import sys, prior2posterior; print('torch' in sys.modules)"
    assert run(code).stdout.strip() == "False"


def test_the_module_torch_of_the_package_does_not_hide_pytorch():
    code = "import prior2posterior.torch as t, torch; print(t.torch is torch, torch.__version__[0])"
    assert run(code).stdout.split()[0] == "True"
