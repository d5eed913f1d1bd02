"""What a body is: its skeleton, its skin, and the files it comes from."""

from .load import load_body
from .mirror import mirror_body
from .model import BodyModel, BodyOutput
from .skeleton import SMPL_JOINT_NAMES, Skeleton

__all__ = ["SMPL_JOINT_NAMES", "BodyModel", "BodyOutput", "Skeleton", "load_body", "mirror_body"]
