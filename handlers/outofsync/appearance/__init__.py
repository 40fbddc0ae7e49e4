"""How a face looks and moves, apart from what is heard: the part that finds generated faces."""
