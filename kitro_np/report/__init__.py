"""Pictures and pages of refined people."""

from .overlay import overlay
from .page import write_report
from .render import Look, render
from .shown import Shown, shown_of, shown_of_file

__all__ = ["Look", "Shown", "overlay", "render", "shown_of", "shown_of_file", "write_report"]
