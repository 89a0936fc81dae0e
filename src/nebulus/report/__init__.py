"""What happened in a run, as data and as text: the command line, the proxy and the web show the same."""
