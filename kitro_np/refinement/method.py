"""Methods: each is a frozen dataclass of its options, registered by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

from ..arrays.arguments import LARGEST, check_bool, check_integer, check_number
from ..arrays.engines import CPU_ENGINES
from ..errors import InputError, did_you_mean, one_of
from .outcome import Outcome
from .request import Request

METHODS: dict[str, type[Method]] = {}
"""Methods by name; each subclass registers itself."""

MOST_STEPS = 10_000
"""Most iterations of any kind: a call ends, whatever its options are."""


@dataclass(frozen=True)
class Execution:
    """How a method is executed; none of this changes its results.

    Parameters
    ----------
    engine : {"numba", "array", "cuda"}
    threads, chunk_size : int or None
    progress : callable or None
        As :func:`kitro_np.refine` takes them.
    """

    engine: str
    threads: int | None = None
    chunk_size: int | None = None
    progress: Callable[[int], None] | None = None


def option(
    default: Any,
    text: str,
    *,
    choices: Sequence[str] | None = None,
    least: int | None = None,
    most: int | None = None,
    flag: str | None = None,
) -> Any:
    """Define an option of a method: a validated dataclass field that is also a command-line flag.

    Parameters
    ----------
    default : value
    text : str
        Help text of the command line.
    choices : sequence of str, optional
        Allowed values.
    least, most : int, optional
        Smallest value of a number, and largest of an integer.
    flag : str, optional
        Command-line flag, if not the field's name; that of an option that defaults to True switches it off.
    """
    about = {"text": text, "choices": choices, "least": least, "most": most, "flag": flag}
    return field(default=default, metadata=about)


class Method:
    """Base of all methods.

    A method is a frozen dataclass, ``class Name(Method, name="name")``, whose fields are made by
    :func:`option`. Its :meth:`run` imports kernels when it is first called.
    """

    name: ClassVar[str]
    engines: ClassVar[tuple[str, ...]] = CPU_ENGINES
    takes_detections: ClassVar[bool] = False
    """Whether it accepts detector layouts and confidences, rather than all of the body's own joints only."""
    takes_videos: ClassVar[bool] = False
    """Whether it refines the frames of a track together."""
    gives_branches: ClassVar[bool] = False
    """Whether it selects branches of a tree: ``selection`` and ``path_score`` of the result."""

    def __init_subclass__(cls, *, name: str) -> None:
        super().__init_subclass__()
        cls.name = name
        METHODS[name] = cls

    def __post_init__(self) -> None:
        for own in fields(self):  # type: ignore[arg-type] # every method is a dataclass
            value, about = getattr(self, own.name), own.metadata
            if about.get("choices") is not None:
                value = one_of(own.name, value, about["choices"])
            elif about.get("least") is not None:
                if isinstance(own.default, float):
                    value = check_number(own.name, value, about["least"])
                else:
                    value = check_integer(own.name, value, about["least"], about["most"] or LARGEST)
            elif isinstance(own.default, bool):
                value = check_bool(own.name, value)
            object.__setattr__(self, own.name, value)

    @property
    def changes_pose(self) -> bool:
        """Whether refined poses differ from the given ones."""
        return True

    @classmethod
    def kernel_variants(cls) -> tuple[Method, ...]:
        """Return methods that compile all kernels between them: those that options leave out too."""
        return (cls(),)

    def run(self, request: Request, execution: Execution) -> Outcome:
        """Refine the bodies of a request."""
        raise NotImplementedError


def option_names(method: type[Method]) -> tuple[str, ...]:
    """Names of a method's options."""
    return tuple(own.name for own in fields(method))  # type: ignore[arg-type]


def resolve_method(method: Any, options: Mapping[str, Any]) -> Method:
    """Return a method from its name or instance, with options; it is never guessed.

    Raises
    ------
    InputError
        If there is no such method, or an option belongs to another one, which the message names.
    """
    if isinstance(method, Method):
        kind = type(method)
    else:
        if isinstance(method, type) and issubclass(method, Method):
            raise InputError(f"method: expected {method.__name__}(), got the class {method.__name__}.")
        kind = METHODS[one_of("method", method, METHODS)]
    own = option_names(kind)
    for name in options:
        if name not in own:
            raise InputError(_not_an_option(name, kind))
    return replace(method, **options) if isinstance(method, Method) else kind(**options)  # type: ignore[type-var]


def _not_an_option(name: str, method: type[Method]) -> str:
    owners = [other.name for other in METHODS.values() if name in option_names(other)]
    if owners:
        whose = " or ".join(repr(owner) for owner in owners)
        return f"{name}: expected method={whose}, whose option it is, got method={method.name!r}."
    own = option_names(method)
    return (
        f"{name}: expected an option of method={method.name!r}, {', '.join(own)}, "
        f"got another name{did_you_mean(name, own)}."
    )
