"""MLflow's UI in this process alone: whatever ends the process ends the server."""

import contextlib
import os


def serve(uri: str, host: str, port: int) -> None:
    """Serve what MLflow holds at an address, until the process is interrupted.

    (`mlflow ui` starts processes that go on when it is killed, and runners of jobs that no record
    of ours has.)
    """
    from mlflow.server import constants

    os.environ |= {  # as `mlflow ui` sets them for its workers
        constants.BACKEND_STORE_URI_ENV_VAR: uri,
        constants.REGISTRY_STORE_URI_ENV_VAR: uri,
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
        constants.ARTIFACT_ROOT_ENV_VAR: "mlflow-artifacts:/",
        constants.ARTIFACTS_DESTINATION_ENV_VAR: "./mlartifacts",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    import uvicorn

    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.run("mlflow.server.fastapi_app:app", host=host, port=port, log_level="warning")
