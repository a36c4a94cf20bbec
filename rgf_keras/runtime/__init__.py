"""The machine and what runs on it: progress, locks, leases, processes, Ray. Knows no experiment."""
