"""Where results are recorded: MLflow, through a spool that waits for it."""
