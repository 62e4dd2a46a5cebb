"""The count that ./test ends with."""

import os
import pathlib
import subprocess

import pytest

SOURCE = pathlib.Path(os.environ["P2P_SOURCE_DIR"])
PASSED = '<testcase name="a &quot;b&quot;" time="0" status="run">'
FAILED = '<testcase name="c" time="0" status="fail">'
NOT_RUN = '<testcase name="d" status="notrun">\n\t\t<skipped message="Fixture dependency failed"/>'
SKIPPED = '<testcase name="e" status="notrun">\n\t\t<skipped message="SKIP_RETURN_CODE=77"/>'
DISABLED = '<testcase name="f" status="disabled">\n\t\t<skipped message="Disabled"/>'


@pytest.mark.parametrize(
    "cases, line, status",
    [
        ([PASSED, PASSED], "2 passed, 0 failed", 0),
        ([PASSED, SKIPPED, DISABLED], "1 passed, 0 failed, 2 skipped", 0),
        ([PASSED, FAILED, SKIPPED], "1 passed, 1 failed, 1 skipped", 1),
        ([PASSED, NOT_RUN], "1 passed, 1 failed", 1),
        ([], "0 passed, 0 failed", 1),
    ],
)
def test_the_count(tmp_path, cases, line, status):
    results = tmp_path / "results.xml"
    body = "".join(f"\t{case}\n\t\t<system-out></system-out>\n\t</testcase>\n" for case in cases)
    results.write_text(f'<testsuite name="(empty)"\n\ttests="0"\n\t>\n{body}</testsuite>\n')
    result = subprocess.run(
        [SOURCE / "scripts/count-tests", results], capture_output=True, text=True
    )
    assert (result.stdout, result.returncode) == (line + "\n", status)
