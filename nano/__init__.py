"""The nano model: a language, a network of about a million parameters, its training, export and evaluation.

Nothing in `nebulus` imports this package. It makes the file `src/nebulus/data/nano.gguf`, and it is
where the benchmarks get their jobs from (`nano.language`).
"""
