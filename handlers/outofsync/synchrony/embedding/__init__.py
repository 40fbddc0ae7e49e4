"""The default synchronisation network, and how it is served.

The network is here at once; what serves it (:mod:`~outofsync.synchrony.embedding.schedule`) is for whoever
asks.
"""

from outofsync.synchrony.embedding.network import (
    MEL_REACH,
    MELS_PER_FRAME,
    STEM_REACH,
    TEMPORAL_REACH,
    AudioFront,
    EmbeddingConfig,
    EmbeddingNetwork,
    Encoder,
    VisualFront,
    delay_similarity,
    pool_over_time,
)

__all__ = [
    "MELS_PER_FRAME",
    "MEL_REACH",
    "STEM_REACH",
    "TEMPORAL_REACH",
    "AudioFront",
    "EmbeddingConfig",
    "EmbeddingNetwork",
    "Encoder",
    "VisualFront",
    "delay_similarity",
    "pool_over_time",
]
