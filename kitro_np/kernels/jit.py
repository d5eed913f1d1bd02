"""How kernels are compiled: once for each dtype, with as little around them as possible."""

from __future__ import annotations

import hashlib
import logging
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

from numba import config, njit, types
from numba.core.caching import FunctionCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import AnalysisPass, register_pass
from numba.core.typed_passes import AnnotateTypes, InlineOverloads, NopythonRewrites
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_global
from numba.core.untyped_passes import InlineClosureLikes

_LOG = logging.getLogger("kitro_np")

AttributeTyping = AttributeTemplate
"""Base of classes for :func:`numba.extending.infer_getattr`."""

NEEDLESS = {InlineClosureLikes, InlineOverloads, NopythonRewrites}
"""Numba's passes for what no kernel has: closures, overloads to inline, array expressions."""

_TYPINGS: dict[Any, type[AbstractTemplate]] = {}


def typing_of(operation: Any, typer: Callable[..., Any]) -> None:
    """Teach Numba the type of an operation on types of ours.

    Parameters
    ----------
    operation : callable
        Of the module operator.
    typer : callable
        Takes the operands' types; returns a signature, or None for what is not ours.
    """

    class Typing(AbstractTemplate):
        key = operation

        def generic(self, args: Any, kws: Any) -> Any:
            return typer(*args)

    infer_global(operation)(Typing)
    _TYPINGS[operation] = Typing


@cache
def _ask_first(context: Any) -> None:
    """Have Numba ask our typings first: else it tries dozens of its own in vain for every sum of lanes."""
    context.refresh()
    for operation, typing in _TYPINGS.items():
        own = context.resolve_value_type(operation)
        rest = [other for other in own.templates if not issubclass(other, typing)]
        context._remove_global(operation)
        context.insert_global(operation, types.Function((typing, *rest)))


class _HeldLibrary(JITCodeLibrary):
    """Code of a kernel that kernels call: neither optimised nor translated before it is part of an entry's.

    Numba would do both for every kernel, and once more for all that a kernel calls.
    """

    def finalize(self) -> None:
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Return 0, for there is no machine code."""
        return 0

    @property
    def codegen(self) -> Any:
        """What would tell machine code where its environment is."""
        return _NoCode


class _NoCode:
    @staticmethod
    def set_env(name: str, env: Any) -> None:
        pass


class _WholeLibrary(JITCodeLibrary):
    """Code of an entry and of all that it calls, however indirectly: optimised and translated as a whole."""

    def finalize(self) -> None:
        whole: dict[Any, None] = {}
        queue = list(self._linking_libraries)
        while queue:
            library = queue.pop()
            if library not in whole:
                whole[library] = None
                queue += library._linking_libraries
        self._linking_libraries = list(whole)
        super().finalize()


def _compiler_with(library_class: type[JITCodeLibrary]) -> type[CompilerBase]:
    """Return Numba's compiler, but for where the code goes."""

    @register_pass(mutates_CFG=False, analysis_only=True)
    class ChooseLibrary(AnalysisPass):
        _name = f"kitro_np{library_class.__name__}"

        def __init__(self) -> None:
            AnalysisPass.__init__(self)

        def run_pass(self, state: Any) -> bool:
            state.library = library_class(state.targetctx.codegen(), state.func_id.func_qualname)
            state.library.enable_object_caching()
            return False

    class Compiler(CompilerBase):
        def define_pipelines(self) -> list[Any]:
            _ask_first(self.state.typingctx)
            passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
            passes.passes = [own for own in passes.passes if own[0] not in NEEDLESS]
            passes.add_pass_after(ChooseLibrary, AnnotateTypes)
            passes.finalize()
            return [passes]

    return Compiler


# The options below are not in Numba's type stubs. Plain numbers may fuse a multiply and an add, as lanes do.
_compile: Any = partial(njit, _nrt=False, no_cfunc_wrapper=True, fastmath={"contract"})

kernel = _compile(no_cpython_wrapper=True, pipeline_class=_compiler_with(_HeldLibrary))
"""A function that entries and other kernels call. Nothing here allocates, so reference counting is left out;
it is never called from Python, so no wrapper is made for that."""

uncached_entry = _compile(nogil=True, pipeline_class=_compiler_with(_WholeLibrary))
"""A function that Python calls, and that may call kernels; it lets go of the GIL. A function that Numba
compiles in its own way cannot call kernels."""


def entry(function: Callable[..., Any]) -> Any:
    """Compile a kernel that Python calls, and keep its machine code on disk.

    The code is kept beside this file or, where that cannot be written, in the user's cache folder;
    ``NUMBA_CACHE_DIR`` overrides both. Where no folder can be written at all, every process compiles anew.
    """
    dispatcher = uncached_entry(function)
    if not config.DISABLE_JIT:  # type: ignore[attr-defined]
        try:
            dispatcher._cache = _KernelCache(function)
        except RuntimeError:
            warnings.warn(
                "kitro_np compiles its kernels anew in every process: it found no folder to keep them in. "
                "Set NUMBA_CACHE_DIR to a folder that can be written.",
                RuntimeWarning,
                stacklevel=2,
            )
    return dispatcher


class _KernelCache(FunctionCache):
    """Numba's cache on disk, valid for the sources of all kernels.

    Numba itself looks at the file of the entry alone, and would go on using machine code whose helpers
    have changed in other files.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file._source_stamp = _all_sources()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return machine code that is kept; where there is none, tell that it is compiled now."""
        try:
            code = super().load_overload(sig, target_context)
        except Exception:  # an index that another version wrote names classes that are gone, or is damaged
            code = None
            with suppress(OSError):
                self._cache_file.flush()
        if code is None:
            _tell_of_compiling()
        return code


@cache
def _tell_of_compiling() -> None:
    """Tell once a process why the first call takes its time: to the log, or a terminal that has none."""
    line = "Compiling kernels, once on this machine: some seconds (kitro-np warmup does it ahead of time)."
    _LOG.info(line)
    if not _LOG.hasHandlers() and sys.stderr is not None and sys.stderr.isatty():
        print(f"kitro_np: {line}", file=sys.stderr)


CONSTANTS_FROM = (
    "refinement/validity.py",
    "adam.py",
    "keypoints/visibility.py",
    "posterior/priors.py",
    "posterior/fit.py",
    "posterior/acceptance.py",
)
"""Modules of the package whose constants are compiled into kernels."""


@cache
def _all_sources() -> str:
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in (*sorted(folder.rglob("*.py")), *(folder.parent / name for name in CONSTANTS_FROM)):
        digest.update(path.read_bytes())
    return digest.hexdigest()
