"""A cell of the study: what is measured, under a name, and the file that keeps its numbers."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench import ROOT, Bench

RESULTS = ROOT / "study" / "results"


@dataclass(frozen=True)
class Cell:
    """One measurement.

    Parameters
    ----------
    name
        Of its file in study/results.
    options
        All that its numbers depend on beside the program, as JSON. `revision` counts changes of
        what `measure` measures.
    measure
        Makes the numbers, as JSON; `options` and the bench are all that it looks at.
    """

    name: str
    options: Mapping[str, Any]
    measure: Callable[[Bench, Mapping[str, Any]], Mapping[str, Any]]

    @property
    def file(self) -> pathlib.Path:
        return RESULTS / f"{self.name}.json"

    def key(self, version: str) -> str:
        """Digest of the options and of the program's version: other numbers need another key."""
        text = json.dumps([version, self.options], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def stored(self) -> dict[str, Any] | None:
        """The kept numbers with key, version and options; None when there are none."""
        if not self.file.exists():
            return None
        kept: dict[str, Any] = json.loads(self.file.read_text())
        return kept

    def kept(self) -> dict[str, Any]:
        """The same; LookupError when there are none."""
        if (stored := self.stored()) is not None:
            return stored
        raise LookupError(
            f"cell {self.name} has no results; study/run --only {self.name} makes them"
        )

    def is_done(self, version: str) -> bool:
        kept = self.stored()
        return kept is not None and kept["key"] == self.key(version)

    def run(self, bench: Bench) -> dict[str, Any]:
        """Measures; what its file holds."""
        begin = time.monotonic()
        results = self.measure(bench, self.options)
        version = bench.version()
        return {
            "cell": self.name,
            "key": self.key(version),
            "version": version,
            "options": dict(self.options),
            "seconds": round(time.monotonic() - begin, 1),
            "results": rounded(results),
        }

    def keep(self, numbers: Mapping[str, Any]) -> None:
        """Writes the file when it is whole."""
        RESULTS.mkdir(parents=True, exist_ok=True)
        part = self.file.with_suffix(f".part-{os.getpid()}")
        part.write_text(json.dumps(numbers, indent=1) + "\n")
        part.rename(self.file)


def rounded(value: Any, digits: int = 6) -> Any:
    """Numbers to so many decimals, everywhere in a JSON value."""
    if isinstance(value, float):
        return round(value, digits)
    if isinstance(value, Mapping):
        return {key: rounded(inner, digits) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(inner, digits) for inner in value]
    return value
