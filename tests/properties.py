"""How many examples a property gets: a multiple of what the profile gives, so that one option tries all of them harder.

`scripts/test -m hypothesis --hypothesis-profile=thorough` is part of continuous integration.
"""

from hypothesis import settings


def more(times: int) -> settings:
    """Return settings for a property that is hard to violate: `times` the examples of the profile."""
    return settings(max_examples=times * settings.default.max_examples)
