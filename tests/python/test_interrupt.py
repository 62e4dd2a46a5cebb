"""Ctrl-C ends long calls, and other threads go on meanwhile."""

import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import prior2posterior as p2p
import pytest

CALLS = {
    "one pass after the other": "while True: p2p.correct(z, prior, output='probs', out=out)",
    "one long pass": "p2p.estimate_prior(np.broadcast_to(z[0], (10**10, 200)), input='logits')",
    "a bootstrap": "p2p.evaluate(z, y, bootstrap=1000000)",
    "a loop over batches": "while True: total.update(z[:100])",
}


@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c(call):
    script = f"""
        import numpy as np, prior2posterior as p2p
        rng = np.random.default_rng(0)
        z = rng.normal(size=(60000, 200)).astype(np.float32)
        y = rng.integers(0, 200, 60000)
        out = np.empty_like(z)
        prior = p2p.estimate_prior(z)
        total = p2p.PosteriorSum()
        print("ready", flush=True)
        try:
            {CALLS[call]}
        except KeyboardInterrupt:
            print("interrupted", p2p.estimate_prior(z[:10]).n_rows)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n", process.communicate()[1]
    time.sleep(0.5)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    try:
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert out == "interrupted 10\n", err
    assert time.monotonic() - begin < 10


def test_ctrl_c_during_a_choice_on_few_rows():
    script = """
        import time
        import numpy as np, prior2posterior as p2p
        rng = np.random.default_rng(0)
        y = np.repeat(np.arange(50), 80)
        z = rng.normal(size=(4000, 50)) * np.exp(rng.normal(size=50))
        z[np.arange(4000), y] += 2
        prior = p2p.estimate_prior(z, counts=np.arange(1, 51))
        print("ready", flush=True)
        try:
            while True:
                p2p.make_correction(prior, method="auto", strength="auto", holdout=z,
                                    holdout_labels=y)
        except KeyboardInterrupt:
            print(time.monotonic())
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    try:
        out, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert float(out) - begin < 1  # some 0.1 s on an idle machine


def test_other_threads_run_during_a_call():
    z = np.random.default_rng(0).normal(size=(100_000, 300)).astype(np.float32)
    prior = p2p.estimate_prior(z)
    ticks = []
    done = threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.002)

    other = threading.Thread(target=tick, daemon=True)
    other.start()
    begin = time.monotonic()
    for _ in range(5):
        p2p.correct(z, prior, output="log-probs", threads=1)
    end = time.monotonic()
    done.set()
    other.join()
    assert sum(begin < t < end for t in ticks) >= (end - begin) / 0.1


def test_calls_from_several_threads_do_not_disturb_each_other():
    z = np.random.default_rng(0).normal(size=(20_000, 50)).astype(np.float32)
    expected = p2p.estimate_prior(z)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(p2p.estimate_prior(z))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 8
