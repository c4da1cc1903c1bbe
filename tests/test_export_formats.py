"""Each export format, read by the parser that it is for: any value comes back, and none runs."""

from __future__ import annotations

import random
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.dotenv import assignments
from models.environment import is_of_the_shell, variable_name
from models.errors import NotExportable
from models.export_formats import Format, render
from models.rows import Secret, SecretId, SecretInfo, SecretName, Value, ValueKind
from tests.support.env_files import READERS, read_by_bash, read_by_dotenv
from tests.support.hostile_values import hostile_value

MOMENT = datetime(2030, 1, 1, tzinfo=timezone.utc)
VARIABLES: tuple[Format, ...] = ("shell", "dotenv", "docker")
FORMATS: tuple[Format, ...] = (*VARIABLES, "json")
CANNOT = {"shell": "\0", "dotenv": "\0", "docker": "\0\n\r", "json": ""}
each_format = pytest.mark.parametrize("form", FORMATS)


def secret(name: str, data: bytes | str, kind: ValueKind = "text") -> Secret:
    """A secret as an export gets it."""
    value = Value(data.encode() if isinstance(data, str) else data, kind)
    info = SecretInfo(SecretId(1), SecretName(name), 1, "tag", {}, MOMENT, MOMENT)
    return Secret(info, 1, value, stale=False)


def written(form: Format, values: list[str], folder: Path) -> Path:
    """A file with these values under the names V0, V1, ..."""
    path = folder / f"{form}.env"
    secrets = [secret(f"V{number}", value) for number, value in enumerate(values)]
    path.write_bytes(render(form, secrets, "").encode())
    return path


def assert_comes_back(form: Format, values: list[str], folder: Path) -> None:
    """The parser of *form* finds the values, no more and no less, and nothing else happened."""
    path = written(form, values, folder)
    found = READERS[form](path)
    assert found == {f"V{number}": value for number, value in enumerate(values)}
    assert [file.name for file in folder.iterdir() if file.suffix != ".env"] == []


@each_format
def test_any_text_comes_back(form: Format, tmp_path: Path) -> None:
    """Whatever Hypothesis thinks of, alone and beside others."""
    letters = st.characters(exclude_categories=["Cs"], exclude_characters=CANNOT[form])
    pieces = st.sampled_from(["'", '"', "\\", "${", "}", "$(>ran)", "`>ran`", "#", " ", "\\n"])
    texts = st.lists(letters | pieces, max_size=12).map("".join)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(texts, max_size=40))
    def holds(values: list[str]) -> None:
        assert_comes_back(form, values, tmp_path)

    holds()


@each_format
@pytest.mark.parametrize("seed", range(3))
def test_hostile_text_comes_back(form: Format, seed: int, tmp_path: Path) -> None:
    """The pieces that shells and parsers stumble over, and commands that would leave a file."""
    dice = random.Random(seed)
    values = [hostile_value(dice) for _ in range(300)]
    for letter in CANNOT[form]:
        values = [value.replace(letter, "") for value in values]
    assert_comes_back(form, values, tmp_path)


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_bash_reads_the_same_in_every_locale(locale: str, tmp_path: Path) -> None:
    """Bytes above ASCII are never half of a quote."""
    path = written("shell", ["é'€\\", "\U0001f511$(>ran)"], tmp_path)
    assert read_by_bash(path, locale) == {"V0": "é'€\\", "V1": "\U0001f511$(>ran)"}


def test_what_hostile_values_do_where_nothing_quotes_them(tmp_path: Path) -> None:
    """The control of the experiments above: these values run, and the file tells."""
    (tmp_path / "naive.env").write_text('A="$(>ran)"\n')
    read_by_bash(tmp_path / "naive.env")
    assert (tmp_path / "ran").exists()


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "prefix", "variable"),
    [
        ("DATABASE_URL", "", "DATABASE_URL"),
        ("app/DATABASE_URL", "app/", "DATABASE_URL"),
        ("app/http_proxy", "app/", "http_proxy"),
        ("app/db-password", "app/", "DB_PASSWORD"),
        ("app/db/pass.word", "app/", "DB_PASS_WORD"),
        ("app/db/password", "", "APP_DB_PASSWORD"),
        ("app/2fa", "app/", "_2FA"),
        ("app/a@b+c=d", "app/", "A_B_C_D"),
        ("app/DB_HOST", "app/DB_", "DB_HOST"),
        ("app/db-password", "app/db-password", "DB_PASSWORD"),
        ("shopping", "shop", "shopping"),
    ],
)
def test_a_name_becomes_a_variable(name: str, prefix: str, variable: str) -> None:
    """The rule of docs/api.md: the folder is cut off; what is a variable's name already stays."""
    assert variable_name(SecretName(name), prefix) == variable


