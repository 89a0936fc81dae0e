"""Settings, the library's `Agent`, and the only place that names adapters."""
