"""Descriptions of packages: which are used, and how their words become pixels."""

import hashlib

import numpy as np
import page
import text

DUMP = """\
Package: libfoo1
Source: foo (1.2-3)
Section: libs
Description: Foo library, for C++
Depends: libc6
Tag: role::shared-lib,
 use::fooing

Package: foo-doc
Source: foo
Section: non-free/doc
Description: documentation of Foo

Package: bar
Section: utils
Description: bar

Package: bar
Section: utils
Description: an older bar

Package: nothing
Section: utils
"""


def test_the_first_paragraph_of_each_package_counts():
    assert text.packages(DUMP) == [
        ("libfoo1", "foo", "libs", "Foo library, for C++"),
        ("foo-doc", "foo", "doc", "documentation of Foo"),
        ("bar", "bar", "utils", "bar"),
    ]


def test_one_package_of_each_source_is_left():
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("libfoo1", "foo-doc")}
    expected = ["bar", min(digests, key=digests.get)]
    assert [p.name for p in text.one_of_each_source(text.packages(DUMP))] == expected


def test_small_sections_are_left_out():
    assert [p.name for p in text.of_large_sections(text.packages(DUMP), 2)] == []
    assert len(text.of_large_sections(text.packages(DUMP), 1)) == 3


def test_packages_of_one_source_are_on_one_side_of_the_split():
    a, b, _ = text.packages(DUMP)
    for share in (0.1, 0.5, 0.9):
        assert text.is_test(a, share) == text.is_test(b, share)
    sides = [text.is_test(text.Package("", str(k), "", ""), 0.25) for k in range(4000)]
    assert abs(np.mean(sides) - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 4000)


def test_words_and_pairs_of_words_are_hashed():
    def bucket(words):
        return int(hashlib.sha256(words.encode()).hexdigest()[:16], 16) % 64

    expected = {bucket(w) for w in ("foo", "library", "c++", "foo library", "library c++")}
    pixels = text.hashed("Foo: library / C++", 64)
    assert set(np.flatnonzero(pixels)) == expected
    assert set(pixels) <= {0, 255}


def test_idx_files_are_those_of_mnist(tmp_path):
    pixels = np.arange(8, dtype=np.uint8).reshape(2, 4)
    text.write_idx(tmp_path, "train", pixels, [7, 3])
    images = (tmp_path / "train-images-idx3-ubyte").read_bytes()
    assert images.hex() == "000008030000000200000002000000020001020304050607"
    assert (tmp_path / "train-labels-idx1-ubyte").read_bytes().hex() == "00000801000000020703"


def test_the_section_shows_every_table():
    import text_tables

    values, used = text_tables.tables(), set()
    page.filled((page.SECTIONS / "text.md").read_text(), values, used)
    assert used == values.keys()
