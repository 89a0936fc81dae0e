"""Plugs: what stands behind the sockets of `nebulus.ports`. Only `app.bootstrap` names them."""
