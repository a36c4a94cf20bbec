"""Empties a spool in the background, and says when it cannot."""

import threading
import time
from collections.abc import Callable

from rgf_keras.errors import first_line
from rgf_keras.tracking.destination import Away, Destination, Unreachable
from rgf_keras.tracking.spool import Spool

SECONDS_BETWEEN = 1.0
SECONDS_BETWEEN_ATTEMPTS = 5.0

# After so long without anything that arrives the end is not held up.
CLOSING_SECONDS = 60.0

# So long the end waits for the process that sends what all record.
HANDOVER_SECONDS = 5.0

ALL_ARRIVED = "everything that waited is there"

Tell = Callable[[str], None]


def refusal_line(spool: Spool, place: str) -> str:
    """What to say of what was refused."""
    reasons = spool.refusals
    return (
        f"{place} refused {len(reasons)} records or files ({reasons[0]}); they are in "
        f"{spool.folder / 'refused'}, and `rgf sync` sends them again once that is mended"
    )


class Sender:
    """A thread that sends what a spool holds, in one process at a time.

    Args:
        spool: is emptied.
        destination: receives what is in it.
        place: the destination's name in messages.
        tell: called with a line when an outage begins and ends, and in the end about what has not
            been sent.
        handover_seconds: how long the end waits for another process that sends.

    Attributes:
        outage: whether the destination could not be reached when it was last tried.
    """

    def __init__(
        self,
        spool: Spool,
        destination: Destination,
        place: str,
        tell: Tell,
        handover_seconds: float = HANDOVER_SECONDS,
    ):
        self.handover_seconds = handover_seconds
        self.spool, self.destination, self.place, self.tell = spool, destination, place, tell
        self.outage = False
        self._is_others = False  # to send, which another process does
        self._known_late: set[str] = set()
        self._told: set[str] = set()
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
        sent = -1
        while self._thread.is_alive() and self.spool.num_sent > sent:
            sent = self.spool.num_sent
            self._thread.join(CLOSING_SECONDS)
        if not self._thread.is_alive():
            self._send_what_another_did_not()
        if not self.spool.write():
            self.tell(f"cannot write {self.spool.folder}: the last records are lost")
        left = self.spool.backlog()
        if left and self.spool.acquire():
            self.tell(
                f"{left} are not in {self.place} yet; `rgf sync` or the next command with the "
                "same --workspace and --tracking-uri sends them"
            )
        self.spool.close()

    def _send_what_another_did_not(self) -> None:
        """Wait for the process that sends, which may have ended before it came to our records."""
        deadline = time.monotonic() + self.handover_seconds
        while self._is_others and self.spool.backlog() and time.monotonic() < deadline:
            time.sleep(0.1)
            self._attempt()

    def _run(self) -> None:
        pause = SECONDS_BETWEEN
        while not self._closing.wait(pause):
            arrived = self._attempt()
            pause = SECONDS_BETWEEN if arrived else min(2 * pause, SECONDS_BETWEEN_ATTEMPTS)
        self._attempt()

    def _attempt(self) -> bool:
        self._is_others = not self.spool.acquire()
        if self._is_others:
            return True
        before, reason, is_away = self.spool.num_sent, "", False
        try:
            self.spool.send(self.destination)
        except (Unreachable, OSError) as error:
            reason, is_away = first_line(error), isinstance(error, Away)
        has_arrived = self.spool.num_sent > before
        is_known = self.spool.late <= self._known_late and not is_away
        if has_arrived:  # what is late is so for reasons of its own
            self._known_late = set(self.spool.late)
        if reason and not has_arrived:
            if not is_known:
                self.report_outage(reason)
        elif self.outage and has_arrived:
            self.outage = False
            left = f"{self.spool.backlog()} wait still ({reason})" if reason else ALL_ARRIVED
            self.tell(f"{self.place} is back; {left}")
        elif reason:
            self._tell_once(f"{self.place} does not take some of it ({reason}), which waits")
        if self.spool.refusals:
            self._tell_once(refusal_line(self.spool, self.place))
            self.spool.refusals.clear()
        return not reason

    def _tell_once(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self.tell(line)
