"""Bad input: each case one clear sentence, exit code 3, and no trace of an output."""

import struct
import zipfile
import zlib

import numpy as np
import pytest
from files import npy_bytes, npy_with_header, safetensors_bytes
from harness import attempt, estimate, refuse, refuse_twice, sentence

OUTPUT = {"estimate": "x.json", "correct": "x.npy"}


@pytest.fixture(params=["estimate", "correct"])
def refused(request, toy, prior):
    """Both verbs refuse the scores in a file, with and without an earlier output."""
    verb = request.param

    def check(scores, *words, options=()):
        args = ["--prior", "prior.json"] if verb == "correct" else []
        output = OUTPUT[verb]
        return refuse_twice(toy.folder, verb, scores, *options, *args, output=output, words=words)

    return check


def write(toy, name, content):
    (toy.folder / name).write_bytes(content)
    return name


@pytest.mark.parametrize("value, said", [(np.nan, "NaN"), (np.inf, "+inf")])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_nan_and_infinity_are_named_by_file_row_and_column(toy, refused, dtype, value, said):
    z = toy.logits.astype(dtype)
    z[123, 3] = value
    toy.save("z.npy", z)
    refused("z.npy", "z.npy", "row 123", "column 3", said)


def test_the_first_bad_row_is_named_on_any_number_of_threads(tmp_path):
    z = np.zeros((40_000, 4), "f4")
    z[[9_001, 20_000, 39_000], 2] = np.nan
    np.save(tmp_path / "z.npy", z)
    for threads in (1, 2, 7):
        refuse(
            tmp_path, "estimate", "z.npy", "--threads", threads, "-o", "x.json", words=["row 9001"]
        )


def test_the_row_counts_within_its_own_file(toy, refused):
    z = toy.logits.copy()
    z[5, 0] = np.nan
    toy.save("z.npy", z)
    refused("logits.npy", "z.npy", "row 5", "column 0", options=["z.npy"])


@pytest.mark.parametrize("ending", ["npy", "csv"])
def test_a_row_of_minus_infinity_is_named(toy, refused, ending):
    z = toy.logits.astype("f8")
    z[77] = -np.inf
    toy.save("z.npy", z)
    np.savetxt(toy.folder / "z.csv", z, delimiter=",")
    refused(f"z.{ending}", f"z.{ending}", "row 77", "-inf")


def test_a_row_of_zero_probabilities_is_named(toy, refused):
    p = np.full((300, 5), 0.2)
    p[9] = 0
    toy.save("z.npy", p)
    refused("z.npy", "z.npy", "row 9", options=["--input", "probs"])


def test_negative_probabilities_are_named(toy, refused):
    p = np.full((300, 5), 0.2)
    p[9] = [-0.2, 0.6, 0.2, 0.2, 0.2]
    toy.save("z.npy", p)
    refused("z.npy", "z.npy", "row 9", "-0.2", options=["--input", "probs"])


@pytest.mark.parametrize("kept", [0, 5, 9, 60, 127, 130, 3000])
def test_a_truncated_npy_is_refused(toy, refused, kept):
    content = npy_bytes(toy.logits)
    refused(write(toy, "z.npy", content[:kept]), "z.npy")


def test_bytes_after_the_array_are_refused(toy, refused):
    refused(write(toy, "z.npy", npy_bytes(toy.logits) + b"more"), "z.npy")


def test_a_truncated_npy_on_standard_input_is_refused(toy):
    content = npy_bytes(toy.logits)
    for kept in (0, 60, 3000):
        refuse(
            toy.folder,
            "estimate",
            "-",
            "-o",
            "x.json",
            stdin=content[:kept],
            words=["standard input"],
        )


@pytest.mark.parametrize("length", [0xFFFFFFFF, 1 << 30])
def test_an_npy_header_larger_than_the_file_is_refused(toy, refused, length):
    content = b"\x93NUMPY\x02\x00" + struct.pack("<I", length) + b"{" * 100
    refused(write(toy, "z.npy", content), "z.npy", "header")


def test_an_npy_header_of_megabytes_is_refused(toy, refused):
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (300, 5), }" + " " * (30 << 20)
    content = npy_with_header(header, toy.logits.tobytes(), (2, 0))
    refused(write(toy, "z.npy", content), "z.npy", "header")


