"""The window that a backend works in: the server's own figure, narrowed by the settings."""

from nebulus.core.errors import ConfigError


def agreed_window(asked_tokens: int, served_tokens: int, *, model: str) -> int:
    """Return the window in tokens; `asked_tokens` 0 takes what the server has.

    Raises:
        ConfigError: the settings ask for more than the server has, or neither says a figure.
    """
    if not asked_tokens and not served_tokens:
        raise ConfigError(
            f"the server does not tell the window of {model}: set window_tokens to what it was started with"
        )
    if served_tokens and asked_tokens > served_tokens:
        raise ConfigError(
            f"window_tokens={asked_tokens} is more than the server has: it reports {served_tokens} for {model}"
        )
    return asked_tokens or served_tokens
