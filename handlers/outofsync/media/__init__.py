"""Reading and writing media that strangers sent.

Everything that parses a file happens in a child process (:mod:`outofsync.media.child`) with a budget of
memory, time and descriptors (:mod:`outofsync.media.sandbox` says what that keeps out and what not). This
package imports neither torch nor FFmpeg into the caller.
"""

from outofsync.media.decoder import Decoder, probe
from outofsync.media.process import decoding_cpu_s, warm_up
from outofsync.media.protocol import MediaInfo

__all__ = ["Decoder", "MediaInfo", "decoding_cpu_s", "probe", "warm_up"]
