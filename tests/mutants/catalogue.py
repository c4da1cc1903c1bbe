"""Which modules are mutated, and the tests that have to notice.

Quick ones, in the process that has the mutant: of a test that starts a server or a command, mutmut
does not see what it passes through. Among these, it finds out itself which pass through a function.
"""

from __future__ import annotations

from collections.abc import Mapping

_ROTATION = (
    "test_rotation",
    "test_rotation_crashes",
    "test_rotation_economy",
    "test_rotation_faults",
    # The others of that file wait for threads.
    *(
        f"test_rotation_races::test_{name}"
        for name in (
            "a_key_retired_during_a_sweep_is_swept_too",
            "an_owner_who_never_stops_rotating_does_not_keep_a_sweep_going",
            "a_batch_that_lost_its_race_is_done_again",
            "an_exchange_that_fails_ends_the_sweep",
            "a_row_that_somebody_else_moved_is_not_moved_back",
            "a_key_that_another_rotation_just_made_is_left",
            "a_key_that_is_needed_again_is_not_destroyed",
        )
    ),
)
# The others of that file run the command.
_REWRAPPING = (
    "test_rewrapping_races",
    *(
        f"test_rewrapping::test_{name}"
        for name in (
            "batches_are_small",
            "a_damaged_key_of_the_service_is_named_too",
            "a_key_of_a_third_master_key_is_named",
            "what_would_not_open_again_is_not_written",
            "a_server_that_still_puts_the_old_key_first_is_told_of",
            "a_crash_at_any_commit_leaves_what_the_next_run_finishes",
        )
    ),
)

MODULES: Mapping[str, tuple[str, ...]] = {
    "models/powers.py": ("test_api_token_powers", "test_api_token_lists"),
    "routes/tokens.py": ("test_session_tokens", "test_sessions_api", "test_csrf"),
    "utils/behind.py": ("test_behind",),
    "utils/crypto.py": (
        "test_crypto",
        "test_crypto_format",
        "test_crypto_proofs",
        "test_crypto_use",
    ),
    "utils/macs.py": ("test_crypto_format", "test_api_token_tampering", "test_shares_tampering"),
    "utils/passwords.py": ("test_passwords", "test_password_rules", "test_hash_upgrades"),
    "utils/patience.py": ("test_rotation_crashes",),
    "utils/reencryption.py": (
        "test_reencryption_on_read::test_a_read_moves_exactly_what_was_read",
        "test_reencryption_on_read::test_it_tells_whether_it_moved",
        "test_reencryption_on_read::test_the_lock_is_only_tried",
        "test_rotation_crashes::test_a_busy_database_is_asked_again",
        "test_rotation",
    ),
    "utils/rewrapping.py": _REWRAPPING,
    "utils/rotation.py": (
        "test_system_keys::test_a_rotation_replaces_the_signing_key_once",
        *_ROTATION,
    ),
    "utils/store/ciphertexts.py": (
        "test_key_counts",
        "test_reencryption_on_read::test_a_read_moves_exactly_what_was_read",
        *_ROTATION,
    ),
    "utils/store/keys.py": ("test_key_counts", "test_keys_api", *_ROTATION),
    "utils/store/system.py": ("test_system_keys", "test_rewrapping_races"),
    "utils/store/wrappings.py": ("test_key_counts", *_REWRAPPING),
    "utils/tokens.py": (
        "test_crypto_format",
        "test_crypto_use",
        "test_api_token_format",
        "test_api_token_tampering",
    ),
}


def path_of(name: str) -> str:
    """As pytest takes it: ``test_a::test_b`` is one test of a file."""
    file, colons, test = name.partition("::")
    return f"{file}.py{colons}{test}"
