"""Goals, jobs and arms of the measurements on real models."""
