"""The paper's experiments: its tables and figures on data that ships, or on the user's own."""

from .command import EXPERIMENTS, write_paper
from .sets import DataSet, file_set, simulated_sets

__all__ = ["EXPERIMENTS", "DataSet", "file_set", "simulated_sets", "write_paper"]
