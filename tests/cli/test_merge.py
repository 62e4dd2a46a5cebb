"""p2p merge: exact, and careful about what belongs together."""

import itertools
import json

import numpy as np
import pytest
from harness import estimate, p2p, refuse


@pytest.fixture
def big(tmp_path):
    """Five blocks of rows, in z.npy."""
    rng = np.random.default_rng(2)
    counts = np.array([9, 5, 3, 2, 1])
    np.save(tmp_path / "z.npy", (rng.normal(size=(20_000, 5)) + np.log(counts)).astype("f4"))
    np.save(tmp_path / "y.npy", rng.integers(0, 5, 20_000))
    np.save(tmp_path / "n.npy", counts)
    return tmp_path


def parts(folder, count, *options):
    names = []
    for part in range(1, count + 1):
        names.append(f"part{part}.json")
        estimate("z.npy", "--part", f"{part}/{count}", *options, cwd=folder, output=names[-1])
    return names


def merged(folder, *names):
    p2p("merge", *names, "-o", "merged.json", cwd=folder)
    return (folder / "merged.json").read_bytes()


@pytest.mark.parametrize(
    "options", [[], ["--counts", "n.npy"], ["--labels", "y.npy", "--counts", "n.npy"]]
)
def test_parts_merge_to_the_bytes_of_one_pass(big, options):
    estimate("z.npy", *options, cwd=big)
    assert merged(big, *parts(big, 3, *options)) == (big / "prior.json").read_bytes()


def test_the_order_of_parts_does_not_matter(big):
    names = parts(big, 3)
    assert len({merged(big, *order) for order in itertools.permutations(names)}) == 1


def test_merging_step_by_step_is_the_same(big):
    a, b, c = parts(big, 3)
    at_once = merged(big, a, b, c)
    merged(big, c, a)
    (big / "merged.json").rename(big / "ca.json")
    assert merged(big, "ca.json", b) == at_once


def test_more_parts_than_blocks_are_said_to_hold_no_rows(big):
    refuse(big, "estimate", "z.npy", "--part", "1/9", "-o", "x.json", code=2,
           words=["--part 1/9", "no rows", "at most 5 parts"])  # fmt: skip


def test_missing_parts_are_said(big):
    one, _, three, _ = parts(big, 4)
    outcome = p2p("merge", one, three, "-o", "m.json", "--json", cwd=big)
    assert "2, 4" in outcome.err
    assert "2, 4" in outcome.json["missing_parts"][0]


def test_a_complete_merge_misses_nothing(big):
    outcome = p2p("merge", *parts(big, 2), "-o", "m.json", "--json", cwd=big)
    assert outcome.json["missing_parts"] == []
    assert "missing" not in outcome.err


def test_inspect_says_that_parts_are_missing(big):
    one, _ = parts(big, 2)
    outcome = p2p("inspect", one, cwd=big)
    assert "1 of 2 parts missing: 2" in outcome.out


@pytest.fixture
def sorted_by_class(big):
    """Balanced rows in the order of their classes, and counts that they do not follow: n.npy."""
    y = np.repeat(np.arange(5), 4000)
    np.save(big / "z.npy", (8 * np.eye(5)[y] - 1).astype("f4"))
    np.save(big / "n.npy", np.array([900, 50, 30, 20, 10]))
    return big


def test_parts_are_not_compared_with_the_class_frequencies(sorted_by_class):
    outcome = p2p("estimate", "z.npy", "--counts", "n.npy", "--part", "1/2", "-o", "one.json",
                  "--json", cwd=sorted_by_class)  # fmt: skip
    assert all("far from the class frequencies" not in w for w in outcome.json["warnings"])
    found = p2p("inspect", "one.json", "--json", cwd=sorted_by_class).json["gap"]
    assert found["verdict"] == "unknown"
    assert "parts of the data set are missing" in found["explanation"]


def test_merge_compares_with_the_class_frequencies_once_complete(sorted_by_class):
    one, two, three = parts(sorted_by_class, 3, "--counts", "n.npy")
    said = "far from the class frequencies"
    some = p2p("merge", one, three, "-o", "m.json", "--json", cwd=sorted_by_class)
    assert said not in some.err and some.json["warnings"] == []
    whole = p2p("merge", "m.json", two, "-o", "all.json", "--json", cwd=sorted_by_class)
    assert said in whole.err and said in whole.json["warnings"][0]
    assert p2p("inspect", "all.json", "--json", cwd=sorted_by_class).json["gap"]["verdict"] == "gap"


def test_a_part_given_twice_is_refused(big):
    one, two = parts(big, 2)
    refuse(
        big,
        "merge",
        one,
        two,
        one,
        "-o",
        "m.json",
        words=["part 1 of 2", "z.npy", "part1.json", "twice"],
    )


def test_the_same_file_given_twice_is_refused(big):
    estimate("z.npy", cwd=big)
    refuse(big, "merge", "prior.json", "prior.json", "-o", "m.json", words=["z.npy", "twice"])


