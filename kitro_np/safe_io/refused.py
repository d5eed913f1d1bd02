"""Why a file cannot be read, before the reader adds the file's name."""

__all__ = ["RefusedError"]


class RefusedError(Exception):
    """Why a file or one of its keys cannot be read; the reader adds the name of the file.

    Parameters
    ----------
    expected, got : str
        Both halves of the message "PATH: expected ..., got ....".
    """

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.expected = expected
        self.got = got
