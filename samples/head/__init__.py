"""A head in two and a half dimensions: a lit relief of a face, over which mouth and eyes are painted anew each frame."""
