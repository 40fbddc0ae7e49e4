"""The published synchronisation network (Feng, Chen and Owens 2023), and how it is served at less work.

The network is here at once; what serves it (:mod:`~outofsync.synchrony.published.schedule`) is for whoever
asks.
"""

from outofsync.synchrony.published.network import PublishedConfig, PublishedModel

__all__ = ["PublishedConfig", "PublishedModel"]
