"""Light: where it comes from, and how bright a surface is by its normal. x is right, y down, z away."""

from __future__ import annotations

KEY = (-0.4364, -0.6547, -0.6172)
"""Direction towards the main light: over the camera's left shoulder."""

FILL = (0.8018, -0.2673, -0.5345)
"""Towards the second light."""

SKY, GROUND = 0.50, 0.26
"""Light from above and from below."""

KEY_SHARE, FILL_SHARE = 0.52, 0.14

SHINE_SQUARES, SHINE_SHARE = 4, 0.10
"""How often the cosine of the main light's reflection is squared, which makes it sharp; its strength."""

RIM_SHARE = 0.18
"""Of surfaces that turn away, which sets a body off from its background."""