@pytest.mark.parametrize("form", VARIABLES)
def test_two_names_that_become_one_variable_are_refused(form: Format) -> None:
    """Both are named, in whichever order; and JSON has no such trouble."""
    secrets = [secret("a/x-y", "canary"), secret("a/x.y", "canary"), secret("a/z", "canary")]
    with pytest.raises(NotExportable) as refused:
        render(form, secrets, "a/")
    (problem,) = refused.value.problems
    assert problem.pointer == "/secrets/a/x.y"
    assert problem.detail == "becomes the variable X_Y, as a/x-y does"
    assert '"a/x-y"' in render("json", secrets, "a/")


def test_every_variable_that_bash_knows_is_either_refused_or_like_any_other(
    tmp_path: Path,
) -> None:
    """Asked of bash itself: assigned to RANDOM, a value is calculated, and a[$(command)] runs."""
    listed = subprocess.run(["bash", "-c", "compgen -v"], check=True, capture_output=True)
    known = {*listed.stdout.decode().split(), "LANG", "TZ", "HOME", "MAIL", "LC_ALL", "TMPDIR"}
    ours = {"PATH", "PWD", "OLDPWD", "SHLVL", "_"}  # read_by_bash could not tell
    assert all(map(is_of_the_shell, ours))
    taken = sorted(name for name in known if not is_of_the_shell(name))
    assert "HOME" in taken
    for value in ("a[$(>ran)]", "$(>ran)"):
        for name in taken:
            path = tmp_path / "one.env"
            path.write_text(render("shell", [secret(name, value), secret("NEXT", "1")], ""))
            found = read_by_bash(path)
            assert found == {name: value, "NEXT": "1"}, name
        assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("form", VARIABLES)
@pytest.mark.parametrize(
    "name",
    [
        *("RANDOM", "SRANDOM", "HISTCMD", "OPTIND"),  # bash runs a command within such a value
        *("PS4", "PROMPT_COMMAND", "BASH_ENV", "ENV", "PATH", "IFS", "LD_PRELOAD"),
        *("BASH_FUNC_ls", "DYLD_INSERT_LIBRARIES", "SHELLOPTS", "UID", "_"),
    ],
)
def test_a_name_that_steers_the_shell_is_refused(form: Format, name: str) -> None:
    """Whoever may write under a prefix must not choose what runs where it is loaded."""
    written_as = name.replace("_", "-").lower() if form == "shell" and "_" in name[1:] else name
    with pytest.raises(NotExportable) as refused:
        render(form, [secret(written_as, "x"), secret("fine", "x")], "")
    assert [problem.pointer for problem in refused.value.problems] == [f"/secrets/{written_as}"]
    assert "steers the shell" in refused.value.problems[0].detail


# --- what a format cannot carry ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "refused_by"),
    [
        (b"\xff\xfe", {"shell", "dotenv", "docker", "json"}),
        (b"canary\0canary", {"shell", "dotenv", "docker"}),
        (b"canary\ncanary", {"docker"}),
        (b"canary\r", {"docker"}),
        (b"x" * 65_534, {"docker"}),
        (b"x" * 65_533, set()),
        (b"x" * 65_536, {"docker"}),
        (b"", set()),
        (b" \t canary # \t ", set()),
    ],
)
@each_format
def test_what_a_format_cannot_carry_is_refused_by_name(
    form: Format, data: bytes, refused_by: set[str], tmp_path: Path
) -> None:
    """At the very limit, too: what is not refused comes back."""
    secrets = [secret("A", data, "bytes"), secret("B", "fine")]
    if form not in refused_by:
        path = tmp_path / "file"
        path.write_bytes(render(form, secrets, "").encode())
        assert READERS[form](path) == {"A": data.decode(), "B": "fine"}
        return
    with pytest.raises(NotExportable) as refused:
        render(form, secrets, "")
    assert {problem.pointer for problem in refused.value.problems} == {"/secrets/A"}
    assert "canary" not in repr(refused.value.problems)


def test_python_dotenv_replaces_what_looks_like_a_name(tmp_path: Path) -> None:
    """Why a dollar sign before a brace is written as the default of a variable without a name."""
    path = tmp_path / "naive.env"
    path.write_text("A='${HOME}'\n")
    assert read_by_dotenv(path)["A"] != "${HOME}"
    assert render("dotenv", [secret("A", "${HOME}")], "") == "A='${:-$}{HOME}'\n"


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_an_import_reads_what_an_export_wrote(value: str) -> None:
    """So a .env file that came from here goes back in as it was."""
    if "\0" not in value:
        text = render("dotenv", [secret("A", value), secret("B", value)], "")
        assert [(one.key, one.value) for one in assignments(text)] == [("A", value), ("B", value)]
