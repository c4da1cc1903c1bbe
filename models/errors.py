"""Everything the service refuses, in one short tree.

An error says *what* is wrong in words the caller may see. It never carries a value that the
caller sent, SQL, or another exception's text: those stay in ``__cause__``, for the log.
Which HTTP status each kind becomes is decided in one place, ``routes/problems.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing that is in the way: where (a JSON Pointer as URI fragment, ``?name``, a line of a
    text as RFC 5147 writes it, or a secret's path) and what to do."""

    pointer: str
    detail: str
    name: str = ""  # of the secret that it is about, for the audit trail; no part of the answer


class SecretsManagerError(Exception):
    """Base of every error of ours. ``str(error)`` is the sentence that the caller reads, and
    *problems* says of which parts of the request it is true, where it has several."""

    def __init__(self, sentence: str = "", problems: Sequence[FieldProblem] = ()) -> None:
        super().__init__(sentence)
        self.problems = problems


# --- what the caller can mend ------------------------------------------------------------------


class MalformedRequest(SecretsManagerError):
    """The bytes do not parse: not JSON, not UTF-8, a header that makes no sense."""


class Itemised(SecretsManagerError):
    """A refusal that lists its reasons, one by one."""

    sentence = ""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        super().__init__(self.sentence, problems)


class InvalidFields(Itemised):
    """It parses, but fields are missing, unknown, of the wrong type or out of range."""

    sentence = "Some fields are not valid; `errors` lists each with what it needs."


class BodyTooLarge(SecretsManagerError):
    """A request body, or a secret's value, is over its limit."""


class LengthRequired(SecretsManagerError):
    """A body whose end nothing announces, where a cut one would look whole."""


class UnsupportedMediaType(SecretsManagerError):
    """A Content-Type, charset or Content-Encoding that this call does not take."""


class NotAcceptable(SecretsManagerError):
    """None of the representations that the caller accepts exists."""


class NotAuthenticated(SecretsManagerError):
    """No credentials, or none that still count. The same answer for every reason."""


class InvalidToken(NotAuthenticated):
    """An API token that is unknown, revoked, expired or misspelt. The same answer for all."""


class WrongCredentials(SecretsManagerError):
    """Login refused. One sentence for every reason, so that nothing can be learned from it."""


class NotAllowed(SecretsManagerError):
    """Understood, and refused."""


class InsecureTransport(NotAllowed):
    """Credentials over plain HTTP."""


class ForeignOrigin(NotAllowed):
    """An unsafe method that a browser sent for somebody else's page."""


class CsrfFailed(NotAllowed):
    """The double-submit token is missing or does not match."""


class RegistrationClosed(NotAllowed):
    """This installation does not take new accounts over the API."""


class WrongPassword(NotAllowed):
    """The password that confirms a change of the caller's own account is not the account's."""


class PasswordChangeRequired(NotAllowed):
    """The session was opened with a one-time password, and may only change it."""


class MissingPower(NotAllowed):
    """An API token that may not do this. Says which power is missing, and nothing of what is
    stored."""


class ReadOnlyGrant(NotAllowed):
    """A write to a secret that is shared with the caller for reading only."""


class NotFound(SecretsManagerError):
    """Absent, or not yours: the two must look the same."""


class AlreadyExists(SecretsManagerError):
    """A name that is taken."""


class WrongState(SecretsManagerError):
    """The secret is there, and not in a state in which this can be done to it."""


class ImportConflict(Itemised):
    """Names of an import that are taken, where the caller wants none to be. Nothing was changed."""

    sentence = (
        "Secrets with these names exist; nothing was imported. Send on_conflict=skip or "
        "on_conflict=overwrite, or another prefix."
    )


class NotExportable(Itemised):
    """Secrets that a format cannot carry as they are. Names them, and nothing of their values."""

    sentence = (
        "This format cannot carry all of these secrets; `errors` names each that is in the way. "
        "Choose another format, or narrow the export with `prefix` or `label`."
    )


class LimitReached(SecretsManagerError):
    """The account, or the secret, has as many of these as it may have."""


class PreconditionFailed(SecretsManagerError):
    """``If-Match``, ``If-None-Match`` or ``if_version`` does not hold; nothing was changed."""


# --- what passes if the caller waits -----------------------------------------------------------


class TryLater(SecretsManagerError):
    """The same request may succeed soon. Nothing was changed, unless the sentence says so."""

    retry_after_seconds = 1


class DatabaseBusy(TryLater):
    """Another writer held the lock for longer than the busy timeout.

    Or, a *conflict*: to let another transaction go on, the database has undone this one.
    """

    def __init__(self, sentence: str, *, conflict: bool = False) -> None:
        super().__init__(sentence)
        self.conflict = conflict


class DatabaseUnavailable(TryLater):
    """The database does not answer, is read-only, or its disk is full.

    *why* is for the operator; callers of the API read only the sentence.
    """

    retry_after_seconds = 5

    def __init__(self, sentence: str, why: str = "") -> None:
        super().__init__(sentence)
        self.why = why


class RotationRunning(TryLater):
    """Another rotation holds the lock."""


class HashingSaturated(TryLater):
    """All password-hashing slots are taken: waiting longer would stall every other request."""

    retry_after_seconds = 2


class TooManyAttempts(TryLater):
    """Passwords are being guessed. The same answer whichever limit it was, and for every name."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"Too many attempts. Try again after {retry_after_seconds} s.")
        self.retry_after_seconds = retry_after_seconds


class TooManyRegistrations(TryLater):
    """One source makes accounts faster than it may."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            "Too many accounts were registered from this address. Try again after "
            f"{retry_after_seconds} s."
        )
        self.retry_after_seconds = retry_after_seconds


class TooManyRequests(TryLater):
    """A source or a principal sends faster than it may. Nothing was done."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"Too many requests. Try again after {retry_after_seconds} s.")
        self.retry_after_seconds = retry_after_seconds


# --- what an operator must mend ----------------------------------------------------------------


class ConfigurationError(SecretsManagerError):
    """The service must not start like this. One line: what is wrong and what to do."""


class BackupFailed(SecretsManagerError):
    """A backup that was not made, or not restored. Nothing is left of it."""


class MoveFailed(SecretsManagerError):
    """The data was not copied into another database, which is as it was."""


class MoveUncertain(SecretsManagerError):
    """The other database went away while it committed the copy: all of it is there, or nothing."""


class MissingMasterKey(ConfigurationError):
    """Something is wrapped under a master key that is not configured here."""


class Undecryptable(SecretsManagerError):
    """A ciphertext or wrapped key does not open in its place.

    Corrupted, moved from another row, or sealed under another key. Naming the row is the
    job of whoever knows it.
    """


class IntegrityViolation(SecretsManagerError):
    """The database refused a change: a constraint that code should have respected."""
