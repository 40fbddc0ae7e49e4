"""``python -m outofsync.confinement``: how far decoders are confined here; status 1 where something lacks."""

import sys

from outofsync.confinement import warning

if __name__ == "__main__":
    lacking = warning()
    sys.stdout.write(f"{lacking or 'decoders are confined by Landlock and seccomp'}\n")
    sys.exit(1 if lacking else 0)
