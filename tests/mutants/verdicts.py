"""What became of a module's mutants, as a row of the table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

LEAST = 85  # percent of a module's mutants that tests have to notice

_VERDICT = re.compile(r"^\s*(\S+__mutmut_\d+): (.+)$", re.MULTILINE)
_WORDS = "SELECT INSERT UPDATE DELETE FROM JOIN WHERE AND SET VALUES LOCK BY EXISTS RETURNING"
_SQL = re.compile(rf"\b({_WORDS.replace(' ', '|')})\b")
_LITERAL = re.compile(r"'[^']*'")


@dataclass(frozen=True, slots=True)
class Row:
    """The verdicts on one module; *same* are those that change nothing."""

    module: str
    verdicts: Mapping[str, str]
    same: frozenset[str] = frozenset()

    @property
    def survivors(self) -> list[str]:
        """The mutants that nobody noticed, and that are none of the *same*."""
        return [
            name
            for name, verdict in self.verdicts.items()
            if verdict not in {"killed", "timeout"} and name not in self.same
        ]

    @property
    def percent(self) -> float:
        """Noticed, of those that change something. A test run that does not end is noticed."""
        counted = len(self.verdicts) - len(self.same)
        return 100 * (1 - len(self.survivors) / counted) if counted else 100.0

    def __str__(self) -> str:
        counts = Counter(self.verdicts.values())
        numbers = (len(self.verdicts), len(self.same), counts["killed"], len(self.survivors))
        return (
            f"{self.module:<28}"
            + "".join(f"{number:>10}" for number in (*numbers, counts["timeout"]))
            + f"{self.percent:>9.1f}"
        )


HEADER = (
    f"{'module':<28}{'mutants':>10}{'same SQL':>10}{'killed':>10}{'survived':>10}"
    f"{'timeouts':>10}{'percent':>9}"
)


def parse(results: str) -> dict[str, str]:
    """The verdicts that ``mutmut results --all true`` lists."""
    return dict(_VERDICT.findall(results))


def is_same_sql(diff: str) -> bool:
    """Whether all that changed is the case of SQL's own words, which mean the same in either.
    What stands in quotes is data."""
    lines = diff.splitlines()
    before = [line[1:] for line in lines if re.match(r"-(?!--)", line)]
    after = [line[1:] for line in lines if re.match(r"\+(?!\+\+)", line)]
    text, changed = "\n".join(before), "\n".join(after)
    return (
        text.lower() == changed.lower()
        and bool(_SQL.search(text))
        and _LITERAL.findall(text) == _LITERAL.findall(changed)
    )
