"""p2p data: an archive that is not the official one is not kept."""

import pytest
from tiny_images import attempt, p2p, refuse

BYTES = 170_052_171


def test_an_archive_of_another_size_is_refused(tmp_path):
    archive = tmp_path / "wrong.tar.gz"
    archive.write_bytes(b"no archive")
    (tmp_path / "data").mkdir()
    refuse(tmp_path, "data", "cifar10", "data", "--from", f"file://{archive}", "--quiet",
           words=["wrong.tar.gz' has 10 bytes", f"expected {BYTES}", "--from"])  # fmt: skip


def test_an_archive_with_another_checksum_is_refused(tmp_path):
    archive = tmp_path / "wrong.tar.gz"
    with archive.open("wb") as file:
        file.truncate(BYTES)
    (tmp_path / "data").mkdir()
    refuse(tmp_path, "data", "cifar10", "data", "--from", f"file://{archive}", "--quiet",
           words=["wrong.tar.gz' is not the official archive of cifar10", "was removed", "SHA-256",
                  "c4a38c50a1bc5f3a"])  # fmt: skip


def test_an_archive_that_is_there_is_checked_too(tmp_path):
    archive = tmp_path / "data" / "cifar-10-binary.tar.gz"
    archive.parent.mkdir()
    archive.write_bytes(b"no archive")
    refuse(tmp_path, "data", "cifar10", "data", words=["'data/cifar-10-binary.tar.gz'", "SHA-256"])


def test_an_archive_that_is_not_there_is_named(tmp_path):
    (tmp_path / "data").mkdir()
    refuse(tmp_path, "data", "cifar100", "data", "--from", f"file://{tmp_path}/none.tar.gz",
           words=["cannot download", "none.tar.gz", "cifar-100-binary.tar.gz"])  # fmt: skip


@pytest.mark.parametrize("name", ["cifar", "mnist", "CIFAR10"])
def test_an_unknown_name_gets_the_known_ones(tmp_path, name):
    refuse(tmp_path, "data", name, "data", code=2, words=[f"'{name}'", "cifar10 or cifar100"])


def test_an_address_of_another_kind_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    refuse(tmp_path, "data", "cifar10", "data", "--from", "ftp://host/x", code=2,
           words=["'ftp://host/x'", "http://"])  # fmt: skip


def test_help_tells_names_and_options():
    text = p2p("data", "--help").out
    for word in ("NAME", "DIR", "cifar10", "cifar100", "--from URL"):
        assert word in text


def test_without_name_the_help_is_pointed_to():
    outcome = attempt("data")
    assert outcome.code == 2
    assert "p2p data --help" in outcome.err
