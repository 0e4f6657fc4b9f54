"""Judge servers that are running and publish their reports here, with the matrix of all.

    python reports/examples/make.py llama.cpp=http://127.0.0.1:8080/v1 vLLM=http://127.0.0.1:8000/v1

Each is judged by the reference profile, one after the other. A folder keeps the page, the summary and the badge; the results documents, which are
large and hold nothing that the pages lack, are merged into the matrix and left in `reports/latest/`. Where only one server can run at a time, a
name without a URL takes what an earlier call left there, and a recording is judged in the place of a server that can't be had, and is called by
the version that stands in the file beside it:

    python reports/examples/make.py llama.cpp vLLM new-api=fixtures/recordings/new-api.jsonl.xz

A key comes from $COMPLETIONS_API_KEY.
"""

from __future__ import annotations

import lzma
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from conformance.contract.yaml_files import read_yaml

HERE = Path(__file__).parent
LATEST = HERE.parent / "latest"
ROOT = HERE.parent.parent
PUBLISHED = ("index.html", "summary.md", "badge.svg")


def judge(name: str, url: str) -> None:
    """Judge one server, or a packed recording of one; the report goes to `reports/latest/NAME`."""
    if not url.endswith(".xz"):
        judge_by(name, f"--target-url={url}")
        return
    triage = read_yaml(Path(url.removesuffix(".jsonl.xz") + ".yaml"))
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "exchanges.jsonl"
        recording.write_bytes(lzma.decompress(Path(url).read_bytes()))
        judge_by(name, f"--replay={recording}", version=triage["version"])


def judge_by(name: str, source: str, *, version: str = "") -> None:
    """Judge what the option `source` names; the pages call it by its name and version."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        source,
        f"--name={f'{name}, {version}' if version else name}",
        f"--report={LATEST / name}",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    subprocess.run(command, cwd=ROOT, check=False)  # noqa: S603 - our own command; status 1 says that something fails


def publish(name: str) -> Path:
    """Copy what is worth publishing of a report; the results document."""
    (HERE / name).mkdir(exist_ok=True)
    for file in PUBLISHED:
        shutil.copyfile(LATEST / name / file, HERE / name / file)
    return LATEST / name / "results.json"


def main(targets: list[str]) -> int:
    """Judge each `NAME=URL`, publish it and each `NAME`, then merge."""
    if not targets or any(target.startswith("-") for target in targets):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    documents = []
    for name, _, url in (target.partition("=") for target in targets):
        if url:
            judge(name, url)
        documents.append(str(publish(name)))
    if len(documents) == 1:
        return 0
    command = [sys.executable, "-m", "conformance", "merge", *documents, "-o", str(HERE / "matrix")]
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - our own command


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
