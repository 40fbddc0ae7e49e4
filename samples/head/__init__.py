"""A head in two and a half dimensions: a lit relief, on which mouth and eyes are painted each frame."""
