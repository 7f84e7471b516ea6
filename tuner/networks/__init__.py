"""Built-in networks, and those in files.

A module in this folder registers a built-in network with `@network(name)`.
"""

from tuner.networks.network import Network
from tuner.networks.nnvm import from_nnvm
from tuner.networks.registry import get, load, names, network

__all__ = ["Network", "from_nnvm", "get", "load", "names", "network"]
