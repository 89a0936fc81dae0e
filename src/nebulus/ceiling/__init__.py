"""How much a model carries: what a probe asks, what a profile remembers, what a forecast says."""
