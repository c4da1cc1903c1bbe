"""What the server, ``rotate_keys.py`` and the tests share: cryptography, passwords, tokens, and
the one door to the database. Nothing here imports Flask; a test walks the imports."""
