"""Refinement by KITRO, whatever the default method is."""

from functools import partial

import kitro_np

refine = partial(kitro_np.refine, method="kitro")
