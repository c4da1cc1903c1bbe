"""Which passwords are taken: none that is guessed first, and everything else as it is sent."""

from __future__ import annotations

import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from models.errors import FieldProblem, InvalidFields
from models.rows import Username
from tests.support.people import Person
from utils.passwords import refuse_guessable

ALICE = Username("alice")


def is_refused(password: str, username: Username = ALICE) -> bool:
    """Whether the rules against guessing refuse *password*."""
    try:
        refuse_guessable(password, username)
    except InvalidFields:
        return True
    return False


def test_the_most_common_passwords_are_refused() -> None:
    """ASVS 6.2.4 asks for the 3,000 most common ones that the length rule lets pass."""
    common = [word for word in FREQUENCY_LISTS["passwords"] if len(word) >= 8][:3000]
    assert len(common) == 3000
    assert [word for word in common if not is_refused(word)] == []


@pytest.mark.parametrize("common", ["Password1", "BASEBALL", "qWeRtYuIoP", "SuperMan"])
def test_a_common_password_in_capitals_is_still_common(common: str) -> None:
    """Attackers try capitals first."""
    assert is_refused(common)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("password1", "is among the most common passwords; choose another"),
        ("alice", "must not be the username or contain the name of this service"),
        ("secretsmanager", "must not be the username or contain the name of this service"),
    ],
)
def test_a_refusal_says_which_field_and_why(password: str, why: str) -> None:
    """Whoever chooses a password for the first time, or replaces one, can tell what to change."""
    for named, pointer in ((), "#/password"), (("#/new_password",), "#/new_password"):
        with pytest.raises(InvalidFields) as refused:
            refuse_guessable(password, ALICE, *named)
        assert list(refused.value.problems) == [FieldProblem(pointer, why)]


@pytest.mark.parametrize("guessable", ["alice.smith", "ALICE.Smith"])
def test_the_own_name_is_no_password(guessable: str) -> None:
    """It is the first thing anybody tries."""
    assert is_refused(guessable, Username("alice.smith"))
    assert not is_refused(guessable, Username("bob"))


@pytest.mark.parametrize("word", ["secretsmanager", "My-Secrets-Manager-1", "SECRETS_MANAGER!"])
def test_the_name_of_the_service_is_no_password(word: str) -> None:
    """ASVS 6.2.11: words of the context, anywhere in the password."""
    assert is_refused(word)


@pytest.mark.parametrize(
    "good", ["correct horse battery staple", "zq8#Lw0v", "ﷺﷺﷺﷺﷺﷺﷺﷺ", "x y z w v"]
)
def test_everything_else_is_taken(good: str) -> None:
    """No rules of composition (ASVS 6.2.5): length and rarity are what counts."""
    assert not is_refused(good)


@pytest.mark.one_engine("sqlite", "it is about the rules")
def test_a_password_is_kept_as_it_was_sent(stranger: Person) -> None:
    """The comparison with the list ignores case; the login doesn't."""
    stranger.password = "Correct Horse Battery Staple"
    assert stranger.register().status_code == 201
    stranger.password = stranger.password.lower()
    assert stranger.login().status_code == 401
    stranger.password = "Correct Horse Battery Staple"
    assert stranger.login().status_code == 200
