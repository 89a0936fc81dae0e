"""Questions that wait for a person, in a store that any process can answer."""
