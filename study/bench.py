"""What a cell works with: the project's programs, the data, a folder that outlasts a run."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import tarfile
from dataclasses import dataclass
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]

#: The images, by the name of their archive in the folder of --data. They are not part of the
#: repository.
ARCHIVES = {"cifar10": "cifar10-jpeg.tar.xz", "tiny": "tinyimagenet32-a.tar.xz"}


class MissingError(Exception):
    """What a cell needs is not on this machine; the sentence says what, and how to get it."""


@dataclass(frozen=True)
class Bench:
    """The programs and folders that cells use.

    Parameters
    ----------
    command
        p2p; p2p-train lies beside it or is named by P2P_TRAIN.
    work
        Runs and unpacked data; may be deleted, at the price of the time to make them again.
    data
        Where the archives of images are.
    """

    command: pathlib.Path
    work: pathlib.Path
    data: pathlib.Path

    def p2p(self, *arguments: object) -> str:
        """Runs p2p; its standard output. A failure ends the study with what p2p said."""
        words = [str(self.command), *map(str, arguments)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: exit {done.returncode}\n{done.stderr}")
        return done.stdout

    def ask(self, *arguments: object) -> Any:
        """What p2p answers with --json."""
        return json.loads(self.p2p(*arguments, "--json"))

    def train(self, *arguments: object) -> None:
        """Runs p2p train in sight; a run that was stopped goes on."""
        words = [str(self.command), "train", *map(str, arguments), "--resume"]
        subprocess.run(words, check=True)

    def version(self) -> str:
        return self.p2p("--version").split()[-1]

    def images(self, name: str) -> pathlib.Path:
        """The unpacked folder of a set of ARCHIVES."""
        folder = self.work / "data" / name
        if folder.exists():
            return folder
        archive = self.data / ARCHIVES[name]
        if not archive.exists():
            raise MissingError(f"{archive} is not there; --data names the folder that holds it")
        part = folder.with_name(f"{name}.part-{os.getpid()}")
        with tarfile.open(archive) as opened:
            opened.extractall(part, filter="data")
        part.rename(folder)
        return folder
