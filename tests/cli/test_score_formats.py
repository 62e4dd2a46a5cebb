"""Every format that scores are read from gives the same prior as the plain .npy of the same
numbers."""

import json
import subprocess
import time

import numpy as np
import pytest
from files import (
    bfloat16_bytes,
    bfloat16_values,
    npy_bytes,
    safetensors,
    safetensors_bytes,
    zip64_npz,
)
from harness import COMMAND, estimate, p2p


def sums(toy, *scores, **options):
    return estimate(*scores, cwd=toy.folder, output="found.json", **options)["sums"]


def expected(toy, array):
    toy.save("plain.npy", array)
    return sums(toy, "plain.npy")


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("endian", "<>")
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_npy_of_each_type_order_and_endianness(toy, dtype, endian, order):
    array = np.array(toy.logits.astype(endian + dtype), order=order)
    (toy.folder / "odd.npy").write_bytes(npy_bytes(array))
    assert sums(toy, "odd.npy") == expected(toy, toy.logits.astype(dtype))


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_npy_of_each_version(toy, version):
    (toy.folder / "odd.npy").write_bytes(npy_bytes(toy.logits, version))
    assert sums(toy, "odd.npy") == expected(toy, toy.logits)


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed, zip64_npz])
def test_npz_stored_deflated_and_zip64(toy, save, order):
    save(toy.folder / "odd.npz", scores=np.array(toy.logits, order=order))
    assert sums(toy, "odd.npz") == expected(toy, toy.logits)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_safetensors_of_each_numpy_type(toy, dtype):
    array = toy.logits.astype(dtype)
    safetensors(toy.folder / "odd.safetensors", scores=array)
    assert sums(toy, "odd.safetensors") == expected(toy, array)


def test_safetensors_of_bfloat16(toy):
    content = bfloat16_bytes(toy.logits)
    (toy.folder / "odd.safetensors").write_bytes(
        safetensors_bytes({"scores": ("BF16", toy.logits.shape, content)})
    )
    values = bfloat16_values(content).reshape(toy.logits.shape)
    assert sums(toy, "odd.safetensors") == expected(toy, values)


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("ending, delimiter", [("csv", ","), ("tsv", "\t"), ("csv", ";")])
def test_text_with_and_without_header(toy, ending, delimiter, header):
    names = delimiter.join(["ant", "bee", "cat", "dog", "eel"]) if header else ""
    path = toy.folder / f"odd.{ending}"
    np.savetxt(path, toy.logits, delimiter=delimiter, header=names, comments="", fmt="%.9g")
    q = estimate(path.name, cwd=toy.folder)["effective"]
    assert q == pytest.approx(estimate("logits.npy", cwd=toy.folder)["effective"], rel=1e-6)


def test_text_keeps_every_digit(toy):
    exact = toy.logits.astype("f8") / 3
    np.savetxt(toy.folder / "odd.csv", exact, delimiter=",", fmt="%.17g")
    assert sums(toy, "odd.csv") == expected(toy, exact)


def test_the_header_of_text_names_the_classes(toy):
    names = ["ant", "bee", "cat, wild", "dog", "éléphant"]
    lines = [",".join(f'"{name}"' for name in names)]
    lines += [",".join(map(repr, map(float, row))) for row in toy.logits]
    (toy.folder / "odd.csv").write_text("\n".join(lines) + "\n")
    assert estimate("odd.csv", cwd=toy.folder)["classes"] == names


@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_text_with_byte_order_mark_and_either_line_end(toy, line_end):
    lines = [",".join(map(repr, map(float, row))) for row in toy.logits]
    (toy.folder / "odd.csv").write_bytes(("\ufeff" + line_end.join(lines)).encode())
    assert sums(toy, "odd.csv") == expected(toy, toy.logits.astype("f8"))


def test_minus_infinity_is_a_masked_class_in_text_and_npy(toy):
    masked = toy.logits.astype("f8")
    masked[::3, 4] = -np.inf
    np.savetxt(toy.folder / "odd.csv", masked, delimiter=",", fmt="%.17g")
    assert sums(toy, "odd.csv") == expected(toy, masked)


def test_npy_on_standard_input(toy):
    content = (toy.folder / "logits.npy").read_bytes()
    assert sums(toy, "-", stdin=content) == expected(toy, toy.logits)


def test_standard_input_may_be_a_pipe_that_trickles(toy):
    content = (toy.folder / "logits.npy").read_bytes()
    process = subprocess.Popen(
        [COMMAND, "estimate", "-", "-o", "found.json"],
        cwd=toy.folder,
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    for part in (content[:100], content[100:1001], content[1001:]):
        process.stdin.write(part)
        process.stdin.flush()
        time.sleep(0.05)
    process.stdin.close()
    assert process.wait() == 0
    found = json.loads((toy.folder / "found.json").read_text())
    assert found["sums"] == expected(toy, toy.logits)


def test_corrected_scores_do_not_depend_on_the_format_read(toy, prior):
    safetensors(toy.folder / "odd.safetensors", scores=toy.logits)
    np.savez_compressed(toy.folder / "odd.npz", scores=np.asfortranarray(toy.logits))
    for scores in ("logits.npy", "odd.safetensors", "odd.npz"):
        p2p("correct", scores, "--prior", "prior.json", "-o", scores + ".out.npy", cwd=toy.folder)
    first, *others = [(toy.folder / f"{n}.out.npy").read_bytes()
                      for n in ("logits.npy", "odd.safetensors", "odd.npz")]  # fmt: skip
    assert others == [first, first]
