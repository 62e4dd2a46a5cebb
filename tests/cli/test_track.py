"""p2p track: batches from pipes and growing files, restarts, resets, bad input."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from files import npy_bytes, npy_with_header, sparse_npy
from harness import COMMAND, SAMPLE, attempt, p2p, refuse
from reference import log_offset, normalised, softmax

BATCHES = 6


@pytest.fixture
def batches(toy, prior):
    """Rows whose classes are drawn from the reversed prior."""
    rng = np.random.default_rng(1)
    made = []
    for _ in range(BATCHES):
        labels = rng.choice(5, size=40, p=normalised(toy.counts[::-1]))
        z = rng.normal(0, 1.5, (40, 5)) + np.log(toy.counts / 300.0)
        z[np.arange(40), labels] += 2.5
        made.append(z.astype(np.float32))
    return made


def stream(arrays):
    return b"".join(npy_bytes(array) for array in arrays)


def lines(outcome):
    return [json.loads(line) for line in outcome.out.splitlines()]


def track(toy, *args, **options):
    return p2p("track", *args, "--prior", "prior.json", cwd=toy.folder, **options)


def naive(batches, r, half_life, temperature=1.0):
    """The formula of docs/methods/track.md without resets, from t = r."""
    r = np.asarray(r)
    t = r.copy()
    for z in batches:
        p = softmax(z.astype(float) / temperature - np.log(r) + np.log(t))
        gain = np.log((softmax(z.astype(float) / temperature) * (t / r)).sum(axis=1)).mean()
        eta = 1 - 2 ** (-len(z) / half_life)
        t = (1 - eta) * t + eta * p.mean(axis=0)
        yield t, gain


def test_one_line_a_batch_as_in_the_formula(toy, prior, batches):
    found = lines(track(toy, "-", "--half-life", 100, stdin=stream(batches)))
    assert [line["batch"] for line in found] == list(range(1, BATCHES + 1))
    assert [line["total_rows"] for line in found] == [40 * (i + 1) for i in range(BATCHES)]
    r = np.array(prior["residual"])
    for line, (t, gain) in zip(found, naive(batches, r, 100), strict=True):
        assert line["rows"] == 40 and line["reset"] is None
        np.testing.assert_allclose(line["target"], t, rtol=1e-9)
        np.testing.assert_allclose(line["delta"], log_offset(r, t), atol=1e-9)
        np.testing.assert_allclose(line["gain"], gain, atol=1e-9)


def test_the_temperature_of_the_prior_is_used(toy, batches):
    p2p("estimate", "logits.npy", "--counts", "counts.npy", "--temperature", 2, "-o", "prior.json",
        cwd=toy.folder)  # fmt: skip
    prior = json.loads((toy.folder / "prior.json").read_text())
    found = lines(track(toy, "-", "--half-life", 100, stdin=stream(batches)))[-1]
    t, _ = list(naive(batches, prior["residual"], 100, 2.0))[-1]
    np.testing.assert_allclose(found["target"], t, rtol=1e-9)
    assert found["temperature"] == 2


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8"])
def test_every_float_type_and_byte_order(toy, prior, batches, dtype):
    arrays = [z.astype(np.float16).astype(dtype) for z in batches]
    plain = [z.astype(np.float16).astype("<f4") for z in batches]
    found = lines(track(toy, "-", stdin=stream(arrays)))[-1]
    expected = lines(track(toy, "-", stdin=stream(plain)))[-1]
    np.testing.assert_allclose(found["target"], expected["target"], rtol=1e-12)


def test_a_file_and_a_pipe_give_the_same_lines(toy, prior, batches):
    (toy.folder / "s.npy").write_bytes(stream(batches))
    assert track(toy, "s.npy").bytes == track(toy, "-", stdin=stream(batches)).bytes


def test_probabilities_are_tracked_as_logits_are(toy, prior, batches):
    logits = [z.astype(float) for z in batches]
    probs = [softmax(z) for z in logits]
    found = lines(track(toy, "-", "--input", "probs", stdin=stream(probs)))[-1]
    expected = lines(track(toy, "-", stdin=stream(logits)))[-1]
    np.testing.assert_allclose(found["target"], expected["target"], rtol=1e-9)


def test_batches_without_rows_are_passed_over(toy, prior, batches):
    empty = np.zeros((0, 5), np.float32)
    mixed = [empty, *batches[:2], empty, *batches[2:], empty]
    assert (
        track(toy, "-", stdin=stream(mixed)).bytes == track(toy, "-", stdin=stream(batches)).bytes
    )


def test_an_empty_stream_is_no_batch(toy, prior):
    assert track(toy, "-").out == ""


def test_the_start_is_the_target(toy, prior, batches):
    for target, start in [("uniform", np.full(5, 0.2)), ("empirical", normalised(toy.counts))]:
        found = lines(
            track(toy, "-", "--target", target, "--half-life", 1e12, stdin=stream(batches))
        )
        np.testing.assert_allclose(found[0]["target"], start, atol=1e-6)


def test_a_reset_every_so_many_batches(toy, prior, batches):
    found = lines(track(toy, "-", "--reset-every", 2, stdin=stream(batches)))
    assert [line["reset"] for line in found] == [None, None, "schedule", None, "schedule", None]
    alone = lines(track(toy, "-", stdin=stream(batches[2:3])))
    assert found[2]["target"] == alone[0]["target"]


def test_a_reset_when_the_old_prior_is_back(toy, prior, batches):
    home = [toy.logits[i::6] for i in range(6)]
    found = lines(
        track(toy, "-", "--half-life", 100, "--drift", 3, stdin=stream(batches * 3 + home))
    )
    assert [line["reset"] for line in found[: 3 * BATCHES]] == [None] * 3 * BATCHES
    assert "drift" in [line["reset"] for line in found[3 * BATCHES :]]
    never = lines(
        track(toy, "-", "--half-life", 100, "--drift", "inf", stdin=stream(batches * 3 + home))
    )
    assert {line["reset"] for line in never} == {None}


def test_the_sample_in_a_hundred_batches_corrects_itself(tmp_path, sample):
    """Balanced rows in random order; docs/methods/track.md quotes these numbers."""
    p2p(
        "estimate",
        f"{SAMPLE}:train_logits",
        "--counts",
        f"{SAMPLE}:counts",
        "-o",
        "prior.json",
        cwd=tmp_path,
    )
    order = np.random.default_rng(0).permutation(len(sample["test_logits"]))
    z, y = sample["test_logits"][order], sample["test_labels"][order]
    found = lines(p2p("track", "-", "--prior", "prior.json", "--half-life", 1000, cwd=tmp_path,
                      stdin=stream(np.array_split(z, 100))))  # fmt: skip

    def accuracy(delta):
        return 100 * np.mean(np.argmax(z + np.array(delta), axis=1) == y)

    assert accuracy(0) == pytest.approx(58.62, abs=1e-9)
    assert accuracy(found[-1]["delta"]) == pytest.approx(71.9, abs=0.1)
    seen = [0.0] + [line["delta"] for line in found[:-1]]
    hits = [
        np.argmax(part + np.array(delta), axis=1)
        for part, delta in zip(np.array_split(z, 100), seen, strict=True)
    ]
    assert 100 * np.mean(np.concatenate(hits) == y) == pytest.approx(69.9, abs=0.1)


# --- restarts ---


def test_a_restart_of_a_pipe_goes_on_with_the_same_bits(toy, prior, batches):
    whole = track(toy, "-", "--reset-every", 4, stdin=stream(batches)).bytes
    state = ["--state", "state.json", "--reset-every", 4]
    parts = [track(toy, "-", *state, stdin=stream([batch])).bytes for batch in batches]
    assert b"".join(parts) == whole


def test_a_restart_of_a_file_goes_on_where_it_stopped(toy, prior, batches):
    whole = track(toy, "-", stdin=stream(batches)).bytes
    found = b""
    for batch in batches:
        with open(toy.folder / "s.npy", "ab") as out:
            out.write(npy_bytes(batch))
        found += track(toy, "s.npy", "--state", "state.json").bytes
        assert track(toy, toy.folder / "s.npy", "--state", "state.json").bytes == b""
    assert found == whole


def test_another_file_is_read_from_its_start(toy, prior, batches):
    (toy.folder / "monday.npy").write_bytes(stream(batches[:3]))
    (toy.folder / "tuesday.npy").write_bytes(stream(batches[3:]))
    found = b"".join(
        track(toy, f"{day}.npy", "--state", "state.json").bytes for day in ["monday", "tuesday"]
    )
    assert found == track(toy, "-", stdin=stream(batches)).bytes


def test_a_file_that_was_cut_since_is_refused(toy, prior, batches):
    (toy.folder / "s.npy").write_bytes(stream(batches))
    track(toy, "s.npy", "--state", "state.json")
    (toy.folder / "s.npy").write_bytes(stream(batches[:2]))
    refuse(toy.folder, "track", "s.npy", "--prior", "prior.json", "--state", "state.json",
           words=["s.npy", "replaced"])  # fmt: skip


def test_the_state_of_another_prior_is_refused(toy, prior, batches):
    track(toy, "-", "--state", "state.json", stdin=stream(batches))
    p2p("estimate", "logits.npy", "--trained-with", "la", "--counts", "counts.npy", "-o", "other.json",
        cwd=toy.folder)  # fmt: skip
    refuse(toy.folder, "track", "-", "--prior", "other.json", "--state", "state.json",
           stdin=stream(batches), words=["state.json", "another prior"])  # fmt: skip


def test_the_state_of_another_target_is_refused(toy, prior, batches):
    track(toy, "-", "--state", "state.json", stdin=stream(batches))
    refuse(toy.folder, "track", "-", "--prior", "prior.json", "--state", "state.json", "--target", "uniform",
           stdin=stream(batches), words=["state.json", "--target"])  # fmt: skip


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"format": "p2p-tracker-state"}', "\x00"])
def test_a_damaged_state_is_refused(toy, prior, batches, content):
    (toy.folder / "state.json").write_text(content)
    refuse(toy.folder, "track", "-", "--prior", "prior.json", "--state", "state.json",
           stdin=stream(batches), words=["state.json"])  # fmt: skip


def test_a_state_may_not_overwrite_an_input(toy, prior, batches):
    (toy.folder / "s.npy").write_bytes(stream(batches))
    for state in ["s.npy", "prior.json"]:
        refuse(
            toy.folder, "track", "s.npy", "--prior", "prior.json", "--state", state, words=[state]
        )


# --- growing files ---


class Follower:
    """p2p track --follow on s.npy in the folder."""

    def __init__(self, folder, *args):
        self.folder = folder
        self.process = subprocess.Popen(
            [COMMAND, "track", "s.npy", "--prior", "prior.json", "--follow", *map(str, args)],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip

    def append(self, content):
        with open(self.folder / "s.npy", "ab") as out:
            out.write(content)

    def line(self):
        return json.loads(self.process.stdout.readline())

    def end(self, number):
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=20)
        return out


@pytest.fixture
def follower(toy, prior):
    started = []

    def start(*args):
        (toy.folder / "s.npy").touch()
        started.append(Follower(toy.folder, *args))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def test_a_followed_file_gives_a_line_as_soon_as_a_batch_is_complete(toy, batches, follower):
    run = follower()
    for batch, expected in zip(batches, lines(track(toy, "-", stdin=stream(batches))), strict=True):
        run.append(npy_bytes(batch))
        assert run.line() == expected


def test_a_batch_that_arrives_piece_by_piece_is_waited_for(toy, batches, follower):
    run = follower()
    content = npy_bytes(batches[0])
    for cut in [(0, 3), (3, 50), (50, 128), (128, 500), (500, len(content))]:
        time.sleep(0.1)
        assert run.process.poll() is None
        run.append(content[slice(*cut)])
    assert run.line() == lines(track(toy, "-", stdin=content))[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_loses_at_most_the_batch_in_flight(toy, batches, follower, number):
    run = follower("--state", "state.json")
    run.append(stream(batches[:2]) + npy_bytes(batches[2])[:300])
    first = [run.line(), run.line()]
    deadline = time.monotonic() + 20
    while not (toy.folder / "state.json").exists() or (
        json.loads((toy.folder / "state.json").read_text())["batches"] < 2
    ):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert run.end(number) == b""
    assert run.process.returncode == -number
    assert sorted(path.name for path in toy.folder.glob(".*")) == []
    run.append(npy_bytes(batches[2])[300:] + stream(batches[3:]))
    again = track(toy, "s.npy", "--state", "state.json")
    assert first + lines(again) == lines(track(toy, "-", stdin=stream(batches)))


def test_a_followed_file_that_is_cut_ends_the_run(toy, batches, follower):
    run = follower()
    run.append(stream(batches[:2]))
    run.line(), run.line()
    os.truncate(toy.folder / "s.npy", 10)
    _, err = run.process.communicate(timeout=20)
    assert run.process.returncode == 3 and b"replaced" in err


def test_only_files_can_be_followed(toy, prior):
    refuse(
        toy.folder, "track", "-", "--prior", "prior.json", "--follow", code=2, words=["--follow"]
    )


def test_a_closed_output_ends_the_run(toy, prior, batches):
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run([COMMAND, "track", "-", "--prior", "prior.json", "--state", "state.json"],
                             cwd=toy.folder, input=stream(batches), stdout=writer,
                             stderr=subprocess.PIPE)  # fmt: skip
    os.close(writer)
    assert process.returncode == 3 and b"output" in process.stderr
    assert not (toy.folder / "state.json").exists()


# --- bad input ---


def test_a_batch_with_a_bad_row_is_told_of_and_passed_over(toy, prior, batches):
    bad = batches[1].copy()
    bad[7, 2] = np.nan
    outcome = attempt("track", "-", "--prior", "prior.json", "--state", "state.json", cwd=toy.folder,
                      stdin=stream([batches[0], bad, *batches[2:]]))  # fmt: skip
    assert outcome.code == 3
    warning, summary = outcome.err.splitlines()
    for word in ["batch 2", "row 7", "column 2", "NaN"]:
        assert word in warning
    assert "1 batch could not be learned" in summary
    found = lines(outcome)
    assert found[1]["batch"] == 2 and "NaN" in found[1]["refused"]
    good = lines(track(toy, "-", stdin=stream([batches[0], *batches[2:]])))
    assert [line["target"] for line in found if "target" in line] == [
        line["target"] for line in good
    ]
    assert [line["batch"] for line in found] == list(range(1, BATCHES + 1))
    assert json.loads((toy.folder / "state.json").read_text())["rows"] == 40 * (BATCHES - 1)


@pytest.mark.parametrize("length", [1, 5, 9, 60, 127, 129, 500, 927])
def test_an_array_that_is_cut_short_is_refused_after_the_good_ones(toy, prior, batches, length):
    assert len(npy_bytes(batches[1])) == 928
    outcome = attempt("track", "-", "--prior", "prior.json", cwd=toy.folder,
                      stdin=npy_bytes(batches[0]) + npy_bytes(batches[1])[:length])  # fmt: skip
    assert outcome.code == 3 and len(outcome.err.splitlines()) == 1
    assert "byte 928" in outcome.err
    assert len(lines(outcome)) == 1


def test_a_file_that_is_cut_short_can_be_gone_on_with(toy, prior, batches):
    whole = stream(batches)
    (toy.folder / "s.npy").write_bytes(whole[:1500])
    outcome = attempt(
        "track", "s.npy", "--prior", "prior.json", "--state", "state.json", cwd=toy.folder
    )
    assert outcome.code == 3 and "--follow" in outcome.err
    (toy.folder / "s.npy").write_bytes(whole)
    again = track(toy, "s.npy", "--state", "state.json")
    assert outcome.bytes + again.bytes == track(toy, "-", stdin=whole).bytes


BAD = {
    "another number of classes": (npy_bytes(np.zeros((4, 7), "f4")), ["7 classes", "5"]),
    "one axis": (npy_bytes(np.zeros(5, "f4")), ["[5]", "2 axes"]),
    "three axes": (npy_bytes(np.zeros((2, 3, 5), "f4")), ["[2, 3, 5]"]),
    "integers": (npy_bytes(np.zeros((2, 5), "i8")), ["<i8"]),
    "objects": (npy_with_header("{'descr': '|O', 'fortran_order': False, 'shape': (2, 5), }\n"), ["|O"]),
    "Fortran order": (npy_bytes(np.zeros((4, 5), "f4", "F")), ["ascontiguousarray"]),
    "too many rows": (npy_with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387903, 5), }\n"),
                      ["4611686018427387903"]),
    "rows that fill the numbers": (
        npy_with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (461168601842738790, 5), }\n"),
        ["larger than any file"]),
    "rows that are not there": (
        npy_with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 5), }\n", bytes(400)),
        ["1000000000000 rows"]),
    "a header of a gigabyte": (b"\x93NUMPY\x02\x00\x00\x00\x00\x40", ["header"]),
    "text": (b"0.1,0.2,0.3,0.2,0.2\n", [".npy"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_batch_of_scores_is_refused(toy, prior, case):
    content, words = BAD[case]
    refuse(
        toy.folder,
        "track",
        "-",
        "--prior",
        "prior.json",
        stdin=content,
        words=["array at byte 0", *words],
    )


def test_probabilities_taken_for_logits_are_not_learned(toy, prior, batches):
    outcome = attempt("track", "-", "--prior", "prior.json", cwd=toy.folder,
                      stdin=stream([softmax(batches[0])]))  # fmt: skip
    assert outcome.code == 3 and "--input probs" in outcome.err


@pytest.mark.parametrize("args", [["--half-life", 0], ["--half-life", "nan"], ["--reset-every", -1],
                                  ["--drift", 0], ["--input", "numbers"], ["--target", "estimated:em"], ["--state", "-"]], ids=str)  # fmt: skip
def test_options_that_do_not_fit(toy, prior, args):
    refuse(toy.folder, "track", "-", "--prior", "prior.json", *args, code=2, words=[args[0]])


def test_a_missing_file_and_a_folder(toy, prior):
    for name in ["no.npy", "."]:
        assert name in refuse(toy.folder, "track", name, "--prior", "prior.json")


# --- memory ---

MEASURE = """
import json, resource, subprocess, sys
run = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
with open(sys.argv[1], "rb") as batch:
    content = batch.read()
