"""What a rule denies for certain is closed to commands as well, and nothing else is."""

import pytest

from nebulus.adapters.policies.files import parse_rules
from nebulus.guard.command_paths import ClosedPaths, closed_paths


def closed(*rules: str) -> ClosedPaths:
    text = "\n".join(f'[[policy]]\nreason = "no"\n{rule}\n' for rule in rules)
    return closed_paths(parse_rules(text, source="policy.toml").rules)


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ('path = "secrets/**"\nthen = "deny"', ClosedPaths(hidden=("secrets",))),
        ('path = [".env", "keys/private"]\nthen = "deny"', ClosedPaths(hidden=(".env", "keys/private"))),
        (
            'path = "docs/**"\neffect = ["write", "irreversible"]\nthen = "deny"',
            ClosedPaths(read_only=("docs",)),
        ),
        ('path = "docs/**"\neffect = "read"\nthen = "deny"', ClosedPaths(hidden=("docs",))),
        ('path = "**/*.pem"\nthen = "deny"', ClosedPaths(unenforceable=("**/*.pem",))),
        ('path = ["a/*.key", "b"]\nthen = "deny"', ClosedPaths(hidden=("b",), unenforceable=("a/*.key",))),
        ('path = "docs/**"\neffect = "egress"\nthen = "deny"', ClosedPaths()),
        ('path = "docs/**"\nthen = "ask"', ClosedPaths()),
        ('path = "docs/**"\ntool = "delete_file"\nthen = "deny"', ClosedPaths()),
        ('path = "docs/**"\nwho = "small"\nthen = "deny"', ClosedPaths()),
        ('path = "docs/**"\ntainted = true\nthen = "deny"', ClosedPaths()),
        ('path = "docs/**"\nafter = "read_file"\nthen = "deny"', ClosedPaths()),
    ],
)
def test_a_rule_closes_what_it_denies_by_path_alone(rule: str, found: ClosedPaths) -> None:
    assert closed(rule) == found


def test_what_is_denied_to_readers_by_any_rule_is_hidden() -> None:
    both = closed('path = "a/**"\neffect = "write"\nthen = "deny"', 'path = "a/**"\nthen = "deny"')
    assert both == ClosedPaths(hidden=("a",))
