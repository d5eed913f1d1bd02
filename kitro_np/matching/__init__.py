"""Which keypoints are whose: people of two programs, matched in the image."""

from .check import ProjectionCheck, check_projection
from .match import Match, match_people
from .refine import RefinedPeople, refine_people

__all__ = ["Match", "ProjectionCheck", "RefinedPeople", "check_projection", "match_people", "refine_people"]
