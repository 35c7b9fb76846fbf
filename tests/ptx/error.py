"""What every complaint of the interpreter is."""


class PtxError(Exception):
    """A kernel did something wrong, or something that the interpreter does not know."""


class PtxErrorAt(PtxError):
    """One that says kernel, line, thread and instruction."""
