"""What was found, as tables and pages."""