def test_different_cuts_of_one_file_are_refused(big):
    one, _ = parts(big, 2)
    (big / one).rename(big / "half.json")
    _, two, _ = parts(big, 3)
    refuse(big, "merge", "half.json", two, "-o", "m.json", words=["z.npy"])


def test_the_whole_and_a_part_are_refused(big):
    estimate("z.npy", cwd=big)
    one, _ = parts(big, 2)
    refuse(big, "merge", "prior.json", one, "-o", "m.json", words=["z.npy"])


@pytest.mark.parametrize(
    "options, said",
    [(["--counts", "n2.npy"], "counts"),
     (["--counts", "n.npy", "--trained-with", "la"], "offset"),
     (["--counts", "n.npy", "--temperature", "2"], "temperature"),
     (["--counts", "n.npy", "--classes", "names.txt"], "class names"),
     (["--counts", "n.npy", "--input", "log-probs"], "input"),
     ([], "counts")],
)  # fmt: skip
def test_priors_that_differ_are_refused(big, options, said):
    np.save(big / "n2.npy", np.array([9, 5, 3, 2, 2]))
    (big / "names.txt").write_text("ant\nbee\ncat\ndog\neel\n")
    z = np.load(big / "z.npy")
    estimate("z.npy", "--counts", "n.npy", cwd=big, output="a.json")
    if "log-probs" in options:
        z = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    np.save(big / "other.npy", z + (0 if "log-probs" in options else 1))
    estimate("other.npy", *options, cwd=big, output="b.json")
    refuse(big, "merge", "a.json", "b.json", "-o", "m.json", words=[said])


def test_the_files_of_priors_that_differ_are_named(big):
    estimate("z.npy", cwd=big, output="a.json")
    estimate("z.npy", "--temperature", 2, cwd=big, output="b.json")
    refuse(big, "merge", "a.json", "b.json", "-o", "m.json", words=["a.json", "b.json"])


def test_priors_of_different_files_are_pooled(big):
    z = np.load(big / "z.npy")
    np.save(big / "first.npy", z[:8192])
    np.save(big / "rest.npy", z[8192:])
    estimate("first.npy", cwd=big, output="a.json")
    estimate("rest.npy", cwd=big, output="b.json")
    whole = estimate("z.npy", cwd=big)
    found = json.loads(merged(big, "a.json", "b.json"))
    assert found["effective"] == whole["effective"]
    assert [entry["name"] for entry in found["inputs"]] == ["first.npy", "rest.npy"]


def test_one_prior_merges_to_itself(big):
    estimate("z.npy", cwd=big)
    assert merged(big, "prior.json") == (big / "prior.json").read_bytes()


@pytest.mark.parametrize("content", ["", "{}", "[]", "not json", '{"format": "p2p-prior"}',
                                     '{"format": "p2p-prior", "version": 1, "n_classes": 2}',
                                     '{"format": "p2p-prior", "version": 99}', "\x00\xff"])  # fmt: skip
@pytest.mark.parametrize("verb", ["merge", "inspect", "correct"])
def test_a_file_that_is_no_prior_is_refused(big, verb, content):
    (big / "odd.json").write_text(content, encoding="latin-1")
    args = {
        "merge": ["odd.json", "-o", "m.json"],
        "inspect": ["odd.json"],
        "correct": ["z.npy", "--prior", "odd.json", "-o", "m.npy"],
    }[verb]
    refuse(big, verb, *args, words=["odd.json"])


def test_a_prior_cut_short_is_refused(big):
    estimate("z.npy", cwd=big)
    text = (big / "prior.json").read_text()
    for length in range(0, len(text) - 2, 97):
        (big / "cut.json").write_text(text[:length])
        refuse(big, "merge", "cut.json", "-o", "m.json", words=["cut.json"])


def test_a_prior_with_damaged_sums_is_refused(big):
    prior = estimate("z.npy", cwd=big)
    prior["sums"]["posterior"][0] = "zz"
    (big / "odd.json").write_text(json.dumps(prior))
    refuse(big, "merge", "odd.json", "-o", "m.json", words=["odd.json"])


def test_weighted_priors_of_different_data_sets_are_refused(big):
    np.save(big / "z2.npy", np.load(big / "z.npy")[::-1])
    for name in ("z.npy", "z2.npy"):
        estimate(name, "--labels", "y.npy", "--counts", "n.npy", cwd=big, output=name + ".json")
    refuse(big, "merge", "z.npy.json", "z2.npy.json", "-o", "x.json",
           words=["weighted", "one data set", "all files at once"])  # fmt: skip


def test_the_same_rows_under_another_name_are_refused(big):
    (big / "copy.npy").write_bytes((big / "z.npy").read_bytes())
    for name in ("z.npy", "copy.npy"):
        estimate(name, cwd=big, output=name + ".json")
    refuse(big, "merge", "z.npy.json", "copy.npy.json", "-o", "x.json", words=["twice"])


def test_correcting_with_an_incomplete_prior_is_warned_of(big):
    one, _ = parts(big, 2)
    words = p2p("correct", "z.npy", "--prior", one, "-o", "c.npy", cwd=big).err
    assert "the prior is incomplete" in words
    assert "1 of 2 parts missing: 2" in words
