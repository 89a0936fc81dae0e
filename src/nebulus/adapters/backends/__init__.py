"""Plugs for model servers: llama.cpp (by URL or started by us), OpenAI-compatible, Ollama, Anthropic.

Invariants: one HTTP session per backend, no retries, no vendor SDK; every failure is a `BackendError` of the
right kind; what a server does without saying so is found out (`truncation`); what is read is bounded (`bounds`). `factory` opens one from
`settings`; only the child process of the embedded server imports native code.
"""
