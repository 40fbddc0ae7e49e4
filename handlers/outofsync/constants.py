"""The grid every part works on (docs/method.md: Input, Windows and delays)."""

FRAME_RATE = 25  # frames/s after resampling
SAMPLE_RATE = 16_000  # Hz, mono
SAMPLES_PER_FRAME = SAMPLE_RATE // FRAME_RATE  # 640
WINDOW_FRAMES = 5
MAX_DELAY = 15  # frames either way
DELAYS = 2 * MAX_DELAY + 1  # 31 bins, the middle one in sync
MAX_WINDOWS = 50  # windows in one scored segment
FACE_SIZE = 224  # px, side of a face crop and of the published network's input
MOUTH_CENTRE = (112, 152)  # px of a face crop: just below the lips, which lie at 66 % of its height
# Sound this early (negative) or late goes unnoticed: −90 … +185 ms (ITU-R BT.1359-1), in whole frames.
EARLIEST_TOLERATED, LATEST_TOLERATED = -2, 4
