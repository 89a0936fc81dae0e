"""The names that spans, attributes and metrics have: OpenTelemetry's for generative AI, and ours where it has none.

Source: open-telemetry/semantic-conventions-genai, "Development", read for api 1.45 and semconv 0.66; the Python package
of the conventions lacks the operation `plan`.
"""

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
AGENT = "gen_ai.agent.name"
CONVERSATION = "gen_ai.conversation.id"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
OUTPUT_MESSAGES = "gen_ai.output.messages"
INPUT_MESSAGES = "gen_ai.input.messages"
TOOL = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
TOOL_CALL = "gen_ai.tool.call.id"
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_RESULT = "gen_ai.tool.call.result"
ERROR = "error.type"

CHAT, PLAN, EXECUTE_TOOL, INVOKE_AGENT = "chat", "plan", "execute_tool", "invoke_agent"

TOKENS_METRIC = "gen_ai.client.token.usage"
DURATION_METRIC = "gen_ai.client.operation.duration"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - the name of an attribute

RUN = "nebulus.run.id"
STEP = "nebulus.step.number"
STEP_TEXT = "nebulus.step.text"
TIER = "nebulus.tier"
PARSED = "nebulus.answer.parsed"
FINDING = "nebulus.finding.kind"
OUTCOME = "nebulus.outcome"
PROOF = "nebulus.proof"
RULE = "nebulus.rule"
REASON = "nebulus.reason"
STRATEGY = "nebulus.recovery.strategy"
VERDICT = "nebulus.verdict"
EFFECT = "nebulus.tool.effect"

FINDINGS_METRIC = "nebulus.findings"
REFUSALS_METRIC = "nebulus.refusals"
ESCALATIONS_METRIC = "nebulus.escalations"
