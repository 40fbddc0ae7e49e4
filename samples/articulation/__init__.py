"""From the sounds of speech to the movements of a face."""
