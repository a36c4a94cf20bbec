"""The spool: order, replays, full disks, refusals, several processes."""

import errno
import resource
from contextlib import contextmanager

import pytest

from rgf_keras.errors import RgfError
from rgf_keras.tracking.sender import Sender
from rgf_keras.tracking.spool import Batch, Refusal, Spool, SpooledRun, Unreachable


class Sink:
    """A destination that remembers, and fails when it is told to."""

    def __init__(self):
        self.points, self.files, self.statuses = [], [], []
        self.fails = None

    def send(self, run, batch):
        if self.fails:
            raise self.fails
        if "nan" in batch.params.values():
            raise Refusal("params must be numbers")
        self.points += [(run, point.step, point.value) for point in batch.points]
        self.statuses.append(batch.status)

    def upload(self, run, path):
        if self.fails:
            raise self.fails
        self.files.append((run, path.name, path.read_bytes()))


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


@contextmanager
def largest_file(size):
    """No file of this process may grow beyond a size, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def log(run, steps):
    for step in steps:
        run.log_metrics({"loss": step / 2}, step)


def test_everything_arrives_in_order_and_once(spool):
    sink, runs = Sink(), [SpooledRun(spool, id) for id in "ba"]
    log(runs[0], range(3))
    log(runs[1], range(2))
    spool.send(sink)
    log(runs[0], range(3, 5))
    spool.send(sink)
    spool.send(sink)
    expected = [("b", 0), ("b", 1), ("b", 2), ("a", 0), ("a", 1), ("b", 3), ("b", 4)]
    assert [point[:2] for point in sink.points] == expected


def test_what_could_not_be_sent_waits(spool, tmp_path):
    sink, run = Sink(), SpooledRun(spool, "a")
    log(run, range(2))
    (tmp_path / "model").write_bytes(b"weights")
    run.log_artifact(tmp_path / "model")
    (tmp_path / "model").unlink()  # folders of finished trials are deleted
    sink.fails = Unreachable("Connection refused")
    with pytest.raises(Unreachable):
        spool.send(sink)
    assert (spool.backlog().records, spool.backlog().files) == (2, 1)
    sink.fails = None
    Spool(spool.folder).send(sink)  # another process
    assert len(sink.points) == 2
    assert sink.files == [("a", "model", b"weights")]
    assert not spool.backlog()


def test_a_run_that_has_ended_leaves_no_files(spool, tmp_path):
    run = SpooledRun(spool, "a")
    (tmp_path / "table").touch()
    run.log_artifact(tmp_path / "table")
    run.finish()
    spool.send(Sink())
    assert sorted(path.name for path in spool.folder.iterdir()) == ["files.lock", "lock"]


def test_half_a_line_of_a_process_that_died_is_left_out(spool):
    log(SpooledRun(spool, "a"), range(2))
    path = spool.folder / "a.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    spool.append("a", opened={"name": "a"}, status="RUNNING")
    log(SpooledRun(spool, "a"), [2])
    sink = Sink()
    spool.send(sink)
    assert [step for _, step, _ in sink.points] == [0, 2]


def test_a_full_disk_loses_nothing(spool, tmp_path):
    run, sink = SpooledRun(spool, "a"), Sink()
    (tmp_path / "model").write_bytes(bytes(5000))
    with largest_file(100):
        log(run, range(10))
        run.log_artifact(tmp_path / "model")
        assert not spool.write()
    spool.send(sink)
    assert [step for _, step, _ in sink.points] == list(range(10))
    assert sink.files == [("a", "model", bytes(5000))]


def test_a_full_disk_does_not_mix_up_pictures(spool, tmp_path, monkeypatch):
    run, path, pictures = SpooledRun(spool, "a"), tmp_path / "samples.png", {}
    with largest_file(100):
        for step in (1, 2):
            with open(path, "wb") as file:  # in place, as a guest may write it
                file.write(bytes(90) + str(step).encode())
            spool.append("a", params={"x": "y" * 200})
            with largest_file(50):
                run.log_image(path, "samples", step)
    sink = Sink()
    sink.upload_image = lambda id, file, key, step: pictures.update({step: file.read_bytes()[-1:]})
    spool.send(sink)
    assert pictures == {1: b"1", 2: b"2"}


def test_more_than_memory_and_disk_hold_is_one_line(spool, tmp_path, monkeypatch):
    run = SpooledRun(spool, "a")
    (tmp_path / "model").write_bytes(bytes(5000))
    monkeypatch.setattr("rgf_keras.tracking.spool.MAX_BYTES_HELD", 4000)
    with largest_file(100), pytest.raises(RgfError, match="make space, and the same command"):
        run.log_artifact(tmp_path / "model")
    monkeypatch.setattr("rgf_keras.tracking.spool.MAX_BYTES", 4000)
    run.log_artifact(tmp_path / "model")
    with pytest.raises(RgfError, match=r"wait for MLflow; make MLflow reachable, run `rgf sync`"):
        run.log_artifact(tmp_path / "model")


def test_a_file_that_changes_while_it_is_sent_is_sent_again(spool, tmp_path):
    run, sink = SpooledRun(spool, "a"), Sink()
    log(run, [0])
    path = tmp_path / "study.json"
    path.write_text("old")
    run.log_artifact(path)
    upload = sink.upload

    def slow(run_id, file):
        upload(run_id, file)
        if len(sink.files) == 1:
            path.write_text("newer")
            run.log_artifact(path)

    sink.upload = slow
    spool.send(sink)
    spool.send(sink)
    assert [content for *_, content in sink.files] == [b"old", b"newer"]


def test_what_is_refused_is_set_aside_and_told(spool):
    run, told = SpooledRun(spool, "a"), []
    log(run, [0])
    run.log_params({"weight": "nan"})
    log(run, [1])
    sink = Sink()
    Sender(spool, sink, "the sink", told.append).close()
    assert [step for _, step, _ in sink.points] == [0, 1]
    assert len(told) == 1
    assert "refused 1 records or files (params must be numbers)" in told[0]
    assert '"nan"' in (spool.folder / "refused" / "a.jsonl").read_text()


@pytest.mark.parametrize(
    "reason", [Unreachable("Connection refused"), OSError(errno.ENOSPC, "full")]
)
def test_an_outage_is_told_once_and_so_is_what_is_left(spool, reason):
    told, sink, run = [], Sink(), SpooledRun(spool, "a")
    sink.fails = reason
    sender = Sender(spool, sink, "the sink", told.append)
    log(run, range(100))
    with pytest.raises(type(reason)):
        spool.send(sink)
    sender.report_outage("it is down")
    sender.close()
    assert len(told) == 2
    assert "cannot record in the sink (it is down); work goes on" in told[0]
    assert "100 records and 0 files of 1 runs are not in the sink yet; `rgf sync`" in told[1]


def test_one_process_sends_what_all_record(spool):
    sink, other = Sink(), Spool(spool.folder)
    assert spool.acquire()
    assert not other.acquire()
    log(SpooledRun(other, "b"), [0])
    log(SpooledRun(spool, "a"), [0])
    spool.send(sink)
    assert {run for run, *_ in sink.points} == {"a", "b"}


def test_who_has_closed_a_spool_sends_no_more(spool):
    other = Spool(spool.folder)
    assert spool.acquire()
    spool.close()
    assert not spool.acquire()
    assert other.acquire()


def test_a_batch_keeps_first_parameters_and_last_tags():
    records = [
        {"time": 1, "opened": {"name": "a"}, "status": "RUNNING"},
        {"time": 2, "params": {"seed": "0"}, "tags": {"best": "1"}},
        {"time": 3, "params": {"seed": "1"}, "tags": {"best": "2"}, "status": "FINISHED"},
    ]
    batch = Batch.of(records)
    assert (batch.params, batch.tags) == ({"seed": "0"}, {"best": "2"})
    assert (batch.status, batch.time) == ("FINISHED", 3)


def test_another_process_may_clear_while_one_counts(spool, tmp_path, monkeypatch):
    run, other = SpooledRun(spool, "a"), Spool(spool.folder)
    (tmp_path / "model").write_bytes(b"weights")
    run.log_artifact(tmp_path / "model")
    log(run, [0])
    run.finish()
    runs = spool._runs()
    assert other.acquire()
    other.send(Sink())
    monkeypatch.setattr(spool, "_runs", lambda: runs)
    assert runs == ["a"]
    assert not spool.backlog()
