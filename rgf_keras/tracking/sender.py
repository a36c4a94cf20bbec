"""Empties a spool in the background, and says when it cannot."""

import threading
from collections.abc import Callable

from rgf_keras.errors import first_line
from rgf_keras.tracking.spool import Destination, Spool, Unreachable

SECONDS_BETWEEN = 1.0
SECONDS_BETWEEN_ATTEMPTS = 5.0

Tell = Callable[[str], None]


class Sender:
    """A thread that sends what a spool holds, in one process at a time.

    Args:
        spool: is emptied.
        destination: receives what is in it.
        place: the destination's name in messages.
        tell: called with a line when an outage begins and ends, and in the end about what has not
            been sent.

    Attributes:
        outage: whether the destination could not be reached when it was last tried.
    """

    def __init__(self, spool: Spool, destination: Destination, place: str, tell: Tell):
        self.spool, self.destination, self.place, self.tell = spool, destination, place, tell
        self.outage = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self._thread.start()

    def report_outage(self, reason: str) -> None:
        """Tell, once, that the destination cannot be reached."""
        if not self.outage:
            self.outage = True
            self.tell(
                f"cannot record in {self.place} ({reason}); work goes on, and what is recorded "
                f"waits in {self.spool.folder} until it can"
            )

    def close(self) -> None:
        """Send what is left, once more, and tell what could not be sent."""
        self._closing.set()
        self._thread.join()
        if not self.spool.write():
            self.tell(f"cannot write {self.spool.folder}: the last records are lost")
        left = self.spool.backlog()
        if left and self.spool.acquire():
            self.tell(
                f"{left} are not in {self.place} yet; `rgf sync` or the next command with the "
                "same --workspace and --tracking-uri sends them"
            )
        self.spool.close()

    def _run(self) -> None:
        pause = SECONDS_BETWEEN
        while not self._closing.wait(pause):
            arrived = self._attempt()
            pause = SECONDS_BETWEEN if arrived else min(2 * pause, SECONDS_BETWEEN_ATTEMPTS)
        self._attempt()

    def _attempt(self) -> bool:
        if not self.spool.acquire():
            return True  # another process sends
        try:
            self.spool.send(self.destination)
        except (Unreachable, OSError) as error:
            self.report_outage(first_line(error))
            return False
        if self.outage:
            self.outage = False
            self.tell(f"{self.place} is back; everything that waited is there")
        if reasons := self.spool.refusals:
            self.tell(
                f"{self.place} refused {len(reasons)} records or files ({reasons[0]}); they are in "
                f"{self.spool.folder / 'refused'}"
            )
            reasons.clear()
        return True
