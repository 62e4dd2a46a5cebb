"""Where corrected scores go: file types, element types, names, links, standard output."""

import os
import subprocess

import numpy as np
import pytest
from files import bfloat16_bytes, bfloat16_values, read_safetensors, safetensors_bytes
from harness import COMMAND, attempt, p2p, refuse


@pytest.fixture
def correct(toy, prior):
    def run(output, *args, scores="logits.npy"):
        return p2p("correct", scores, "--prior", "prior.json", *args, "-o", output, cwd=toy.folder)

    run("plain.npy")
    return run


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_npy_keeps_the_float_type(toy, correct, dtype):
    toy.save("z.npy", toy.logits.astype(dtype))
    correct("out.npy", scores="z.npy")
    assert toy.load("out.npy").dtype == dtype


def test_npz_holds_one_array_named_scores(toy, correct):
    correct("out.npz")
    with np.load(toy.folder / "out.npz") as found:
        assert found.files == ["scores"]
        np.testing.assert_array_equal(found["scores"], toy.load("plain.npy"))


@pytest.mark.parametrize("dtype, kind", [("f2", "F16"), ("f4", "F32"), ("f8", "F64")])
def test_safetensors_holds_one_tensor_named_scores(toy, correct, dtype, kind):
    toy.save("z.npy", toy.logits.astype(dtype))
    correct("out.npy", scores="z.npy")
    correct("out.safetensors", scores="z.npy")
    expected = {"scores": (kind, (300, 5), toy.load("out.npy").tobytes())}
    assert read_safetensors(toy.folder / "out.safetensors") == expected


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_csv_round_trips_in_the_float_type(toy, correct, dtype):
    toy.save("z.npy", (toy.logits / 3).astype(dtype))
    correct("out.npy", scores="z.npy")
    correct("out.csv", scores="z.npy")
    found = np.loadtxt(toy.folder / "out.csv", delimiter=",", dtype=dtype)
    np.testing.assert_array_equal(found, toy.load("out.npy"))


def test_csv_is_as_short_as_it_can_be(toy, correct):
    toy.save("z.npy", np.array([[0.1, 1, 1e-8], [2.5, -3, 1e20]], "f4").repeat(5, 1)[:, ::3])
    correct("out.csv", "--method", "none", scores="z.npy")
    numbers = (toy.folder / "out.csv").read_text().replace("\n", ",").split(",")[:-1]
    for text, value in zip(numbers, toy.load("z.npy").ravel()):
        shortest = min((np.format_float_scientific(value, trim="-", exp_digits=1),
                        np.format_float_positional(value, trim="-")), key=len)  # fmt: skip
        assert len(text) <= len(shortest) + 1, (text, shortest)


def test_csv_of_masked_classes_is_read_back(toy, correct):
    z = toy.logits.copy()
    z[::2, 1] = -np.inf
    toy.save("z.npy", z)
    correct("out.csv", "--method", "none", scores="z.npy")
    np.testing.assert_array_equal(np.loadtxt(toy.folder / "out.csv", delimiter=",", dtype="f4"), z)


def test_csv_has_the_class_names_as_header(toy, correct):
    (toy.folder / "names.txt").write_text('ant\nbee\n"cat", wild\ndog\néléphant\n')
    correct("out.csv", "--classes", "names.txt")
    header, *rows = (toy.folder / "out.csv").read_text().splitlines()
    assert header == 'ant,bee,"""cat"", wild",dog,éléphant'
    assert len(rows) == 300


@pytest.mark.parametrize(
    "name",
    ["cat, wild", 'a "cat"', '"cat", wild', 'wild, "cat"', '"', '","'],
)
def test_csv_written_is_csv_read(toy, correct, name):
    (toy.folder / "names.txt").write_text(f"ant\nbee\n{name}\ndog\néléphant\n")
    correct("out.csv", "--classes", "names.txt")
    correct("again.csv", "--method", "none", scores="out.csv")
    assert (toy.folder / "again.csv").read_bytes() == (toy.folder / "out.csv").read_bytes()


def test_csv_of_labels_is_one_integer_a_line(toy, correct):
    correct("out.csv", "--output", "labels")
    correct("out.npy", "--output", "labels")
    lines = (toy.folder / "out.csv").read_text().splitlines()
    assert lines == list(map(str, toy.load("out.npy")))


@pytest.mark.parametrize("output", ["out.npz", "out.safetensors"])
def test_labels_go_to_every_file_type(toy, correct, output):
    correct(output, "--output", "labels")
    correct("out.npy", "--output", "labels")
    found = (np.load(toy.folder / output)["scores"].tobytes() if output.endswith("npz")
             else read_safetensors(toy.folder / output)["scores"][2])  # fmt: skip
    assert found == toy.load("out.npy").tobytes()


def test_dash_is_npy_on_standard_output(toy, correct):
    assert correct("-").bytes == (toy.folder / "plain.npy").read_bytes()


