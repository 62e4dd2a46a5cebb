"""matrix.py FACE SEED... | FACE SEED:INDEX: runs cases and prints what differs from the oracle."""

import collections
import sys
import tempfile
import traceback

from case import Case, combinations
from compare import differences
from faces import Command, Python


def run_case(face, case):
    """The differences of one case, and a word on what was not compared."""
    try:
        if face == "python":
            return differences(case, Python(case))
        with tempfile.TemporaryDirectory() as folder:
            return differences(case, Command(case, folder))
    except Exception:
        return [traceback.format_exc()], None


def run(face, which):
    """All cases of a seed, or the one of SEED:INDEX: count, tally, differences as text."""
    seed, _, index = which.partition(":")
    chosen = list(enumerate(combinations(int(seed))))
    if index:
        chosen = [chosen[int(index)]]
    tally, wrong = collections.Counter(), []
    for i, options in chosen:
        case = Case(int(seed), i, options)
        found, word = run_case(face, case)
        tally[word or "compared"] += 1
        if found:
            wrong.append(
                f"{case}\n  "
                + "\n  ".join(found)
                + f"\n  again: scripts/option-matrix {face} {seed}:{i}"
            )
    return len(chosen), tally, wrong


if __name__ == "__main__":
    failures = 0
    for seed in sys.argv[2:]:
        number, words, wrong = run(sys.argv[1], seed)
        failures += len(wrong)
        print(
            "\n".join(
                [
                    *wrong,
                    f"seed {seed}: {number} cases, {len(wrong)} differ; {dict(words)}",
                ]
            ),
            flush=True,
        )
    sys.exit(failures > 0)
