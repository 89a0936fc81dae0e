"""Where a run meets the world: commands are performed, and their events are recorded and fed back."""
