"""The service against a dictionary: random stories, told to both, and never an answer that differs.

This is the specification that runs: every verb, and what it must answer in every state.
``tests/test_model.py`` tells short stories to an application in its own process, on both engines;
``make fuzz ROW=stateful`` long ones to a real server, over its socket.

shelf        what must be kept: secrets, versions, grants
choices      what a story chooses from
teller       who tells it: people, tokens, the clock; counts what was told
writing, versions, many, sharing, accounts
             the verbs
divergence   all of them together
live         how to tell it to a server
"""
