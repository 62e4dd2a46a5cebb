"""Running the command and looking at what it did."""

import hashlib
import json
import os
import pathlib
import subprocess

SOURCE = pathlib.Path(os.environ.get("P2P_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
COMMAND = os.environ.get("P2P_COMMAND", str(SOURCE / "build" / "p2p"))
SAMPLE = SOURCE / "data" / "cifar10-lt100-resnet20-ce-mixup.npz"
LIMIT_SECONDS = 120


class Outcome:
    """Exit status and both streams of one run; stdout also as bytes."""

    def __init__(self, process):
        self.code = process.returncode
        self.bytes = process.stdout
        self.err = process.stderr.decode()

    @property
    def out(self):
        return self.bytes.decode()

    @property
    def json(self):
        """The only thing on stdout: one object."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    def __repr__(self):
        return f"exit {self.code}\n--- stdout\n{self.bytes[:2000]!r}\n--- stderr\n{self.err[:2000]}"


def attempt(*args, cwd=None, stdin=b"", env=None, **options):
    """Runs p2p, whatever comes of it."""
    process = subprocess.run(
        [COMMAND, *map(str, args)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        timeout=LIMIT_SECONDS,
        env={**os.environ, **(env or {})},
        **options,
    )
    return Outcome(process)


def p2p(*args, **options):
    """Runs p2p, which must succeed."""
    outcome = attempt(*args, **options)
    assert outcome.code == 0, outcome
    return outcome


def estimate(*args, output="prior.json", cwd, **options):
    """The prior file that p2p estimate writes, parsed."""
    p2p("estimate", *args, "-o", output, cwd=cwd, **options)
    return json.loads((pathlib.Path(cwd) / output).read_text())


def snapshot(folder):
    """Every name below a folder and what it holds; big files by their size."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        status = path.lstat()
        content = None
        if path.is_file() and status.st_size <= 1 << 20:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path.relative_to(folder))] = (status.st_ino, status.st_size, content)
    return found


def sentence(outcome):
    """The one line of an error, on stderr; nothing is on stdout."""
    lines = outcome.err.splitlines()
    assert len(lines) == 1, outcome
    assert lines[0].startswith("p2p: "), outcome
    assert outcome.bytes == b"", outcome
    return lines[0]


def refuse(folder, *args, words=(), code=3, **options):
    """p2p must refuse, in one sentence that holds all words, and leave the folder as it was."""
    before = snapshot(folder)
    outcome = attempt(*args, cwd=folder, **options)
    assert outcome.code == code, outcome
    text = sentence(outcome)
    for word in words:
        assert word in text, f"{word!r} is not said: {text}"
    assert snapshot(folder) == before, outcome
    return text


def refuse_twice(folder, *args, output, words=(), code=3, **options):
    """refuse() with no earlier output, then with one that must stay as it was."""
    folder = pathlib.Path(folder)
    assert not (folder / output).exists()
    refuse(folder, *args, "-o", output, words=words, code=code, **options)
    (folder / output).write_bytes(b"what an earlier run wrote")
    return refuse(folder, *args, "-o", output, words=words, code=code, **options)
