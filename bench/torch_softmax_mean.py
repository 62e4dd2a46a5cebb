#!/usr/bin/env python3
"""Rate of torch.softmax(x, 1).mean(0) as JSON lines: {"classes", "dtype", "threads", "gb_per_s"}.

Prints nothing, with success, where PyTorch is not installed.
"""

import json
import os
import sys
import time

try:
    import torch
except ImportError:
    print("python3-torch is not installed: no comparison with PyTorch", file=sys.stderr)
    sys.exit(0)


def main():
    threads = int(os.environ.get("P2P_BENCH_THREADS", "2"))
    size = int(os.environ.get("P2P_BENCH_MIB", "1024")) << 20
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    for dtype in (torch.float32, torch.float16):
        for classes in (10, 100, 1000, 8142):
            rows = size // (classes * torch.empty(0, dtype=dtype).element_size())
            scores = torch.empty(rows, classes, dtype=dtype)
            scores.copy_(torch.randn(1, classes) * 3)
            try:
                start = time.perf_counter()
                torch.softmax(scores, 1).mean(0)
                elapsed = time.perf_counter() - start
            except RuntimeError as error:
                print(f"PyTorch {torch.__version__}, {dtype}: {error}", file=sys.stderr)
                break
            rate = rows * classes * scores.element_size() / elapsed * 1e-9
            print(json.dumps({"classes": classes, "dtype": str(dtype).split(".")[1],
                              "threads": threads, "gb_per_s": rate,
                              "version": torch.__version__}), flush=True)


if __name__ == "__main__":
    main()
