"""What a story chooses from."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st

from tests.stateful.shelf import Value

CHAIRS = ("alice", "bob", "carol")
TOKEN_NAMES = ("job", "ci")

# Some people and names come up more often: a history must meet itself to be one.
people = st.sampled_from([0, 0, 0, 1, 1, 2])
# With the session, or with the token of this name where there is one.
credentials = st.sampled_from(["session", "session", "session", *TOKEN_NAMES])
callers = st.tuples(people, credentials)
# Alike, so that filters and collations could confuse them.
names = st.sampled_from(["a"] * 4 + ["a/b"] * 4 + ["b"] * 2 + ["A", "a/b/c", "a_b", "axb", "a-"])
busy_names = st.sampled_from(["a", "a", "a", "a/b"])
numbers = st.integers(1, 4)  # of versions
prefixes = st.sampled_from(["", "", "a", "a/", "A", "a_"])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
few = st.sampled_from(["x", "y"])  # so that some value is there already
values = st.one_of(few, texts, st.binary(max_size=20)).map(Value)
label_sets = st.dictionaries(
    st.sampled_from(["env", "ENV", "a.b/c"]),
    st.sampled_from(["prod", "PROD", "", "%", 'x","env":"prod', "p_od", "é\U0001f511"]),
    max_size=2,
)
labels = st.one_of(st.none(), label_sets.map(lambda chosen: next(iter(chosen.items()), None)))
minutes = st.integers(-3, 30).map(lambda count: timedelta(minutes=count))
expiries = st.one_of(st.none(), minutes)
conditions = st.sampled_from(
    ["none"] * 6
    + ["match current", "match stale", "match any", "match list", "match weak"]
    + ["new only", "not current", "not stale", "not weak"]
)
limits = st.integers(1, 5)


def maybe(choices: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """One of these, or what a request does not mention."""
    return st.one_of(st.just("keep"), choices)
