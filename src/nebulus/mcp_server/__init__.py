"""A server for clients of the Model Context Protocol: they begin runs, ask, look, and have questions answered.

Invariant: a client's model proposes a goal and nothing else; every effect of a run is judged as in any other run, and a
yes comes from the client's user or from `nebulus approve`, never from an argument of a call.
"""
