"""Jobs that outlive their caller's connection, and this process: what is kept of them, and who comes next.

``job`` says what a job is, ``store`` keeps it, ``uploads`` keeps its file, and ``queue`` has a durable engine
call for the work. Nothing here knows of HTTP, or of what the work is.
"""
