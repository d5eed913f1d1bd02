"""The paper's experiments: its tables and figures, on simulated data or on the user's files."""

from .command import EXPERIMENTS, write_paper, write_videos
from .sets import DataSet, file_set, simulated_sets
from .video import VideoSet, simulated_videos, videos_of_data

__all__ = [
    "EXPERIMENTS",
    "DataSet",
    "VideoSet",
    "file_set",
    "simulated_sets",
    "simulated_videos",
    "videos_of_data",
    "write_paper",
    "write_videos",
]
