"""The two nodes of the workflow, batch in and batch out (docs/architecture.md).

Nothing a caller sent makes a node raise: each request's failure becomes data of its own.
"""

from outofsync.nodes.crop import CropNode
from outofsync.nodes.deblur import DeblurNode
from outofsync.nodes.ensemble import EnsembleNode
from outofsync.nodes.outcome import Outcome, Tally
from outofsync.nodes.request import Request

__all__ = ["CropNode", "DeblurNode", "EnsembleNode", "Outcome", "Request", "Tally"]
