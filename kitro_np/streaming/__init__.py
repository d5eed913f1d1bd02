"""Data sets that do not fit into memory: batches as they come, shards, on all cores or a cluster."""

from .refiner import Refiner
from .run import RefinedShards, refine_shards
from .shards import read_shard, write_shard
from .stream import stream

__all__ = ["RefinedShards", "Refiner", "read_shard", "refine_shards", "stream", "write_shard"]
