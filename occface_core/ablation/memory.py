"""Peak memory of a piece of work: of the GPU where it runs there, else of the process."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from types import TracebackType

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """Measure the highest memory in use within a `with` block, MB.

    On a GPU it is the memory that torch held; on Linux the resident memory of the process, whose mark the
    kernel resets when the block begins; elsewhere the highest since the process began.

    Attributes:
        megabytes: the peak, once the block has ended.
    """

    def __init__(self, device: str) -> None:
        self._cuda = device.startswith("cuda")
        self._device = device
        self.megabytes = 0.0

    def __enter__(self) -> PeakMemory:
        if self._cuda:
            import torch

            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            with contextlib.suppress(OSError):
                _RESET.write_text("5")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._cuda:
            import torch

            self.megabytes = torch.cuda.max_memory_allocated(self._device) / 1e6
        else:
            self.megabytes = _resident_peak()


def _resident_peak() -> float:
    with contextlib.suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    if sys.platform == "win32":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
