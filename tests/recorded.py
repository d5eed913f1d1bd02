"""Refinement of recorded bodies, which are on version 1 of the open body."""

from functools import partial

import kitro_np

BODY = "open_v1"

refine = partial(kitro_np.refine, body=BODY)
