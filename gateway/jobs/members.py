"""The gateways that share the work: each says now and then that it lives."""

from __future__ import annotations

import time

import sqlalchemy as sa

from gateway.jobs.tables import GATEWAYS

CLAIM_S = 5.0  # for which one gateway alone takes over what another has left


class Members:
    """Who is alive, by the database that they share. Methods block; clocks must agree within seconds."""

    def __init__(self, engine: sa.Engine, name: str, lease_s: float) -> None:
        self.name = name
        self._engine = engine
        self._lease_s = lease_s

    def renew(self) -> None:
        """Say that this one lives."""
        with self._engine.begin() as connection:
            renewed = connection.execute(
                sa.update(GATEWAYS).where(GATEWAYS.c.id == self.name).values(seen=time.time())
            )
            if not renewed.rowcount:
                connection.execute(sa.insert(GATEWAYS).values(id=self.name, seen=time.time()))

    def dead(self) -> list[str]:
        """Those that have said nothing for as long as a lease lasts."""
        query = sa.select(GATEWAYS.c.id).where(GATEWAYS.c.seen < time.time() - self._lease_s)
        with self._engine.connect() as connection:
            return [name for name in connection.scalars(query) if name != self.name]

    def alive(self) -> set[str]:
        """Those that have spoken since."""
        query = sa.select(GATEWAYS.c.id).where(GATEWAYS.c.seen >= time.time() - self._lease_s)
        with self._engine.connect() as connection:
            return set(connection.scalars(query))

    def claim(self, name: str) -> float | None:
        """Take a dead one's jobs over, alone: what :meth:`bury` asks for, None where another is about to.

        Whoever dies meanwhile has only put that off for a few seconds.
        """
        now = time.time()
        claimed = now - self._lease_s + CLAIM_S
        dead = sa.and_(GATEWAYS.c.id == name, GATEWAYS.c.seen < now - self._lease_s)
        with self._engine.begin() as connection:
            done = connection.execute(sa.update(GATEWAYS).where(dead).values(seen=claimed))
        return claimed if done.rowcount else None

    def bury(self, name: str, claimed: float) -> None:
        """One whose jobs have been taken over, if it has not spoken since."""
        with self._engine.begin() as connection:
            same = sa.and_(GATEWAYS.c.id == name, GATEWAYS.c.seen == claimed)
            connection.execute(sa.delete(GATEWAYS).where(same))

    def leave(self) -> None:
        """This one ends: whoever comes next need not wait for its lease."""
        with self._engine.begin() as connection:
            connection.execute(sa.update(GATEWAYS).where(GATEWAYS.c.id == self.name).values(seen=0.0))
