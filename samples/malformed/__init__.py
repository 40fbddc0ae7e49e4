"""Files as attackers, broken recorders and careless converters make them, each of one kind.

Nobody publishes such a corpus; all of it is made here from the beginning of a sample. :mod:`.corpus` is the
one table: each file's name, its kind, and what has to come of it.
"""
