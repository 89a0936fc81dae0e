"""Is the class of a real error recognised? Errors that libraries raised, and messages that servers sent.

`errors.jsonl` was written by `gather.py`: real exceptions with a label given by hand. `MESSAGES` are texts
alone, minimal re-creations of what model servers, shells and tools say. Each error is classified twice: by
all that it says about itself, and by its message alone.
"""

import json
from collections import Counter
from pathlib import Path

import msgspec

from nebulus.core.failure import FailureKind as K
from nebulus.recovery.classify import ErrorEvidence, classify, declared_failure, of_text

ERRORS = Path(__file__).with_name("errors.jsonl")

MESSAGES: tuple[tuple[K, str], ...] = (
    (
        K.PROMPT_TOO_LARGE,
        "the request exceeds the available context size, context size exceeded: 8193 > 8192",
    ),
    (K.PROMPT_TOO_LARGE, "This model's maximum context length is 4096 tokens, however you requested 5000"),
    (K.THROTTLED, "Rate limit reached for requests per min. Please retry after 6 seconds"),
    (K.THROTTLED, "No deployments available for selected model. Try again in 5 seconds. cooldown: 429"),
    (K.EXHAUSTED_BUDGET, "You exceeded your current quota, please check your plan and billing details"),
    (K.TRANSIENT, "upstream connect error or disconnect/reset before headers. connection refused"),
    (K.TRANSIENT, "model is loading, the server is busy"),
    (K.TIMEOUT, "Command timed out after 60 seconds"),
    (K.TIMEOUT, "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"),
    (K.NOT_FOUND, "cat: notes.md: No such file or directory"),
    (K.NOT_FOUND, "model 'qwen3:8b' not found, try pulling it first"),
    (K.NOT_FOUND, "bash: foo: command not found"),
    (K.NOT_FOUND, "cd: 'reports': No such directory"),
    (K.NOT_FOUND, "Could not find a user with the name Bob"),
    (K.PERMISSION, "bash: /etc/shadow: Permission denied"),
    (K.PERMISSION, "401: invalid api key provided"),
    (K.PERMISSION, "User not authenticated. Please log in first"),
    (K.CONFLICT, "mkdir: cannot create directory 'a': File exists"),
    (K.CONFLICT, "fatal: cannot lock ref: the file is locked by another process"),
    (K.CONFLICT, "edit rejected: the file has been modified since you read it"),
    (K.CONFLICT, "rmdir: failed to remove 'a': Directory not empty"),
    (K.INVALID_ARGUMENTS, "ls() got an unexpected keyword argument 'path'"),
    (K.INVALID_ARGUMENTS, "missing 1 required positional argument: 'folder'"),
    (K.INVALID_ARGUMENTS, "Invalid value for parameter limit: must be between 1 and 100"),
    (K.INVALID_ARGUMENTS, "time data 'tomorrow' does not match format '%Y-%m-%d': invalid date"),
    (K.MALFORMED_ANSWER, "Failed to parse JSON response: Expecting value: line 1 column 1 (char 0)"),
    (K.MALFORMED_ANSWER, "<html><head><title>Login</title></head></html>"),
    (K.TRUNCATED, "unexpected end of JSON input"),
    (
        K.POLICY_REFUSAL,
        "The response was filtered due to the prompt triggering the content management policy",
    ),
    (K.EXHAUSTED_BUDGET, "write error: No space left on device"),
    (K.PERMANENT, "Segmentation fault (core dumped)"),
    (K.PERMANENT, "exit code 1"),
)
"""Source: shells and servers as seen in public issues; see the shapes in the tests of the backends."""


def main() -> None:
    """Print how many of each class are recognised, and each that is not."""
    rows: Counter[tuple[str, str]] = Counter()
    missed: list[str] = []
    for line in ERRORS.read_text(encoding="utf-8").splitlines():
        error = json.loads(line)
        label, evidence = error["label"], msgspec.convert(error["evidence"], ErrorEvidence)
        whole, words = classify(evidence), of_text(error["message"])
        rows["exception, all evidence", _verdict(label, whole.kind)] += 1
        rows["exception, message alone", _verdict(label, words.kind)] += 1
        if whole.kind != label:
            missed.append(f"{error['from']}: {error['message'][:70]!r} is {label}, taken for {whole.kind}")
    for label, text in MESSAGES:
        found = declared_failure(text) or of_text(text)
        rows["message of a server or shell", _verdict(label, found.kind)] += 1
        if found.kind != label:
            missed.append(f"{text[:70]!r} is {label}, taken for {found.kind}")
    print(
        "| what is shown | errors | right | not recognised | taken for another class |\n|---|--:|--:|--:|--:|"
    )
    for source in dict.fromkeys(source for source, _ in rows):
        right, none, other = (rows[source, verdict] for verdict in ("right", "none", "other"))
        print(f"| {source} | {right + none + other} | {right} | {none} | {other} |")
    print(*(f"- {item}" for item in missed), sep="\n")


def _verdict(label: str, kind: K) -> str:
    if kind == label:
        return "right"
    return "none" if kind is K.PERMANENT else "other"
