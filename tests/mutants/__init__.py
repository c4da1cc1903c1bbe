"""``make mutants``: what if this line were wrong? mutmut changes one thing after the other (a
``<``, an argument, a word of a statement), and for each the tests run until one fails. What
survives is a promise that no test makes, code that nothing needs, or a change that changes nothing.

Only the modules that guard secrets, each against the few quick tests that are about it, and on
SQLite alone: there are thousands of mutants. mutmut looks into functions and methods that have no
decorator. It leaves the constants of a module as they are, the statements among them too.
"""
