"""Where a run meets the world: commands are performed, and what happened is recorded and fed back."""