HEADERS = {
    "no dictionary": "hello",
    "a call": "{'descr': __import__('os').system('true'), 'fortran_order': False, 'shape': (300, 5)}",
    "no shape": "{'descr': '<f4', 'fortran_order': False}",
    "negative": "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 5)}",
    "overflow": "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}",
    "huge": "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 5)}",
    "unclosed": "{'descr': '<f4', 'fortran_order': False, 'shape': (300, 5",
    "nested": "{'descr': " + "[" * 1000,
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_damaged_npy_header_is_refused(toy, refused, case):
    content = npy_with_header(HEADERS[case], toy.logits.tobytes())
    refused(write(toy, "z.npy", content), "z.npy")


@pytest.mark.parametrize("version", [(0, 0), (4, 0), (1, 7)])
def test_an_unknown_npy_version_is_refused(toy, refused, version):
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (300, 5), }"
    content = npy_with_header(header, toy.logits.tobytes(), version)
    refused(write(toy, "z.npy", content), "z.npy", "version")


@pytest.mark.parametrize("array", [np.array([[{}, 1], [2, 3]], object), np.array([["a", "b"]]),
                                   np.zeros((3, 2), complex), np.zeros((3, 2), int),
                                   np.zeros((3, 2), bool), np.zeros(3, "f4,f4"),
                                   np.zeros((3, 2), "M8[s]"), np.zeros((3, 2), "g")],
                         ids=lambda a: a.dtype.name)  # fmt: skip
def test_an_element_type_that_scores_do_not_have_is_refused(toy, refused, array):
    np.save(toy.folder / "z.npy", array, allow_pickle=True)
    refused("z.npy", "z.npy", "dtype")


def test_an_object_array_is_refused_as_pickle_and_not_executed(toy, refused):
    class Trap:
        def __reduce__(self):
            return (open, (str(toy.folder / "trapped"), "w"))

    np.save(toy.folder / "z.npy", np.array([[Trap()]], object), allow_pickle=True)
    refused("z.npy", "z.npy", "pickle")
    assert not (toy.folder / "trapped").exists()


@pytest.mark.parametrize("shape", [(), (300,), (5, 4, 3, 2, 2)])
def test_a_rank_that_scores_do_not_have_is_refused(toy, refused, shape):
    toy.save("z.npy", np.zeros(shape, "f4"))
    refused("z.npy", "z.npy", "shape")


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0), (7, 1)])
def test_zero_rows_and_fewer_than_two_classes_are_refused(toy, refused, shape):
    toy.save("z.npy", np.zeros(shape, "f4"))
    refused("z.npy", "z.npy", f"[{shape[0]}, {shape[1]}]")


def test_an_empty_file_of_several_is_refused_or_adds_nothing(toy):
    toy.save("none.npy", np.zeros((0, 5), "f4"))
    outcome = attempt("estimate", "logits.npy", "none.npy", "-o", "x.json", cwd=toy.folder)
    assert outcome.code == 3 and "none.npy" in sentence(outcome)


# --- archives ---


def member_offsets(content):
    """Where sizes stand: in the local header and in the directory of a one-member archive."""
    return content.index(b"PK\x03\x04") + 22, content.rindex(b"PK\x01\x02") + 24


@pytest.mark.parametrize("claimed", [200, 0x7FFFFFFF])
def test_an_archive_that_lies_about_its_size_is_refused(toy, refused, claimed):
    np.savez_compressed(toy.folder / "z.npz", scores=np.zeros((400_000, 50), "f4"))
    content = bytearray((toy.folder / "z.npz").read_bytes())
    for at in member_offsets(content):
        content[at : at + 4] = struct.pack("<I", claimed)
    refused(write(toy, "z.npz", bytes(content)), "z.npz")


def bomb(rows, header_rows, claimed_rows):
    """Zeros of `rows` rows, while header and directory speak of others."""
    header = npy_bytes(np.zeros((0, 1000), "f4")).replace(b"(0, 1000)", b"(%d, 1000)" % header_rows)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(header)
    for _ in range(rows):
        packed += packer.compress(bytes(4000))
    packed += packer.flush()
    size = len(header) + claimed_rows * 4000
    name = b"scores.npy"
    local = struct.pack(
        "<4sHHHHHIIIHH", b"PK\3\4", 20, 0, 8, 0, 0, 0, len(packed), size, len(name), 0
    )
    entry = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, 0, 8, 0, 0, 0, len(packed), size,
                        len(name), 0, 0, 0, 0, 0, 0)  # fmt: skip
    body = local + name + packed
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, len(entry) + len(name), len(body), 0)
    return body + entry + name + end


@pytest.mark.parametrize("claimed", [2, 100, 1_000_000])
def test_a_bomb_is_refused_without_being_unpacked(toy, refused, claimed):
    refused(write(toy, "z.npz", bomb(20_000, claimed, claimed)), "z.npz")


