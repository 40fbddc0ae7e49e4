"""Reading and writing media that strangers sent.

Everything that parses a file happens in a child process (:mod:`outofsync.media.child`) with a budget of
memory and time and no way to open files or sockets. This package imports neither torch nor FFmpeg into the
caller.
"""

from outofsync.media.decoder import Decoder, probe
from outofsync.media.info import MediaInfo

__all__ = ["Decoder", "MediaInfo", "probe"]