for _ in range(1000):
    run.stdin.write(content)
run.stdin.close()
code = run.wait()
print(json.dumps([code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
"""


def test_memory_does_not_grow_with_the_stream(toy, prior, batches):
    (toy.folder / "s.npy").write_bytes(npy_bytes(np.tile(batches[0], (50, 1))))
    process = subprocess.run([sys.executable, "-S", "-c", MEASURE, "s.npy", COMMAND, "track", "-",
                              "--prior", "prior.json", "--state", "state.json"],
                             cwd=toy.folder, capture_output=True, check=True)  # fmt: skip
    code, peak = json.loads(process.stdout)
    assert code == 0, process.stderr.decode()
    assert json.loads((toy.folder / "state.json").read_text())["rows"] == 1000 * 2000
    assert peak < 32 << 10


def test_memory_does_not_grow_with_a_batch(toy, prior):
    sparse_npy(toy.folder / "s.npy", (5_000_000, 5))
    script = MEASURE.replace("range(1000)", "range(0)")
    process = subprocess.run([sys.executable, "-S", "-c", script, "prior.json", COMMAND, "track", "s.npy",
                              "--prior", "prior.json"], cwd=toy.folder, capture_output=True, check=True)  # fmt: skip
    code, peak = json.loads(process.stdout)
    assert code == 0, process.stderr.decode()
    assert peak < 32 << 10
