"""OutOfSync's engine: finds manipulated talking-head video by audio-visual synchrony.

Importing this package is cheap: nothing here pulls in torch, so that the process which decodes
untrusted media can import :mod:`outofsync.media` alone.
"""

__version__ = "0.1.0"
