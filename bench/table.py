#!/usr/bin/env python3
"""Markdown table of medians and spreads from the rounds of bench/run.

usage: table.py FOLDER, which holds kernels-*.json (Google Benchmark) and torch-*.jsonl.
"""

import json
import pathlib
import statistics
import sys


def spread(values, digits):
    return (f"{statistics.median(values):.{digits}f} "
            f"[{min(values):.{digits}f}, {max(values):.{digits}f}]")


def main():
    folder = pathlib.Path(sys.argv[1])
    kernels, torch, target, version = {}, {}, "", ""
    for path in sorted(folder.glob("kernels-*.json")):
        report = json.loads(path.read_text())
        target = report["context"].get("p2p_target", "")
        for run in report["benchmarks"]:
            if run.get("run_type") != "iteration":
                continue
            fields = dict(part.split(":") for part in run["name"].split("/") if ":" in part)
            key = (run["name"].split("/")[1], int(fields["classes"]), int(fields["threads"]))
            kernels.setdefault(key, []).append(run)
    for path in sorted(folder.glob("torch-*.jsonl")):
        for line in path.read_text().splitlines():
            run = json.loads(line)
            version = run["version"]
            key = (run["dtype"], run["classes"], run["threads"])
            torch.setdefault(key, []).append(run["gb_per_s"])

    rounds = max((len(runs) for runs in kernels.values()), default=0)
    print(f"Median [lowest, highest] of {rounds} interleaved runs; instruction set {target}"
          + (f"; PyTorch {version}." if version else "; PyTorch not installed."))
    print()
    print("| type | classes | threads | read GB/s | softmax_sum GB/s | fraction of read "
          "| PyTorch GB/s | times PyTorch |")
    print("|---|---|---|---|---|---|---|---|")
    for key, runs in kernels.items():
        rate = [run["GB/s"] for run in runs]
        cells = [*map(str, key), spread([run["read_GB/s"] for run in runs], 1), spread(rate, 1),
                 spread([run["fraction"] for run in runs], 2)]
        if key in torch:
            ratio = statistics.median(rate) / statistics.median(torch[key])
            cells += [spread(torch[key], 2), f"{ratio:.1f}"]
        else:
            cells += ["-", "-"]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
