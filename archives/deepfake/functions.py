"""The workflow's function nodes: none. The archiver asks for a handler file all the same."""
