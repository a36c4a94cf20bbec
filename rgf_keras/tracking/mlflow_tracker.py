"""Records in MLflow, through a spool: training does not wait for MLflow, and never ends with it."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, TypeVar

from rgf_keras import outputs
from rgf_keras.errors import RgfError, first_line
from rgf_keras.masking import masked
from rgf_keras.tracking.destination import Refusal, Unreachable
from rgf_keras.tracking.mlflow_store import MlflowStore
from rgf_keras.tracking.relocation import spool_folder
from rgf_keras.tracking.sender import HANDOVER_SECONDS, Sender, Tell, refusal_line
from rgf_keras.tracking.spool import Backlog, Spool, SpooledRun
from rgf_keras.tracking.tracker import LOCAL, Tracker, new_id

# Work does not wait longer for an answer, however slowly a server sends it.
PATIENCE_SECONDS = 15.0

T = TypeVar("T")


class MlflowTracker(Tracker, AbstractContextManager):
    """Records in an MLflow experiment.

    Runs are written to the spool; a thread sends them. Leaving the tracker's context sends what
    is left and tells what could not be sent.

    Args:
        uri: see :class:`MlflowStore`.
        experiment: made if it does not exist.
        spool: folder for what is not yet sent; each address has a folder of its own in it.
        artifacts: folder for the artifacts of a new experiment; the server's choice if None.
        tell: called with a line about a server that cannot be reached.
        hands_over: the process that started this one sends what it leaves, so that its end does
            not wait for that.

    Raises:
        RgfError: the address is malformed, answers but is no MLflow, or is a file that cannot be
            opened; the experiment is deleted. (A server that does not answer is waited for.)
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        spool: Path,
        artifacts: Path | None = None,
        tell: Tell = lambda line: None,
        hands_over: bool = False,
    ):
        self.store = MlflowStore(uri)
        self.experiment = experiment
        self.artifacts = artifacts.resolve().as_uri() if artifacts else None
        self.tell = tell
        try:
            outage = self._ask(self.store.check, experiment, self.artifacts)
        except Unreachable as error:
            outage = first_line(error)
        self.spool = Spool(spool_folder(spool, uri))
        outputs.write_text(self.spool.folder / "address", masked(uri, uri))
        seconds = 0.0 if hands_over else HANDOVER_SECONDS
        self.sender = Sender(self.spool, self.store, self.store.place, tell, seconds)
        if outage:
            self.sender.report_outage(outage)

    def start(self, name, tags, parent=None, id=None):
        header = {"experiment": self.experiment, "artifacts": self.artifacts}
        header |= {"name": name, "parent": parent}
        run = SpooledRun(self.spool, self._id(id, header))
        run.append(opened=header, status="RUNNING")
        run.set_tags(tags)
        return run

    def close(self) -> None:
        """Send what is left, and tell what could not be sent."""
        self.sender.close()
        self.store.close()

    def __exit__(self, *exception: object) -> None:
        self.close()

    def unfinished(self, parent):
        if self.sender.outage:
            return set()
        try:
            return self._ask(self.store.unfinished, self.experiment, parent)
        except (Unreachable, Refusal):  # it is asked for again by the next command
            return set()

    def _id(self, id: str | None, header: dict[str, Any]) -> str:
        """MLflow's id of a run, which is begun if need be; ours while MLflow cannot be reached.

        What is in the spool under our id stays under it.
        """
        own = id or new_id()
        if not own.startswith(LOCAL) or self.spool.has(own) or self.sender.outage:
            return own

        def find_or_create() -> str:
            known = self.store.find(own) if id else None
            return known or self.store.create(header, int(time.time() * 1000), own)

        try:
            return self._ask(find_or_create)
        except Unreachable as error:
            if not self.spool.has(header["parent"] or ""):  # else it waits for its parent alone
                self.sender.report_outage(first_line(error))
            return own
        except Refusal as error:
            raise self.store.unusable(error) from error

    def _ask(self, question: Callable[..., T], *arguments: Any) -> T:
        """What a question to MLflow is answered in time.

        Raises:
            Unreachable: it is not; what the question raises.
        """
        if not self.store.is_server:
            return question(*arguments)
        answers: list[T | BaseException] = []

        def ask() -> None:
            try:
                answers.append(question(*arguments))
            except BaseException as error:
                answers.append(error)

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(PATIENCE_SECONDS)
        if not answers:
            raise Unreachable(f"no answer within {PATIENCE_SECONDS:.0f} s")
        (answer,) = answers
        if isinstance(answer, BaseException):
            raise answer
        return answer


def send_backlog(uri: str, spool: Path, refused: bool = False) -> Backlog:
    """Send what waits for an address; returns how much there was.

    Args:
        uri: see :class:`MlflowStore`.
        spool: the workspace's.
        refused: send what was refused once more, too.

    Raises:
        RgfError: some of it cannot be sent now, or is refused.
    """
    with closing(Spool(spool_folder(spool, uri))) as files:
        is_free = files.acquire()
        if refused and is_free:
            files.requeue()
        backlog = files.backlog()
        if not backlog:
            return backlog
        if not is_free:
            raise RgfError(f"another process is sending {backlog} from {files.folder}")
        with closing(MlflowStore(uri)) as store:
            try:
                _send(files, store)
            except (Unreachable, OSError) as error:
                raise RgfError(
                    f"cannot record in {store.place} ({first_line(error)}); {files.backlog()} "
                    f"wait in {files.folder}"
                ) from error
            if files.refusals:
                raise RgfError(refusal_line(files, store.place))
    return backlog


def _send(files: Spool, store: MlflowStore) -> None:
    """Send as long as something arrives: what cannot be sent comes last in the next round."""
    for is_last in (False, False, True):
        before = files.num_sent
        try:
            files.send(store)
            return
        except (Unreachable, OSError):
            if is_last or files.num_sent == before:
                raise


def backlogs(spool: Path) -> dict[str, Backlog]:
    """What waits in all spools of a workspace, by address (without its password)."""
    spools = {
        path.read_text(encoding="utf-8"): Spool(path.parent).backlog()
        for path in spool.glob("*/address")
    }
    return {address: backlog for address, backlog in spools.items() if backlog}
