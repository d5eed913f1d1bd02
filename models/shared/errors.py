"""The error of all builds."""


class BuildError(ValueError):
    """The data cannot be built; the message gives the reason in one sentence."""
