"""Refinement by KITRO, whatever the default method is; of recorded bodies unless told otherwise."""

from functools import partial

import recorded

refine = partial(recorded.refine, method="kitro")
