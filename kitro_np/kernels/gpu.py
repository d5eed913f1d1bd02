"""GPU: the same kernels, with one thread per lane.

Kernels access bodies only by the functions of lanes.py. On a GPU these functions return a single float, that
of the thread's body, and numba-cuda compiles each kernel from its Python source: the mathematics is stated
once. A tile's rows are as long as there are threads, so that memory access is coalesced.
"""

from __future__ import annotations

import dis
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from importlib import import_module
from types import CodeType, FunctionType
from typing import Any

import numpy as np
from numba import config

from . import lanes

SIMULATED = bool(config.ENABLE_CUDASIM)
"""Whether numba simulates a GPU, by threads of the interpreter."""


@contextmanager
def removed_names(numpy: Any = np) -> Iterator[None]:
    """Give NumPy a name back for a while: numba-cuda 0.30 looks it up, and NumPy 2.5 has it no more."""
    if hasattr(numpy, "row_stack"):
        yield
        return
    numpy.row_stack = numpy.vstack
    try:
        yield
    finally:
        del numpy.row_stack


with warnings.catch_warnings(), removed_names():
    # numba-cuda 0.30 uses what NumPy 2.5 deprecates: https://github.com/NVIDIA/numba-cuda
    warnings.simplefilter("ignore", DeprecationWarning)
    from numba import cuda

    if not SIMULATED:
        import_module("numba.cuda.np.arrayobj")  # else imported at the first compilation

WARP = 32
"""Threads that a GPU runs in lockstep: lanes of a tile, and threads of a block."""


@cache
def compile_for_gpu(entry: Callable[..., Any], dtype: np.dtype[Any]) -> Any:
    """Return a kernel to launch on a GPU, in one dtype.

    Parameters
    ----------
    entry : function
        A kernel of this package that Python calls.
    dtype : dtype
        float32 or float64. All float literals of the kernels are converted to it: Numba types a literal as
        double, which would promote the expressions that it is part of.

    Returns
    -------
    CUDADispatcher
    """
    source = _Port(np.dtype(dtype).type).source(entry)
    if not SIMULATED:
        return cuda.jit(source)

    def simulated(*arguments):
        source(*arguments)

    # The simulator gives a launch's `cuda` to the module that the launched function is of: this one.
    return cuda.jit(simulated)


class _Port:
    """Kernels as GPU device functions, each ported once."""

    def __init__(self, number: type[np.floating[Any]]) -> None:
        self._number = number
        functions = lane_functions(number)
        self._ported = {id(getattr(lanes, name)): function for name, function in functions.items()}

    def source(self, kernel: Any) -> Any:
        """Return a kernel's Python function with GPU lane functions and literals of the dtype."""
        python = getattr(kernel, "py_func", kernel)
        code = python.__code__
        own = python.__globals__
        names = {name: self._value(own[name]) for name in _global_names(code) if name in own}
        code = code.replace(co_consts=tuple(map(self._value, code.co_consts)))
        return FunctionType(code, {**names, "__builtins__": own["__builtins__"]}, python.__name__)

    def _value(self, value: Any) -> Any:
        if type(value) is float:
            return self._number(value)
        if type(value) is tuple:
            return tuple(map(self._value, value))
        if id(value) in self._ported:
            return self._ported[id(value)]
        python = getattr(value, "py_func", value)
        if isinstance(python, FunctionType) and python.__module__.startswith(f"{__package__}."):
            self._ported[id(value)] = _device_function(self.source(value))
            return self._ported[id(value)]
        return value


def _global_names(code: CodeType) -> set[str]:
    """Return the globals that code reads; its co_names has attributes too, such as `memory.covariance`."""
    return {line.argval for line in dis.get_instructions(code) if line.opname == "LOAD_GLOBAL"}


def _device_function(python: Any) -> Any:
    """Return a function that kernels call; in the simulator it is itself, which takes a third of the time."""
    if SIMULATED:
        return python
    # Inlined: a call saves registers to memory.
    compiled: Any = cuda.jit
    return compiled(device=True, forceinline=True)(python)


def lane_functions(number: type[np.floating[Any]]) -> dict[str, Any]:
    """Return the functions of lanes.py for one thread's float, by name."""
    rounding = number(np.finfo(number).eps)

    @_device_function
    def load(tile, row):
        return tile[row, cuda.threadIdx.x]

    @_device_function
    def store(tile, row, value):
        tile[row, cuda.threadIdx.x] = value

    @_device_function
    def full(tile, value):
        return number(value)

    @_device_function
    def where(mask, chosen, other):
        return number(chosen) if mask else number(other)

    @_device_function
    def epsilon(value):
        return rounding

    @_device_function
    def own_lanes(rows, count):
        return range(cuda.threadIdx.x, min(cuda.threadIdx.x + 1, count))

    @_device_function
    def own_tiles(rows, first, last):
        step = cuda.blockDim.x
        return range(first + step * cuda.blockIdx.x, last, step * cuda.gridDim.x)

    def of_math(function):
        @_device_function
        def over_lane(value):
            return number(function(value))

        return over_lane

    names = {"sqrt": "sqrt", "sin": "sin", "cos": "cos", "log": "log", "absolute": "fabs"}
    functions = {name: getattr(math, other) for name, other in names.items()}
    if SIMULATED:  # Python's functions would refuse a negative number
        functions = {name: partial(getattr(np, other), dtype=np.float64) for name, other in names.items()}
    return {
        **{name: of_math(function) for name, function in functions.items()},
        "load": load, "store": store, "full": full, "where": where, "epsilon": epsilon,
        "own_lanes": own_lanes, "own_tiles": own_tiles,
    }  # fmt: skip
