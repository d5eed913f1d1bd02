"""Compilation of kernels: once per dtype, with as little overhead as possible."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from numba import config, njit, typeof, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import AnalysisPass, register_pass
from numba.core.typed_passes import AnnotateTypes, InlineOverloads, NopythonRewrites
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_global
from numba.core.untyped_passes import InlineClosureLikes

from .cache import KernelCache, warn_of_compiling_anew

AttributeTyping = AttributeTemplate
"""Base of classes for :func:`numba.extending.infer_getattr`."""

UNUSED_PASSES = {InlineClosureLikes, InlineOverloads, NopythonRewrites}
"""Numba's passes for constructs that no kernel has: closures, inlined overloads, array expressions."""

_TYPINGS: dict[Any, type[AbstractTemplate]] = {}


def typing_of(operation: Any, typer: Callable[..., Any]) -> None:
    """Register the type of an operation on this package's types with Numba.

    Parameters
    ----------
    operation : callable
        From the module operator.
    typer : callable
        Takes the operands' types; returns a signature, or None for other types.
    """

    class Typing(AbstractTemplate):
        key = operation

        def generic(self, args: Any, kws: Any) -> Any:
            return typer(*args)

    infer_global(operation)(Typing)
    _TYPINGS[operation] = Typing


@cache
def _try_own_typings_first(context: Any) -> None:
    """Put this package's typings first: else Numba tries dozens of its own for every sum of lanes."""
    context.refresh()
    for operation, typing in _TYPINGS.items():
        own = context.resolve_value_type(operation)
        rest = [other for other in own.templates if not issubclass(other, typing)]
        context._remove_global(operation)
        context.insert_global(operation, types.Function((typing, *rest)))


class _KernelLibrary(JITCodeLibrary):
    """Code of a kernel: optimised and translated to machine code only as part of an entry's.

    Numba would do both for every kernel, and again for every kernel that it calls.
    """

    def finalize(self) -> None:
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Return 0, since there is no machine code."""
        return 0

    @property
    def codegen(self) -> Any:
        """Stand-in for the codegen, which would set the machine code's environment."""
        return _NoCode


class _NoCode:
    @staticmethod
    def set_env(name: str, env: Any) -> None:
        pass


class _EntryLibrary(JITCodeLibrary):
    """Code of an entry and all kernels that it calls, directly or not: optimised and translated together."""

    def finalize(self) -> None:
        reachable: dict[Any, None] = {}
        queue = list(self._linking_libraries)
        while queue:
            library = queue.pop()
            if library not in reachable:
                reachable[library] = None
                queue += library._linking_libraries
        self._linking_libraries = list(reachable)
        super().finalize()


def _compiler_with(library_class: type[JITCodeLibrary]) -> type[CompilerBase]:
    """Return Numba's compiler with another code library, and without UNUSED_PASSES."""

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
            _try_own_typings_first(self.state.typingctx)
            passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
            passes.passes = [own for own in passes.passes if own[0] not in UNUSED_PASSES]
            passes.add_pass_after(ChooseLibrary, AnnotateTypes)
            passes.finalize()
            return [passes]

    return Compiler


# Numba's type stubs lack the options below. "contract" lets scalars use fused multiply-add, as lanes do.
_compile: Any = partial(njit, _nrt=False, no_cfunc_wrapper=True, fastmath={"contract"})

kernel = _compile(no_cpython_wrapper=True, pipeline_class=_compiler_with(_KernelLibrary))
"""Decorator of a function that entries and other kernels call. Kernels do not allocate, so reference counting
is left out; Python never calls them, so they have no wrapper."""

uncached_entry = _compile(nogil=True, pipeline_class=_compiler_with(_EntryLibrary))
"""Decorator of a function that Python calls and that may call kernels; it releases the GIL. A function under
Numba's own njit cannot call kernels."""


def entry(function: Callable[..., Any]) -> Any:
    """Compile a kernel that Python calls, and keep its machine code on disk: see :class:`KernelCache`."""
    dispatcher = uncached_entry(function)
    if not config.DISABLE_JIT:  # type: ignore[attr-defined]
        try:
            dispatcher._cache = KernelCache(function)
        except RuntimeError:
            warn_of_compiling_anew("it found no folder to keep them in")
    return dispatcher


def bind(entry: Any, *arguments: Any) -> Callable[[], None]:
    """Return a call of an entry with arguments that stay: Numba's dispatch takes some µs for each record."""
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        return partial(entry, *arguments)
    code: Callable[..., None] = entry.compile(tuple(typeof(argument) for argument in arguments))
    return partial(code, *arguments)
