"""Body models: skeleton, skinning, and the files they are loaded from."""

from .load import load_body
from .mirror import mirror_body
from .model import BodyModel, BodyOutput
from .skeleton import Skeleton

__all__ = ["BodyModel", "BodyOutput", "Skeleton", "load_body", "mirror_body"]
