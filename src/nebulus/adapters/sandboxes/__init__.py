"""Where commands run without reaching the rest of the machine, or not at all."""
