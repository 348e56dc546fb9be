import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import resource, torch
from minimoe.system.memory import keep_freed_memory
keep_freed_memory()
for _ in range(30):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.empty(1 << 24).fill_(1.0)  # 64 MiB
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults)
"""


def test_a_freed_tensors_memory_is_used_again():
    """64 MiB are 16384 pages of 4 KiB: mapped anew, each would be a page fault."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000
