"""The batch door: the hot endpoints' look-ups and writes, gathered over all requests in flight.

Two objects, each one thread with one held connection. The Reader always reads the primary in a new snapshot
and keeps no cache: what ended is refused by every look-up that starts after the commit. The Writer makes many
requests durable with one commit: first the claims, by which of two requests for one code exactly one wins,
then the rows of the winners.
"""

from assurance.batch.reader import BatchQuery, Reader
from assurance.batch.writer import Change, Claim, Insert, Outcome, Writer, Writing
from assurance.database import Database

__all__ = ["Batch", "BatchQuery", "Change", "Claim", "Insert", "Outcome", "Reader", "Writer", "Writing"]


class Batch:
    """Both halves of the door over one database."""

    def __init__(self, database: Database) -> None:
        self.reader = Reader(database.engine)
        self.writer = Writer(database)

    def stop(self) -> None:
        """Answer what waits, then end."""
        self.reader.stop()
        self.writer.stop()
