"""Judge servers that are running and publish their reports here, with the matrix of all.

    python reports/examples/make.py llama.cpp=http://127.0.0.1:8080/v1 vLLM=http://127.0.0.1:8000/v1

Each is judged by the reference profile, one after the other. A folder keeps the page, the summary and the badge; the results documents, which are
large and hold nothing that the pages lack, are merged into the matrix and left in `reports/latest/`. A key comes from $COMPLETIONS_API_KEY.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
LATEST = HERE.parent / "latest"
PUBLISHED = ("index.html", "summary.md", "badge.svg")


def judge(name: str, url: str) -> Path:
    """Judge one server and publish its report; the results document."""
    folder = LATEST / name
    command = [
        sys.executable,
        "-m",
        "pytest",
        f"--target-url={url}",
        f"--name={name}",
        f"--report={folder}",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    subprocess.run(command, cwd=HERE.parent.parent, check=False)  # noqa: S603 - status 1 says that something fails
    (HERE / name).mkdir(exist_ok=True)
    for file in PUBLISHED:
        shutil.copyfile(folder / file, HERE / name / file)
    return folder / "results.json"


def main(targets: list[str]) -> int:
    """Judge each `NAME=URL`, then merge."""
    if not targets or any("=" not in target for target in targets):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    documents = [str(judge(name, url)) for name, _, url in (target.partition("=") for target in targets)]
    command = [sys.executable, "-m", "conformance", "merge", *documents, "-o", str(HERE / "matrix")]
    return subprocess.run(command, cwd=HERE.parent.parent, check=False).returncode  # noqa: S603 - our own command


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
