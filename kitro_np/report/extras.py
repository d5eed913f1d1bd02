"""Extras: libraries that pictures need, imported at first use, with a sentence where one is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..errors import InputError

EXTRA = "pip install 'kitro-np[report]'"


def need(module: str, purpose: str) -> Any:
    """Import a module; InputError says how to install what a purpose needs."""
    try:
        return import_module(module)
    except ImportError:
        package = {"PIL": "Pillow", "imageio_ffmpeg": "imageio-ffmpeg"}[module.partition(".")[0]]
        raise InputError(f"{purpose}: expected {package} ({EXTRA}), got none.") from None