def test_a_pipe_takes_scores_from_correct_to_evaluate(toy, correct):
    script = (
        f"'{COMMAND}' correct - --prior prior.json -o - < logits.npy"
        f" | '{COMMAND}' evaluate - --labels labels.npy --json"
    )
    found = subprocess.run(["sh", "-c", script], cwd=toy.folder, check=True, capture_output=True)
    plain = p2p("evaluate", "plain.npy", "--labels", "labels.npy", "--json", cwd=toy.folder)
    assert found.stdout == plain.bytes


@pytest.fixture
def bfloat16(toy):
    content = bfloat16_bytes(toy.logits)
    (toy.folder / "b.safetensors").write_bytes(
        safetensors_bytes({"scores": ("BF16", (300, 5), content)})
    )
    return content


def test_bfloat16_stays_bfloat16_in_safetensors(toy, correct, bfloat16):
    outcome = correct("out.safetensors", "--method", "none", scores="b.safetensors")
    assert read_safetensors(toy.folder / "out.safetensors") == {
        "scores": ("BF16", (300, 5), bfloat16)
    }
    assert "float32" not in outcome.err


@pytest.mark.parametrize("output", ["out.npy", "out.npz", "out.csv"])
def test_bfloat16_becomes_float32_elsewhere_and_that_is_said(toy, correct, bfloat16, output):
    outcome = correct(output, "--method", "none", scores="b.safetensors")
    assert "bfloat16" in outcome.err and "float32" in outcome.err
    path = toy.folder / output
    found = {"npy": np.load, "npz": lambda p: np.load(p)["scores"],
             "csv": lambda p: np.loadtxt(p, delimiter=",", dtype="f4")}[output[-3:]](path)  # fmt: skip
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, bfloat16_values(bfloat16).reshape(300, 5))


def test_an_older_output_is_replaced(toy, correct):
    (toy.folder / "out.npy").write_bytes(b"old")
    correct("out.npy")
    assert (toy.folder / "out.npy").read_bytes() == (toy.folder / "plain.npy").read_bytes()


def test_nothing_but_the_output_is_left_in_the_folder(toy, correct):
    before = set(os.listdir(toy.folder))
    for output in ("out.npy", "out.npz", "out.csv", "out.safetensors"):
        correct(output)
        assert set(os.listdir(toy.folder)) == before | {output}
        (toy.folder / output).unlink()


def test_the_mode_of_an_output_is_that_of_any_new_file(toy, correct):
    subprocess.run(["sh", "-c", f"umask 027; '{COMMAND}' correct logits.npy --prior prior.json -o out.npy"],
                   cwd=toy.folder, check=True, capture_output=True)  # fmt: skip
    assert (toy.folder / "out.npy").stat().st_mode & 0o777 == 0o640


def test_an_output_that_is_a_link_replaces_what_it_points_to(toy, correct):
    (toy.folder / "store").mkdir()
    (toy.folder / "out.npy").symlink_to("store/real.npy")
    correct("out.npy")
    assert (toy.folder / "out.npy").is_symlink()
    assert (toy.folder / "store" / "real.npy").read_bytes() == (
        toy.folder / "plain.npy"
    ).read_bytes()


@pytest.mark.parametrize("output", ["out.pt", "out", "out.tsv"])
def test_an_ending_that_says_no_format_is_a_usage_error(toy, correct, output):
    refuse(toy.folder, "correct", "logits.npy", "--prior", "prior.json", "-o", output, code=2,
           words=[f"'{output}'", ".npy"])  # fmt: skip


@pytest.mark.parametrize("verb", ["estimate", "correct"])
def test_a_folder_that_does_not_exist_is_refused(toy, prior, verb):
    args = {
        "estimate": ["-o", "no/out.json"],
        "correct": ["--prior", "prior.json", "-o", "no/out.npy"],
    }
    refuse(toy.folder, verb, "logits.npy", *args[verb], words=["no/out", "'no'", "does not exist"])


@pytest.mark.parametrize("verb", ["estimate", "correct"])
def test_an_output_that_is_a_folder_is_refused(toy, prior, verb):
    (toy.folder / "out.npy").mkdir()
    args = {"estimate": [], "correct": ["--prior", "prior.json"]}
    refuse(
        toy.folder, verb, "logits.npy", *args[verb], "-o", "out.npy", words=["out.npy", "folder"]
    )


def test_rows_of_files_that_cannot_be_joined_are_refused(toy, prior):
    toy.save("a.npy", toy.logits[:100].reshape(10, 10, 5))
    toy.save("b.npy", toy.logits[100:].reshape(10, 20, 5))
    refuse(toy.folder, "correct", "a.npy", "b.npy", "--class-axis", 2, "--prior", "prior.json",
           "-o", "out.npy", words=["a.npy", "b.npy"])  # fmt: skip


def test_an_unwritable_folder_is_refused(toy, prior):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    (toy.folder / "locked").mkdir(mode=0o500)
    refuse(toy.folder, "correct", "logits.npy", "--prior", "prior.json", "-o", "locked/out.npy",
           words=["locked/out.npy", "permission"])  # fmt: skip


def test_correct_refuses_json_and_scores_on_one_stream(toy, prior):
    outcome = attempt("correct", "logits.npy", "--prior", "prior.json", "-o", "-", "--json",
                      cwd=toy.folder)  # fmt: skip
    assert outcome.code == 2 and outcome.bytes == b""
