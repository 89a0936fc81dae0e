"""How many examples a property gets: a multiple of what the profile gives, so that one option tries all of them harder.

That option is `scripts/test --thorough`, which continuous integration runs.
"""

from hypothesis import settings


def more(times: int) -> settings:
    """Return settings for a property that is hard to violate: `times` the examples of the profile."""
    return settings(max_examples=times * settings.default.max_examples)
