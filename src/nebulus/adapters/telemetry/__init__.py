"""Runs as traces and metrics, in the names of OpenTelemetry; made from events, never from inside the runtime."""
