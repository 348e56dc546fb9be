"""Keep freed memory for the next step, which makes a step on the CPU up to twice as fast.

By default glibc returns large tensors to the system as soon as they are freed, so that every step pays for fresh pages.
Here it is told to take them from its heap and never to shrink the heap.
"""

import ctypes
import platform

# parameters of mallopt(3)
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
PAD = 64 << 20  # bytes that the heap grows by at least


def keep_freed_memory() -> None:
    """Tell malloc to keep freed memory, for the rest of the process; only where the C library is glibc."""
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(MMAP_MAX, 0)
    mallopt(TRIM_THRESHOLD, -1)
    mallopt(TOP_PAD, PAD)
