"""How reading and writing files fails."""


class Unreadable(ValueError):
    """The file is not what it is read as, or the data cannot be written as such a file."""
