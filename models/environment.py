"""Secrets as environment variables: what each is called, and which names no file may set.

A file of variables is made to be sourced by a shell. Quoting the value is not enough to keep it
from being a command: to some variables bash assigns by calculating, and ``RANDOM='a[$(date)]'``
runs ``date``. Others, such as ``PS4`` or ``BASH_ENV``, the shell runs or reads later.
"""

from __future__ import annotations

import re

from models.rows import SecretName

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NOT_IN_A_VARIABLE = re.compile(r"[^A-Z0-9_]")
# What bash sets by itself or obeys (its manual, "Shell Variables"), and what makes a program load
# other code. HOME, LANG, TZ and the like may be set: bash takes any value, and runs none.
_OF_THE_SHELL = frozenset(
    {
        *("BASH", "BASHOPTS", "BASHPID", "CDPATH", "CHILD_MAX", "COMPREPLY", "COMP_CWORD"),
        *("COMP_KEY", "COMP_LINE", "COMP_POINT", "COMP_TYPE", "COMP_WORDBREAKS", "COMP_WORDS"),
        *("COPROC", "DIRSTACK", "EMACS", "ENV", "EPOCHREALTIME", "EPOCHSECONDS", "EUID"),
        *("EXECIGNORE", "FCEDIT", "FIGNORE", "FUNCNAME", "FUNCNEST", "GLOBIGNORE", "GROUPS"),
        *("HISTCMD", "HISTCONTROL", "HISTFILE", "HISTFILESIZE", "HISTIGNORE", "HISTSIZE"),
        *("HISTTIMEFORMAT", "HOSTFILE", "IFS", "IGNOREEOF", "INPUTRC", "LD_AUDIT"),
        *("LD_LIBRARY_PATH", "LD_PRELOAD", "LINENO", "MAILCHECK", "MAILPATH", "MAPFILE"),
        *("OLDPWD", "OPTARG", "OPTERR", "OPTIND", "PATH", "PIPESTATUS", "POSIXLY_CORRECT"),
        *("PPID", "PROMPT_COMMAND", "PROMPT_DIRTRIM", "PS0", "PS1", "PS2", "PS3", "PS4", "PWD"),
        *("RANDOM", "READLINE_ARGUMENT", "READLINE_LINE", "READLINE_MARK", "READLINE_POINT"),
        *("REPLY", "SECONDS", "SHELLOPTS", "SHLVL", "SRANDOM", "TIMEFORMAT", "TMOUT", "UID"),
        *("_", "auto_resume", "histchars"),
    }
)
_FAMILIES_OF_THE_SHELL = ("BASH_", "DYLD_")


def variable_name(name: SecretName, prefix: str) -> str:
    """The environment variable for a secret that an export of *prefix* holds.

    The folder that the prefix names, up to its last ``/``, is cut off. What then is the name of a
    variable stays as it is. Of the rest, letters become upper case, and what a variable cannot have
    becomes ``_``; a digit in front gets one before it.
    """
    rest = name[prefix.rfind("/") + 1 :]
    if _VARIABLE.match(rest):
        return rest
    mapped = _NOT_IN_A_VARIABLE.sub("_", rest.upper())
    return f"_{mapped}" if mapped[0].isdigit() else mapped


def is_of_the_shell(variable: str) -> bool:
    """Whether setting it would steer the shell or the loader, not only tell a program a value."""
    return variable in _OF_THE_SHELL or variable.startswith(_FAMILIES_OF_THE_SHELL)
