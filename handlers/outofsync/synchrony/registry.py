"""Which class reads a checkpoint of a synchronisation network."""

from __future__ import annotations

from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.runner import Precision
from outofsync.synchrony.interface import SyncNetwork


def load_sync(checkpoint: Checkpoint, device: str = "cpu", precision: Precision = "float32") -> SyncNetwork:
    """Build a checkpoint's network; raises :class:`CheckpointError` where they do not fit.

    ``precision`` is for the embedding network. The published one promises the published numbers, and is
    computed in float32 whatever was asked for.
    Classes are imported when asked for: a worker pays for the one network it serves.
    """
    if checkpoint.architecture == "published":
        from outofsync.synchrony.published.schedule import PublishedNetwork

        return PublishedNetwork.from_checkpoint(checkpoint, device)
    if checkpoint.architecture == "embedding":
        from outofsync.synchrony.embedding.schedule import EmbeddingSynchroniser

        return EmbeddingSynchroniser.from_checkpoint(checkpoint, device, precision)
    raise CheckpointError(f"{checkpoint.architecture!r} is neither 'published' nor 'embedding'")
