"""A caller's own account: who I am, my sessions, another password, the end of it all."""

from __future__ import annotations

from flask import Blueprint, Response

from models import requests, responses
from models.account_requests import ChangePassword, DeleteAccount, ListSessions
from models.errors import FieldProblem, InvalidFields, NotFound, WrongPassword
from models.events import SYSTEM
from models.names import is_id
from models.paging import cursor_at, cut
from models.rows import Account, Credentials
from routes import guard, tokens, trail
from routes.attempts import ATTEMPTS, one_attempt
from routes.context import current_vault
from routes.declared import Answer
from routes.endpoint import Call, answer, endpoint
from utils.passwords import refuse_guessable
from utils.store import accounts, sessions

bp = Blueprint("account", __name__)
PASSWORD_CHECK = (*ATTEMPTS, WrongPassword)


@bp.get("/account")
@endpoint(
    access=guard.session_even_with_one_time_password,
    audit="account.read",
    body=requests.Nothing,
    query=requests.NoQuery,
    answers={200: responses.Account},
)
def account(call: Call[requests.Nothing, requests.NoQuery]) -> Response:
    """Who I am."""
    return answer(responses.Account.of(call.session.account))


@bp.delete("/account")
@endpoint(
    access=guard.session,
    audit="account.delete",
    body=DeleteAccount,
    query=requests.NoQuery,
    answers={200: Answer(responses.AccountDeleted, ("Set-Cookie",))},
    refuses=PASSWORD_CHECK,
)
def delete_account(call: Call[DeleteAccount, requests.NoQuery]) -> Response:
    """Delete everything of mine but the name, which nobody gets again."""
    account = call.session.account
    with one_attempt(account.username, call.now) as attempt:
        credentials = _confirmed(account, call.body.password)

        def delete() -> None:
            with current_vault().db.write() as tx:
                if not accounts.delete(tx, credentials, call.now):
                    raise _wrong()
                attempt.give_back_in(tx)
                call.record(tx, "", chain=SYSTEM)

        trail.retried(delete)
    gone = responses.AccountDeleted(username=credentials.account.username, deleted_at=call.now)
    response = answer(gone)
    tokens.clear_cookies(response)
    return response


@bp.put("/account/password")
@endpoint(
    access=guard.session_even_with_one_time_password,
    audit="password.change",
    body=ChangePassword,
    query=requests.NoQuery,
    answers={200: responses.SessionsEnded},
    refuses=PASSWORD_CHECK,
)
def change_password(call: Call[ChangePassword, requests.NoQuery]) -> Response:
    """Choose another password, and end every session but this one: whoever knew the old one is
    out. Hashing happens before the transaction, under no lock."""
    vault, session, wanted = current_vault(), call.session, call.body
    refuse_guessable(wanted.new_password, session.account.username, "#/new_password")
    if wanted.new_password == wanted.current_password:
        raise InvalidFields([FieldProblem("#/new_password", "must differ from the current one")])
    with one_attempt(session.account.username, call.now) as attempt:
        credentials = _confirmed(session.account, wanted.current_password)
        chosen = vault.hasher.hash(wanted.new_password, session.account.id)

        def change() -> int:
            with vault.db.write() as tx:
                ended = accounts.change_password(tx, credentials, chosen, session.id, call.now)
                if ended is None:
                    raise _wrong()
                attempt.succeeded(tx, session.account)
                call.record(tx, "")
            return ended

        ended = trail.retried(change)
    return answer(responses.SessionsEnded(sessions_ended=ended))


@bp.get("/sessions")
@endpoint(
    access=guard.session,
    audit="session.list",
    body=requests.Nothing,
    query=ListSessions,
    answers={200: responses.SessionList},
)
def list_sessions(call: Call[requests.Nothing, ListSessions]) -> Response:
    """List my live sessions, newest first: since when, from where, with which program."""
    session, limit = call.session, call.query.limit
    after = call.query.after()
    with current_vault().db.read() as tx:
        found = sessions.list_page(tx, session.account.id, after, limit + 1, call.now)
    page, last = cut(found, limit)
    return answer(
        responses.SessionList(
            sessions=[responses.Session.of(one, session.id) for one in page],
            next_cursor=None if last is None else cursor_at(last.created_at, last.id),
        )
    )


@bp.delete("/sessions")
@endpoint(
    access=guard.session,
    audit="session.end-others",
    body=requests.Nothing,
    query=requests.NoQuery,
    answers={200: responses.SessionsEnded},
)
def end_other_sessions(call: Call[requests.Nothing, requests.NoQuery]) -> Response:
    """End all of my sessions but this one."""
    session = call.session
    with current_vault().db.write() as tx:
        ended = sessions.end_others(tx, session.account.id, session.id, call.now)
        call.record(tx, "")
    return answer(responses.SessionsEnded(sessions_ended=ended))


@bp.delete("/sessions/<session_id>")
@endpoint(
    access=guard.session,
    audit="session.end",
    body=requests.Nothing,
    query=requests.NoQuery,
    answers={200: responses.SessionsEnded},
)
def end_session(call: Call[requests.Nothing, requests.NoQuery], session_id: str) -> Response:
    """End one of my sessions; this one too, which is a logout."""
    session, ended = call.session, False
    if is_id(session_id):
        with current_vault().db.write() as tx:
            ended = sessions.end_own(tx, session.account.id, session_id, call.now)
            if ended:
                call.record(tx, session_id)
    if not ended:
        raise NotFound(
            "No session of yours has this id, or it has ended. GET /sessions lists them."
        )
    response = answer(responses.SessionsEnded(sessions_ended=1))
    if session_id == session.id:
        tokens.clear_cookies(response)
    return response


def _confirmed(account: Account, password: str) -> Credentials:
    """What the account's *password* was verified against. Raises WrongPassword.

    A session alone is not enough for what cannot be taken back: its cookies may be stolen. Nor may
    their thief guess on here, so callers go through :func:`one_attempt`.
    """
    vault = current_vault()
    with vault.db.read_once() as tx:
        credentials = accounts.find_credentials(tx, account.username)
    if credentials is None or not vault.hasher.verify(
        password, account.id, credentials.password_hash
    ):
        raise _wrong()
    return credentials


def _wrong() -> WrongPassword:
    return WrongPassword("Send the password that the account has now.")
