"""What a destination does not take keeps nothing else from arriving, and is named."""

import json

import pytest
from test_spool import Sink, log

from rgf_keras.tracking import spool as spools
from rgf_keras.tracking.destination import Away, Refusal, Unreachable
from rgf_keras.tracking.sender import Sender
from rgf_keras.tracking.spool import Spool, SpooledRun


class Choosy(Sink):
    """A destination that does not take some runs and files."""

    def __init__(self):
        super().__init__()
        self.bad, self.opened, self.tried = {}, [], []

    def send(self, run, batch):
        self.tried.append(run)
        if error := self.bad.get(run):
            raise error
        parent = batch.header.get("parent")
        if parent and parent not in self.opened:
            raise Unreachable(f"the run {parent} is not there")
        super().send(run, batch)
        self.opened.append(run)

    def upload(self, run, path):
        if error := self.bad.get(path.name):
            raise error
        super().upload(run, path)


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


def start(spool, name, parent=None, time=0):
    spool.append(name, opened={"name": name, "parent": parent}, status="RUNNING", time=time)
    return SpooledRun(spool, name)


def test_a_parent_goes_before_its_children_whatever_the_clock_says(spool):
    sink = Choosy()
    start(spool, "parent", time=9)
    start(spool, "child", "parent", time=2)
    start(spool, "grandchild", "child", time=1)
    start(spool, "other", time=3)
    spool.send(sink)
    assert sink.opened == ["parent", "child", "grandchild", "other"]
    assert not spool.backlog()


@pytest.mark.parametrize(
    "error",
    [Unreachable("503"), KeyError("parent"), OSError(28, "No space left")],
    ids=lambda error: type(error).__name__,
)
def test_one_run_that_cannot_be_sent_stops_no_other(spool, error):
    sink, told = Choosy(), []
    for number in range(5):
        log(start(spool, f"run-{number}", time=number), [0])
    start(spool, "child", "run-0")
    sink.bad["run-0"] = error
    sender = Sender(spool, sink, "the sink", told.append)
    sender.close()
    assert sink.opened == [f"run-{number}" for number in range(1, 5)]
    assert "the sink does not take some of it" in told[0]
    assert "2 runs are not in the sink yet" in told[1]
    del sink.bad["run-0"]
    spool.send(sink)
    assert sink.opened[4:] == ["run-0", "child"]


def test_one_run_that_waits_is_told_once_and_is_no_outage(spool):
    sink, told = Choosy(), []
    sink.bad["run-0"] = Unreachable("500")
    sender = Sender(spool, sink, "the sink", told.append)
    sender._closing.set()
    sender._thread.join()
    log(start(spool, "run-0"), [0])
    other = start(spool, "run-1", time=1)
    for step in range(3):
        log(other, [step])
        for _ in range(3):
            assert not sender._attempt()
            assert not sender.outage
    assert len(told) == 1
    assert "the sink does not take some of it (500), which waits" in told[0]


def test_what_could_not_be_sent_comes_last_the_next_time(spool):
    sink = Choosy()
    for number in range(50):
        start(spool, f"run-{number:02d}", time=number)
        if number < 40:
            sink.bad[f"run-{number:02d}"] = Unreachable("500")
    with pytest.raises(Unreachable):
        spool.send(sink)  # is given up before it comes to what is taken
    with pytest.raises(Unreachable):
        spool.send(sink)
    with pytest.raises(Unreachable):
        spool.send(sink)
    assert len(sink.opened) == 10


def test_a_destination_that_does_not_answer_is_not_asked_for_everything(spool):
    sink = Choosy()
    sink.bad = {f"run-{number}": Away("timed out") for number in range(9)}
    for name in sink.bad:
        start(spool, name)
    with pytest.raises(Away):
        spool.send(sink)
    assert len(sink.tried) == spools.MAX_TIMEOUTS


def test_a_refused_file_is_named_set_aside_and_sent_again_when_that_is_asked_for(spool, tmp_path):
    sink, told = Choosy(), []
    sink.bad["model.npz"] = Refusal("it is too large for the server")
    for number in range(3):
        run = start(spool, f"run-{number}")
        for name in ("a.csv", "model.npz", "z.csv"):
            (tmp_path / name).write_bytes(bytes(2_000_000 if name == "model.npz" else 1))
            run.log_artifact(tmp_path / name)
        run.finish()
    sender = Sender(spool, sink, "the sink", told.append)
    sender.close()
    assert sorted(name for _, name, _ in sink.files) == ["a.csv"] * 3 + ["z.csv"] * 3
    assert not spool.backlog()
    (line,) = told
    assert "refused 3 records or files (model.npz of 2.0 MB: it is too large" in line
    assert "`rgf sync` sends them again" in line
    sink.bad.clear()
    spool.requeue()
    spool.send(sink)
    assert [name for _, name, _ in sink.files].count("model.npz") == 3
    assert sorted(path.name for path in spool.folder.iterdir()) == ["files.lock", "lock"]


def test_a_refused_record_is_sent_again_when_that_is_asked_for(spool):
    sink, run = Sink(), start(spool, "a")
    run.log_params({"weight": "nan"})
    spool.send(sink)
    refused = spool.folder / "refused" / "a.jsonl"
    assert json.loads(refused.read_text())["because"] == "params must be numbers"
    sink.send = lambda run, batch: sink.points.append((run, batch.params))
    spool.requeue()
    spool.send(sink)
    assert ("a", {"weight": "nan"}) in sink.points
    assert not refused.exists()


def test_what_was_refused_is_older_than_what_was_logged_since(spool):
    sink, run = Sink(), start(spool, "a")
    run.append(tags={"best": "old"}, params={"weight": "nan"}, time=1)
    spool.send(sink)
    run.append(tags={"best": "new"}, time=2)
    batches = []
    sink.send = lambda run, batch: batches.append(batch)
    spool.requeue()
    spool.send(sink)
    (batch,) = batches
    assert (batch.tags, batch.params) == ({"best": "new"}, {"weight": "nan"})


def test_what_was_refused_stays_while_the_disk_is_full(spool, monkeypatch):
    start(spool, "a").log_params({"weight": "nan"})
    spool.send(Sink())
    refused = spool.folder / "refused" / "a.jsonl"
    monkeypatch.setattr(spool, "write", lambda: False)
    spool.requeue()
    assert refused.exists()


def test_back_is_told_once_something_has_arrived(spool):
    sink, told = Sink(), []
    sender = Sender(spool, sink, "the sink", told.append)
    sender._closing.set()
    sender._thread.join()
    sender.report_outage("it is down")
    assert sender._attempt()  # there is nothing to send: nobody knows
    assert len(told) == 1
    log(SpooledRun(spool, "a"), [0])
    assert sender._attempt()
    assert told[1] == "the sink is back; everything that waited is there"
