"""The kept secret, asked for by many processes at once."""

import subprocess
import sys
from pathlib import Path

PROCESSES = 8
ASK = """
import sys
from pathlib import Path
from mainstay.kernel.ops.secret import kept_secret

print("ready", flush=True)
sys.stdin.read()
print(kept_secret(Path(sys.argv[1])).decode())
"""


def test_processes_that_start_together_have_one_secret(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret_key"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ASK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(PROCESSES)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None  # communicate() would close it again
    told = {process.communicate(timeout=30)[0].strip() for process in processes}
    assert told == {path.read_text()}
    assert list(path.parent.iterdir()) == [path]
