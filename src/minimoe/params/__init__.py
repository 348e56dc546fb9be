"""params.yaml, the user's interface: its schema and its loading."""

from minimoe.params.load import load, named, parse, read
from minimoe.params.schema import Params

__all__ = ["Params", "load", "named", "parse", "read"]
