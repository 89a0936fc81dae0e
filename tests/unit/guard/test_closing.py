"""What a rule denies for certain is closed to commands as well; nothing that it leaves open is."""

import pytest

from nebulus.adapters.policies.files import parse_rules
from nebulus.guard.closing import Closed, closed_to_commands


def closed(*rules: str) -> Closed:
    text = "\n".join(f'[[policy]]\nreason = "no"\n{rule}\n' for rule in rules)
    return closed_to_commands(parse_rules(text, source="policy.toml").rules)


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ('path = "secrets/**"\nthen = "deny"', Closed(hidden=("secrets",))),
        ('path = [".env", "keys/private"]\nthen = "deny"', Closed(hidden=(".env", "keys/private"))),
        ('path = "docs/**"\neffect = ["write", "irreversible"]\nthen = "deny"', Closed(fixed=("docs",))),
        ('path = "docs/**"\neffect = "read"\nthen = "deny"', Closed(hidden=("docs",))),
        ('path = "**/*.pem"\nthen = "deny"', Closed(uncarried=("**/*.pem",))),
        ('path = ["a/*.key", "b"]\nthen = "deny"', Closed(hidden=("b",), uncarried=("a/*.key",))),
        ('path = "docs/**"\neffect = "egress"\nthen = "deny"', Closed()),
        ('path = "docs/**"\nthen = "ask"', Closed()),
        ('path = "docs/**"\ntool = "delete_file"\nthen = "deny"', Closed()),
        ('path = "docs/**"\nwho = "small"\nthen = "deny"', Closed()),
        ('path = "docs/**"\ntainted = true\nthen = "deny"', Closed()),
        ('path = "docs/**"\nafter = "read_file"\nthen = "deny"', Closed()),
    ],
)
def test_a_rule_closes_what_it_denies_by_path_alone(rule: str, found: Closed) -> None:
    assert closed(rule) == found


def test_what_is_denied_to_readers_by_any_rule_is_hidden() -> None:
    both = closed('path = "a/**"\neffect = "write"\nthen = "deny"', 'path = "a/**"\nthen = "deny"')
    assert both == Closed(hidden=("a",))
