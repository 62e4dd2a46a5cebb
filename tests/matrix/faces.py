"""The two faces of p2p that a case goes through: the command, and the Python package."""

import json
import os
import pathlib
import subprocess
import warnings

import numpy as np
from case import CLASS_AXIS, bfloat16_bits, flattened

SOURCE = pathlib.Path(os.environ.get("P2P_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
COMMAND = os.environ.get("P2P_COMMAND", str(SOURCE / "build-test" / "p2p"))


class RefusedError(Exception):
    """One sentence, with exit status 2 or 3."""


def method_of(options):
    return (
        ("match", "target")
        if options["method"] == "match target"
        else (options["method"], "source")
    )


def wanted(options):
    """The evidence a case gives: names of its Rows."""
    return {"none": (), "all": ("holdout", "unlabelled")}.get(
        options["evidence"], (options["evidence"],)
    )


class Python:
    """prior2posterior in this process."""

    has_parts = False
    divides_by_temperature = True

    def __init__(self, case):
        import prior2posterior as p2p

        warnings.simplefilter("ignore", p2p.PriorWarning)
        self.p2p, self.case, self.o = p2p, case, case.options
        self.read = {"class_axis": CLASS_AXIS[self.o["shape"]], "input": self.o["kind"]}

    def _array(self, rows, flat=False):
        stored = rows.stored
        if self.o["dtype"] == "bfloat16":
            import ml_dtypes

            stored = stored.astype(ml_dtypes.bfloat16)
        array = stored if flat else self.case.shaped(stored)
        if self.o["order"] == "F":
            return np.asfortranarray(array)
        if self.o["order"] == "swapped":
            return array.astype(array.dtype.newbyteorder())
        return np.ascontiguousarray(array)

    def _call(self, function, *args, **kwargs):
        try:
            return function(*args, **kwargs)
        except self.p2p.Error as error:
            raise RefusedError(str(error)) from None

    def _blocks(self, rows, labels):
        array = self._array(rows)
        if self.o["split"] == "whole":
            return array, labels
        return [array[: len(array) // 2], array[len(array) // 2 :]], labels

    def _labels(self, labels):
        """As positions, in the shape of the scores without the class axis."""
        return labels

    def estimate(self):
        o, case = self.o, self.case
        scores, labels = self._blocks(case.train, case.train_labels)
        loss = o["trained_with"]
        self.prior = self._call(
            self.p2p.estimate_prior,
            scores,
            counts=case.counts,
            labels=labels if o["labels"] else None,
            trained_with=(loss, case.values) if loss in ("weights", "offset") else loss,
            temperature=o["temperature"],
            smoothing=o["smoothing"],
            pool=o["pool"],
            ignore_index=o["ignore"],
            exclude=case.exclude,
            iterate=o["iterate"],
            **self.read,
        )
        return json.loads(self.prior.to_json())

    def correct(self):
        o, case = self.o, self.case
        method, match_to = method_of(o)
        evidence = {name: self._array(getattr(case, name)) for name in wanted(o)}
        if "holdout" in evidence:
            evidence["holdout_labels"] = case.holdout.labels
        if method == "gla" and "holdout" in evidence:
            evidence["holdout_second"] = self._array(case.second)
        target = case.given if o["target"].startswith("given") else o["target"]
        if method == "gla" and o["kind"] != "logits":
            self.read = {**self.read, "input": "auto"}
        found = self._call(
            self.p2p.make_correction,
            self.prior,
            target=target,
            method=method,
            strength=o["strength"],
            match_to=match_to,
            **evidence,
            **self.read,
        )
        second = {"second": self._array(case.test_second)} if method == "gla" else {}
        scores = self._call(
            self.p2p.correct,
            self._array(case.test),
            found,
            output=o["output"],
            **second,
            **self.read,
        )
        report = {
            **found.to_dict(),
            "method": found.method,
            "strength": found.strength,
            "selection": found.selection,
        }
        return report, self._flat(np.asarray(scores))

    def _flat(self, scores):
        return (
            scores.reshape(-1)
            if self.o["output"] == "labels"
            else flattened(scores, self.o["shape"])
        )

    def inspect(self):
        return self._call(self.p2p.inspect, self.prior).to_dict()

    def evaluate(self):
        o, case = self.o, self.case
        return self._call(
            self.p2p.evaluate,
            self._array(case.test),
            case.test_labels,
            counts=case.counts,
            temperature=o["temperature"],
            ignore_index=o["ignore"],
            exclude=case.exclude,
            **self.read,
        ).to_dict()


class Command:
    """p2p in processes of its own, on files in a folder."""

    has_parts = True
    divides_by_temperature = False

    def __init__(self, case, folder):
        self.case, self.o, self.folder = case, case.options, pathlib.Path(folder)
        self.read = ["--input", self.o["kind"]]
        axis = CLASS_AXIS[self.o["shape"]]
        if axis is not None:
            self.read += ["--class-axis", str(axis)]
        if self.case.exclude:
            self.exclude = ["--exclude", *map(str, self.case.exclude)]
        else:
            self.exclude = []

    def _run(self, *args):
        process = subprocess.run(
            [COMMAND, *map(str, args)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "P2P_NO_FSYNC": "1"},
        )
        if process.returncode in (2, 3):
            lines = [line for line in process.stderr.splitlines() if line.startswith("p2p: ")]
            assert lines, process
            assert not process.stdout, process
            raise RefusedError(f"exit {process.returncode}: {lines[-1]}")
        assert process.returncode == 0, (args, process)
        return json.loads(process.stdout)

    def _save(self, name, array):
        np.save(self.folder / name, array)
        return name

    def _scores(self, name, stored):
        o, path = self.o, self.folder / name
        array = self.case.shaped(stored)
        if o["container"] == "csv":
            np.savetxt(f"{path}.csv", array.astype(np.float64), delimiter=",", fmt="%.17g")
            return f"{name}.csv"
        if o["container"] == "safetensors":
            kind = {"bfloat16": "BF16", "float16": "F16", "float32": "F32", "float64": "F64"}[
                o["dtype"]
            ]
            data = (
                bfloat16_bits(array) if kind == "BF16" else np.ascontiguousarray(array)
            ).tobytes()
            header = json.dumps(
                {"x": {"dtype": kind, "shape": array.shape, "data_offsets": [0, len(data)]}}
            ).encode()
            (self.folder / f"{name}.safetensors").write_bytes(
                len(header).to_bytes(8, "little") + header + data
            )
            return f"{name}.safetensors"
        if o["order"] == "F":
            array = np.asfortranarray(array)
        elif o["order"] == "swapped":
            array = array.astype(array.dtype.newbyteorder())
        else:
            array = np.ascontiguousarray(array)
        if o["container"] == "npz":
            np.savez(f"{path}.npz", x=array)
            return f"{name}.npz"
        return self._save(f"{name}.npy", array)

    def estimate(self):
        o, case = self.o, self.case
        stored, labels = case.train.stored, case.train_labels
        half = len(stored) // case.positions // 2 * case.positions
        cuts = [slice(None)] if o["split"] == "whole" else [slice(0, half), slice(half, None)]
        args = [self._scores(f"train{i}", stored[cut]) for i, cut in enumerate(cuts)]
        args += [
            "--temperature",
            o["temperature"],
            "--smoothing",
            o["smoothing"],
            *self.read,
            *self.exclude,
            "--json",
        ]
        if o["smoothing"] == 0:
            args.remove("--smoothing"), args.remove(0.0)
        if case.counts is not None:
            args += ["--counts", self._save("counts.npy", case.counts)]
        if o["labels"]:
            for i, cut in enumerate(cuts):
                args += ["--labels", self._save(f"labels{i}.npy", labels[cut])]
        if o["ignore"] is not None:
            args += ["--ignore-index", o["ignore"]]
        loss = o["trained_with"]
        if loss in ("weights", "offset"):
            loss += ":" + self._save("values.npy", case.values)
        args += ["--trained-with", loss]
        if o["iterate"]:
            args.append("--iterate")
        if o["pool"]:
            args.append("--pool")
        if o["split"] == "parts":
            for k in (1, 2):
                self._run("estimate", *args, "--part", f"{k}/2", "-o", f"part{k}.json")
            self._run("merge", "part2.json", "part1.json", "-o", "prior.json", "--json")
        else:
            self._run("estimate", *args, "-o", "prior.json")
        return json.loads((self.folder / "prior.json").read_text())

    def correct(self):
        o, case = self.o, self.case
        method, match_to = method_of(o)
        read = list(self.read)
        if method == "gla" and o["kind"] != "logits":
            read[:2] = []
        args = [
            self._scores("test", case.test.stored),
            "--prior",
            "prior.json",
            "--method",
            method,
            "--strength",
            o["strength"],
            *read,
            "--json",
        ]
        if method == "match":
            args += ["--match-to", match_to]
        for name in wanted(o):
            args += [f"--{name}", self._scores(name, getattr(case, name).stored)]
        if "holdout" in wanted(o):
            args += ["--holdout-labels", self._save("holdout_labels.npy", case.holdout.labels)]
        if method == "gla":
            args += ["--second", self._scores("test_second", case.test_second.stored)]
            if "holdout" in wanted(o):
                args += ["--holdout-second", self._scores("second", case.second.stored)]
        target = o["target"]
        if target.startswith("given"):
            target = self._save("target.npy", case.given)
        if target != "uniform":
            args += ["--target", target]
        if o["output"]:
            args += ["--output", o["output"]]
        found = self._run("correct", *args, "-o", "out.npy")
        scores = np.load(self.folder / "out.npy")
        return found, scores.reshape(-1) if o["output"] == "labels" else flattened(
            scores, o["shape"]
        )

    def inspect(self):
        return self._run("inspect", "prior.json", "--json")

    def evaluate(self):
        o, case = self.o, self.case
        args = [self._scores("test", case.test.stored), *self.read, *self.exclude, "--json"]
        args += ["--labels", self._save("test_labels.npy", case.test_labels)]
        if case.counts is not None:
            args += ["--counts", self._save("counts.npy", case.counts)]
        if o["ignore"] is not None:
            args += ["--ignore-index", o["ignore"]]
        return self._run("evaluate", *args)
