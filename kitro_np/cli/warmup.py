"""Command warmup."""

from __future__ import annotations

from ..api import warmup
from ..body.model import KERNEL_DTYPES
from ..refinement.method import METHODS
from .exit_status import ExitStatus
from .info import kernel_cache
from .parser import Commands, Options, add_command
from .progress import elapsed_time
from .voice import remark

DTYPES = tuple(dtype.name for dtype in KERNEL_DTYPES)


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(commands, "warmup", run, "compile the kernels now", reads_files=False)
    add = command.add_argument
    add(
        "--method",
        action="append",
        metavar="NAME",
        help=f"one of {', '.join(METHODS)}; can be repeated (default: map and kitro)",
    )
    add(
        "--dtype",
        action="append",
        metavar="NAME",
        help=f"one of {', '.join(DTYPES)}; can be repeated (default: both)",
    )


def run(options: Options) -> int:
    """Compile the kernels and cache them on disk, so that no later call has to."""
    dtypes = options.dtype or DTYPES
    methods = {"methods": options.method} if options.method else {}
    with elapsed_time("compile"):
        warmup(**methods, dtypes=dtypes)
    remark(f"compiled kernels: {kernel_cache()}")
    return ExitStatus.DONE
