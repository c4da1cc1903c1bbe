"""Register, log in, refresh, log out. What a caller does with their account is in account.py."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response, request

from models import account_requests, requests, responses
from models.errors import (
    AlreadyExists,
    HashingSaturated,
    NotAuthenticated,
    RegistrationClosed,
    TooManyRegistrations,
    WrongCredentials,
)
from models.events import OK
from models.names import parse_username
from models.rows import Account, Credentials, Session
from routes import guard, tokens, trail
from routes.attempts import ATTEMPTS, one_attempt, refused_on_a_tick
from routes.client import this_client
from routes.context import current_vault
from routes.declared import Answer
from routes.endpoint import Call, answer, endpoint
from routes.trace import note_caller
from utils.passwords import refuse_guessable
from utils.store import accounts, attempts, sessions
from utils.tokens import new_account_id

bp = Blueprint("auth", __name__)


@bp.post("/register")
@endpoint(
    access=guard.anybody,
    audit="account.create",
    body=account_requests.Register,
    query=requests.NoQuery,
    answers={201: Answer(responses.Account, ("Location",))},
    refuses=(AlreadyExists, RegistrationClosed, HashingSaturated, TooManyRegistrations),
)
def register(call: Call[account_requests.Register, requests.NoQuery]) -> Response:
    """Create an account. The hashing happens between two transactions, under no lock."""
    vault, wanted = current_vault(), call.body
    if vault.settings.REGISTRATION == "closed":
        raise RegistrationClosed("Ask the operator for an account.")
    refuse_guessable(wanted.password, wanted.username)
    limits = vault.throttle.registration(request.remote_addr)
    with vault.db.read() as tx:
        attempts.refuse_registration(tx, limits, call.now)
        accounts.refuse_taken(tx, wanted.username)
    account_id = new_account_id()
    hashed = vault.hasher.hash(wanted.password, account_id)

    def create() -> Account:
        with vault.db.write() as tx:
            attempts.count_registration(tx, limits, call.now)
            made = accounts.create(tx, vault.master, account_id, wanted.username, hashed, call.now)
            trail.record_creation(tx, call.now, made)
        return made

    account = trail.retried(create)
    return answer(responses.Account.of(account), 201, {"Location": "/account"})


@bp.post("/login")
@endpoint(
    access=guard.session_if_any,
    audit="login",
    body=account_requests.Login,
    query=requests.NoQuery,
    answers={200: Answer(responses.LoggedIn, ("Set-Cookie",))},
    refuses=(*ATTEMPTS, WrongCredentials),
)
def login(call: Call[account_requests.Login, requests.NoQuery]) -> Response:
    """Open a session; one that the caller already had ends."""
    vault = current_vault()
    trail.typed(call.body.username)
    with refused_on_a_tick(), one_attempt(call.body.username, call.now) as attempt:
        credentials = _verified(call.body)
        upgraded = None
        if vault.hasher.needs_rehash(credentials.password_hash):
            upgraded = vault.hasher.hash(call.body.password, credentials.account.id)
        tokens.fetch_signing_key()

        def opened() -> Session:
            with vault.db.write() as tx:
                if not accounts.accept_login(tx, credentials, call.now):
                    raise _wrong()
                if upgraded is not None:
                    accounts.upgrade_hash(tx, credentials, upgraded)
                if isinstance(call.caller, Session):
                    sessions.end_session(tx, call.caller.id)
                session = sessions.open_session(
                    tx,
                    credentials.account,
                    this_client(),
                    call.now,
                    vault.settings.SESSION_IDLE_LIFETIME,
                    vault.settings.SESSION_LIFETIME,
                    vault.settings.MAX_SESSIONS,
                )
                attempt.succeeded(tx, credentials.account)
                trail.record(tx, call.now, "", caller=session)
            return session

        session = trail.retried(opened)
    return _with_cookies(session, call.now)


@bp.post("/refresh")
@endpoint(
    access=guard.refresh_cookie,
    audit="session.refresh",
    body=requests.Nothing,
    query=requests.NoQuery,
    answers={200: Answer(responses.LoggedIn, ("Set-Cookie",))},
)
def refresh(call: Call[requests.Nothing, requests.NoQuery]) -> Response:
    """Exchange the refresh token; using one twice ends the session for whoever holds it."""
    vault, claims = current_vault(), tokens.refresh_claims()
    tokens.check_csrf(claims)
    renewed = None
    tokens.fetch_signing_key()
    with vault.db.write() as tx:
        found = sessions.find_session(
            tx, claims.session_id, claims.account_id, call.now, claims.signed_by
        )
        if found is not None:
            renewed = sessions.rotate_refresh(
                tx,
                found,
                claims.token_id,
                this_client(),
                call.now,
                vault.settings.SESSION_IDLE_LIFETIME,
            )
            outcome = OK if renewed else "not-authenticated"
            trail.record(tx, call.now, "", caller=found, outcome=outcome)
    if renewed is None:  # raised only now: ending the session had to commit
        raise NotAuthenticated("The session has ended. Log in with POST /login.")
    return _with_cookies(renewed, call.now)


@bp.post("/logout")
@endpoint(
    access=guard.session_even_if_access_expired,
    audit="logout",
    body=requests.Nothing,
    query=requests.NoQuery,
    answers={200: Answer(responses.LoggedOut, ("Set-Cookie",))},
)
def logout(call: Call[requests.Nothing, requests.NoQuery]) -> Response:
    """End the session on every node, and take the cookies back."""
    with current_vault().db.write() as tx:
        sessions.end_session(tx, call.session.id)
        call.record(tx, "")
    response = answer(responses.LoggedOut())
    tokens.clear_cookies(response)
    return response


def _verified(given: account_requests.Login) -> Credentials:
    """The account whose password this is. The work is the same for one that isn't there."""
    vault = current_vault()
    username = parse_username(given.username)
    credentials = None
    if username is not None:
        with vault.db.read_once() as tx:
            credentials = accounts.find_credentials(tx, username)
    if credentials is None:
        vault.hasher.verify_nobody(given.password)
        raise _wrong()
    if not vault.hasher.verify(given.password, credentials.account.id, credentials.password_hash):
        raise _wrong()
    return credentials


def _wrong() -> WrongCredentials:
    return WrongCredentials("Check the username and the password.")


def _with_cookies(session: Session, now: datetime) -> Response:
    note_caller(session)  # whom the log names: until now, at most the session that ended
    response = answer(
        responses.LoggedIn(
            username=session.account.username,
            expires_in=int((tokens.access_ends(session, now) - now).total_seconds()),
        )
    )
    tokens.set_cookies(response, session, now)
    return response
