"""Parts of the attacks on servers and on a workspace."""
