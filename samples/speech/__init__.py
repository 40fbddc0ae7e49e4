"""A synthetic voice: sentences, espeak-ng with the times of its phonemes, and the room it speaks in."""
