"""Write `constraints.txt`, the exact versions that `make` installs, from pyproject.toml: `make lock`.

One file for every platform and Python. torch is pinned without a build label and CUDA packages are left
out, because torch pins its own: so the same file serves the CPU and the CUDA build.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Resolve and write."""
    command = [
        "uv",
        "pip",
        "compile",
        "--universal",
        "--python-version",
        "3.11",
        "--no-header",
        "--no-annotate",
        "--quiet",
    ]
    environment = {**os.environ, "UV_FIND_LINKS": os.environ.get("UV_FIND_LINKS", "")}
    resolved = subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:], "--extra", "dev", "pyproject.toml"],
        cwd=ROOT, env=environment, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    lines = [
        line
        for line in resolved.splitlines()
        if not re.match(r"(nvidia-|cuda-|triton|torch==|--)", line) and line.strip()
    ]
    (ROOT / "constraints.txt").write_text("\n".join(sorted([*lines, "torch==2.13.0"])) + "\n")


if __name__ == "__main__":
    main()
