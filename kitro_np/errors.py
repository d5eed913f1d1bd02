"""The one exception for wrong input."""


class InputError(ValueError):
    """An argument or a file is not what was expected.

    The message is one sentence that names the argument, what was expected and what came.
    """