def test_an_archive_with_a_wrong_checksum_is_refused(toy, refused):
    np.savez_compressed(toy.folder / "z.npz", scores=toy.logits)
    content = bytearray((toy.folder / "z.npz").read_bytes())
    at = content.rindex(b"PK\x01\x02") + 16
    content[at] ^= 1
    refused(write(toy, "z.npz", bytes(content)), "z.npz", "CRC")


def test_a_flipped_bit_in_a_deflated_member_is_refused(toy, refused):
    np.savez_compressed(toy.folder / "z.npz", scores=toy.logits)
    content = bytearray((toy.folder / "z.npz").read_bytes())
    content[len(content) // 2] ^= 4
    refused(write(toy, "z.npz", bytes(content)), "z.npz")


@pytest.mark.parametrize("kept", [0, 30, 0.5, 0.99])
def test_a_truncated_archive_is_refused(toy, refused, kept):
    np.savez_compressed(toy.folder / "z.npz", scores=toy.logits)
    content = (toy.folder / "z.npz").read_bytes()
    length = int(kept * len(content)) if isinstance(kept, float) else kept
    refused(write(toy, "z.npz", content[:length]), "z.npz")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_another_packing_method_is_refused(toy, refused, method):
    with zipfile.ZipFile(toy.folder / "z.npz", "w", method) as archive:
        archive.writestr("scores.npy", npy_bytes(toy.logits))
    refused("z.npz", "z.npz", "method")


@pytest.mark.parametrize("content", [b"", b"{}", struct.pack("<Q", 1 << 60) + b"{}",
                                     struct.pack("<Q", 10) + b"not json!!"])  # fmt: skip
def test_a_damaged_safetensors_header_is_refused(toy, refused, content):
    refused(write(toy, "z.safetensors", content), "z.safetensors")


@pytest.mark.parametrize("shape", [(301, 5), (299, 5), (2**62, 8)])
def test_a_tensor_whose_shape_does_not_fit_its_bytes_is_refused(toy, refused, shape):
    content = safetensors_bytes({"scores": ("F32", shape, toy.logits.tobytes())})
    refused(write(toy, "z.safetensors", content), "z.safetensors")


def test_a_truncated_safetensors_is_refused(toy, refused):
    content = safetensors_bytes({"scores": ("F32", (300, 5), toy.logits.tobytes())})
    refused(write(toy, "z.safetensors", content[:-100]), "z.safetensors")


# --- text ---

TEXTS = {
    "a word among numbers": ("1,2,3,4,5\n1,2,x,4,5\n", ["line 2", "column 3", "'x'"]),
    "a missing value": ("1,2,3,4,5\n1,2,,4,5\n", ["line 2", "column 3"]),
    "a short row": ("1,2,3,4,5\n1,2,3,4\n", ["line 2", "4 columns", "5"]),
    "a long row": ("1,2,3,4,5\n1,2,3,4,5,6\n", ["line 2", "6 columns", "5"]),
    "nan": ("1,2,3,4,5\n1,2,nan,4,5\n", ["row 1", "column 2", "NaN"]),
    "only a header": ("a,b,c,d,e\n", ["rows"]),
    "nothing": ("", ["empty"]),
    "a blank line inside": ("1,2,3,4,5\n\n1,2,3,4,5\n", ["line 2"]),
    "utf-16": ("1,2,3,4,5\n".encode("utf-16").decode("latin-1"), []),
    "one column": ("1\n2\n", ["column"]),
    "spaces for commas": ("1 2 3 4 5\n1 2 3 4 5\n", ["column"]),
}


@pytest.mark.parametrize("case", TEXTS)
def test_damaged_text_is_refused_by_line_and_column(toy, refused, case):
    content, words = TEXTS[case]
    refused(write(toy, "z.csv", content.encode("latin-1")), "z.csv", *words)


# --- float16 ---


@pytest.mark.parametrize("value", [65504, np.inf])
def test_saturated_float16_is_refused(toy, refused, value):
    z = toy.logits.astype("f2")
    z[55, 1] = value
    toy.save("z.npy", z)
    refused("z.npy", "z.npy", "row 55", "float32")


def test_a_correction_beyond_float16_is_refused(toy):
    z = toy.logits.astype("f2")
    toy.save("train.npy", z)
    estimate("train.npy", cwd=toy.folder)
    z[55, 4] = 65000
    toy.save("z.npy", z)
    refuse_twice(toy.folder, "correct", "z.npy", "--prior", "prior.json", "--strength", 500,
                 output="x.npy", words=["z.npy", "row 55", "65504", "float32"])  # fmt: skip


# --- devices ---


@pytest.mark.parametrize("scores", ["/dev/null", "/dev/zero"])
def test_a_device_is_no_score_file(toy, scores):
    refuse(toy.folder, "estimate", scores, "-o", "x.json", words=[scores])
