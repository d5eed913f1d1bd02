"""The error of all builds."""


class BuildError(ValueError):
    """The data cannot be built; the message is one sentence that says why."""
