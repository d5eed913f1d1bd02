"""The KITRO authors' .pt, written by torch.save, read without torch."""

from __future__ import annotations

from ..safe_io.torch_zip import TorchArrays, is_torch_file
from .registry import Format

FORMAT = Format("torch.save", (".pt", ".pth"), is_torch_file, TorchArrays)
