"""The SQL, one module a noun, and with it the crossing between plaintext and ciphertext.

Every function takes an open transaction; none begins or ends one. Only a function that takes
the master keys can decrypt: the power shows in the signature. Ownership is part of each
``WHERE``, so that absent and not-yours are one answer of one query.
"""
