"""Videos of any origin → clips worth training on; ``training.prepare`` is the command.

``sources`` names the videos, ``cutting`` turns one into a clip, ``run`` does that for all of them and keeps
``shards`` and ``ledger``. ``check`` asks a synchronisation network whether lips and voice belong together;
what follows from its answers is decided in ``agreement``, by a rule that ``refit`` measures.
"""
