"""Make the sample clips, or any number of other talking heads.

    python samples/generate.py samples
    python samples/generate.py heads --count 100 --seconds 6 --seed 1 --output-dir heads

Both need espeak-ng (Debian: apt-get install libespeak-ng1); using the clips does not.
"""

import argparse
import sys
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

if __package__ in (None, ""):  # run as a file: the package is one folder up
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from samples.articulation.mouth_track import FRAMES_PER_SECOND, MouthTrack, loudness, mouth_track
from samples.movie import write_dubbed, write_movie
from samples.relip import other_words, relipped
from samples.speech.espeak import EspeakMissingError, Voice
from samples.speech.phoneme import SAMPLE_RATE, Speech
from samples.speech.speaker import random_voice, say, talk
from samples.talking_head import render

SAMPLES_FOLDER = Path(__file__).resolve().parent
SAMPLE_SIZE, SAMPLE_SECONDS, SAMPLE_SEED = 480, 7.0, 20
SHIFT_FRAMES = 3  # by which the sound of the shifted sample is late: as broadcasts often leave it

SENTENCE = (
    "Maybe the famous pilot will bring five purple umbrellas. "
    "But before that, we should move the boat to the beach."
)
VOICE = Voice("en-us+f3", words_per_minute=160, pitch=48, pitch_range=60)
OTHER_SENTENCE = (
    "Good evening. The weather office has promised rain for Thursday, "
    "and nobody in the village was surprised."
)
OTHER_VOICE = Voice("en-gb-x-rp+f5", words_per_minute=150, pitch=62, pitch_range=45)


def main() -> int:
    """The command line; returns its exit status."""
    options = _parser().parse_args()
    options.output_dir.mkdir(parents=True, exist_ok=True)
    try:
        if options.command == "samples":
            make_samples(options.output_dir)
        else:
            make_heads(options)
    except EspeakMissingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def make_heads(options: argparse.Namespace) -> None:
    """Write many heads, each from a process of its own: espeak-ng does not forget what it said before.

    Raises:
        EspeakMissingError: espeak-ng is not installed.
    """
    make = partial(make_head, seconds=options.seconds, size=options.size, folder=options.output_dir)
    seeds = range(options.seed, options.seed + options.count)
    workers = get_context("fork").Pool(
        options.processes, initializer=cv2.setNumThreads, initargs=(1,), maxtasksperchild=1
    )
    with workers as pool:
        for path in pool.imap(make, seeds, chunksize=1):
            print(path)


def make_head(seed: int, seconds: float, size: int, folder: Path) -> Path:
    """Write a random person who says random sentences; the seed decides every frame and sample encoded.

    Raises:
        EspeakMissingError: espeak-ng is not installed.
    """
    rng = np.random.default_rng(seed)
    woman = bool(rng.random() < 0.5)
    speech = talk(seconds, random_voice(rng, woman=woman), rng)
    track = track_of(speech, vigour=rng.uniform(0.65, 1.15), lead=rng.uniform(0.0, 0.02))
    path = folder / f"head_{seed:06d}.mp4"
    quality = int(rng.integers(18, 29))
    write_movie(path, render(track, seed, size=size, woman=woman), speech.sound, quality=quality, size=size)
    return path


def make_samples(folder: Path) -> None:
    """Write the sample clips: one picture with its own sound, with that late, with another's, and with its
    lips re-made for other words.

    Raises:
        EspeakMissingError: espeak-ng is not installed.
    """
    speech = say(SENTENCE, VOICE, SAMPLE_SECONDS, np.random.default_rng(SAMPLE_SEED))
    other = say(OTHER_SENTENCE, OTHER_VOICE, SAMPLE_SECONDS, np.random.default_rng(SAMPLE_SEED + 1))
    shift = SHIFT_FRAMES * SAMPLE_RATE // FRAMES_PER_SECOND
    original = folder / "synchronised.mp4"
    frames = render(track_of(speech), SAMPLE_SEED, size=SAMPLE_SIZE, woman=True)
    write_movie(original, frames, speech.sound, quality=21, size=SAMPLE_SIZE)
    # What wraps around in the shifted one is the silence at the end.
    write_dubbed(folder / "shifted.mp4", original, np.roll(speech.sound, shift))
    write_dubbed(folder / "another_voice.mp4", original, other.sound)
    words = say(OTHER_SENTENCE, VOICE, SAMPLE_SECONDS, np.random.default_rng(SAMPLE_SEED + 2))
    genuine, spoken = (
        render(track, SAMPLE_SEED, size=SAMPLE_SIZE, woman=True)
        for track in (track_of(speech), other_words(track_of(speech), track_of(words)))
    )
    remade = relipped(genuine, spoken)
    write_movie(folder / "remade_lips.mp4", remade, words.sound, quality=21, size=SAMPLE_SIZE)


def track_of(speech: Speech, *, vigour: float = 1.0, lead: float = 0.01) -> MouthTrack:
    """The mouth which says `speech`; see `mouth_track` for the arguments."""
    frames = round(speech.seconds * FRAMES_PER_SECOND)
    return mouth_track(
        speech.phonemes, frames, vigour=vigour, lead=lead, loudness=loudness(speech.sound, frames)
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    samples = commands.add_parser("samples", help="make the four sample clips anew")
    samples.add_argument("--output-dir", type=Path, default=SAMPLES_FOLDER)
    heads = commands.add_parser("heads", help="make random talking heads")
    heads.add_argument("--count", type=int, default=10, help="how many clips")
    heads.add_argument("--seconds", type=float, default=6.0, help="length of each")
    heads.add_argument("--size", type=int, default=256, help="width and height in pixels, a multiple of 4")
    heads.add_argument("--seed", type=int, default=0, help="of the first clip; the next ones count on")
    heads.add_argument("--processes", type=int, default=1, help="how many to make at a time")
    heads.add_argument("--output-dir", type=Path, default=Path("heads"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
