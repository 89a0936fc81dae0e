"""What is behind the ports. Only `app.bootstrap` names them."""
