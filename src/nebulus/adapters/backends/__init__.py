"""Plugs for model servers: llama.cpp (by URL or started by us), OpenAI-compatible, Ollama, Anthropic.

Laws: one HTTP session a backend, no retries, no vendor SDK; every failure is a `BackendError` of the
right kind; what a server does in silence is found out and said (`silence`). `factory` opens one from
`settings`; only the child process of the embedded server imports native code.
"""
