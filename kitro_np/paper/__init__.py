"""The paper's experiments: its tables and figures, on simulated data or on the user's files."""

from .command import EXPERIMENTS, write_paper
from .sets import DataSet, file_set, simulated_sets

__all__ = ["EXPERIMENTS", "DataSet", "file_set", "simulated_sets", "write_paper"]
