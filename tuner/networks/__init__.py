"""Built-in networks. A module in this folder registers itself with `@network(name)`."""

from tuner.networks.network import Network
from tuner.networks.registry import get, names, network

__all__ = ["Network", "get", "names", "network"]
