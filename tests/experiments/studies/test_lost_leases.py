"""A process that slept while its trial went to another writes nothing more; PostgreSQL."""

import pytest
import sqlalchemy
from postgres_server import postgresql
from toy_study import RANDOM, assessment

from rgf_keras.cache import Cache
from rgf_keras.errors import LostLease
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.tracking.tracker import MemoryTracker

END_SESSIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND datname = 'postgres' AND query LIKE '%advisory%'
    OR query = 'SELECT 1'
"""


def test_a_process_that_wakes_after_its_trial_went_to_another_writes_nothing(tmp_path):
    tracker, slept = MemoryTracker(), []

    def run(url, evaluate):
        where = RANDOM, "toy", tmp_path / "work", open_storage(url), tracker, Cache(tmp_path)
        return run_study(*where, num_trials=2, evaluate=evaluate)

    with postgresql() as url:

        def sleep(config, context):
            """Sleeps at the second trial, which another process ends meanwhile."""
            if not config.spectral_decoupling.weight:
                return assessment(config)
            context.run.log_metrics({"loss": 1.0}, step=1)
            with sqlalchemy.create_engine(url).connect() as admin:
                admin.execute(sqlalchemy.text(END_SESSIONS))
            slept.append(run(url, lambda config, context: assessment(config)))
            (trial,) = (each for each in tracker.runs.values() if each.name == "trial-0001")
            before = dict(trial.__dict__), slept[0].trials[1]
            for write in (
                lambda: context.run.log_metrics({"loss": 2.0}, step=2),
                lambda: context.run.set_tags({"late": True}),
                lambda: context.run.log_artifact(__file__),
                lambda: context.progress.task("steps")(1, 2),
            ):
                with pytest.raises(LostLease, match="another process may go on with this trial"):
                    write()
            slept.append((trial, before))
            return assessment(config)

        with pytest.raises(LostLease):
            run(url, sleep)
        record, (trial, (fields, ended)) = slept
        assert trial.__dict__ == fields
        assert (trial.status, trial.tags["feasible"]) == ("FINISHED", trial.tags["feasible"])
        assert record.trials[1] == ended
        assert len(record.trials) == 2
