"""What identifies each class of failure: codes, names of exceptions, and, last, words of a message. Tables only.

HTTP statuses are in `core.http`.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from nebulus.core.failure import FailureKind as K


def _each(kind: K, names: str) -> dict[str, K]:
    return dict.fromkeys(names.split(), kind)


CODES: Mapping[str, K] = MappingProxyType(
    {
        # Source: the error objects of the OpenAI and Anthropic APIs.
        **_each(K.THROTTLED, "rate_limit_error rate_limit_exceeded overloaded_error too_many_requests"),
        **_each(
            K.EXHAUSTED_BUDGET, "insufficient_quota billing_hard_limit_reached billing_error quotaexceeded"
        ),
        **_each(K.PERMISSION, "authentication_error permission_error invalid_api_key permission_denied"),
        **_each(K.NOT_FOUND, "not_found_error model_not_found not_found"),
        **_each(K.INVALID_ARGUMENTS, "invalid_request_error invalid_argument invalid_arguments"),
        **_each(K.PROMPT_TOO_LARGE, "context_length_exceeded exceed_context_size_error request_too_large"),
        **_each(K.POLICY_REFUSAL, "content_filter content_policy_violation"),
        **_each(K.TRANSIENT, "api_error server_error internal_error service_unavailable"),
        **_each(K.TIMEOUT, "timeout_error"),
        # Source: gRPC status codes, https://grpc.github.io/grpc/core/md_doc_statuscodes.html; ABORTED and
        # FAILED_PRECONDITION ask for a look at the state before the next attempt.
        **_each(K.THROTTLED, "resource_exhausted"),
        **_each(K.TRANSIENT, "unavailable internal data_loss unknown"),
        **_each(K.TIMEOUT, "deadline_exceeded cancelled"),
        **_each(K.CONFLICT, "already_exists aborted failed_precondition"),
        **_each(K.PERMISSION, "unauthenticated"),
        **_each(K.INVALID_ARGUMENTS, "out_of_range"),
        **_each(K.PERMANENT, "unimplemented"),
        # Source: SQLSTATE, PostgreSQL's appendix A.
        **_each(K.CONFLICT, "23505 23503 23p01 40001 40p01 55p03 25p02 42p07"),
        **_each(K.INVALID_ARGUMENTS, "22001 22003 22007 22008 22p02 23502 23514 42601 42703 42804 42883"),
        **_each(K.NOT_FOUND, "42p01 3d000 02000"),
        **_each(K.PERMISSION, "28000 28p01 42501"),
        **_each(K.TRANSIENT, "08000 08001 08003 08006 57p01 57p02 57p03"),
        **_each(K.THROTTLED, "53300"),
        **_each(K.EXHAUSTED_BUDGET, "53100 53200"),
        **_each(K.TIMEOUT, "57014"),
        # Source: the common errors of the AWS APIs.
        **_each(
            K.THROTTLED,
            "throttling throttlingexception throttledexception toomanyrequestsexception slowdown "
            "requestlimitexceeded provisionedthroughputexceededexception",
        ),
        **_each(K.PERMISSION, "accessdenied accessdeniedexception expiredtoken invalidaccesskeyid"),
        **_each(K.PERMISSION, "unrecognizedclientexception signaturedoesnotmatch unauthorizedoperation"),
        **_each(K.NOT_FOUND, "nosuchkey nosuchbucket resourcenotfoundexception nosuchentity"),
        **_each(K.CONFLICT, "conditionalcheckfailedexception conflictexception preconditionfailed"),
        **_each(K.CONFLICT, "entityalreadyexists bucketalreadyexists resourceinuseexception"),
        **_each(K.INVALID_ARGUMENTS, "validationexception invalidparametervalue malformedpolicydocument"),
        **_each(K.TRANSIENT, "internalerror serviceunavailable internalserverexception"),
        **_each(K.TIMEOUT, "requesttimeout requesttimeoutexception"),
        **_each(K.EXHAUSTED_BUDGET, "limitexceededexception servicequotaexceededexception"),
        # Source: JSON-RPC 2.0 §5.1.
        **_each(K.INVALID_ARGUMENTS, "-32600 -32602"),
        **_each(K.NOT_FOUND, "-32601"),
        **_each(K.MALFORMED_ANSWER, "-32700"),
        **_each(K.TRANSIENT, "-32603"),
        # Source: errno(3) on Linux.
        **{f"errno {number}": K.NOT_FOUND for number in (2, 3, 6, 19)},
        **{f"errno {number}": K.PERMISSION for number in (1, 13, 30)},
        **{f"errno {number}": K.CONFLICT for number in (16, 17, 26, 39)},
        **{f"errno {number}": K.INVALID_ARGUMENTS for number in (7, 20, 21, 22, 36, 40)},
        **{f"errno {number}": K.EXHAUSTED_BUDGET for number in (12, 23, 24, 27, 28, 122)},
        **{
            f"errno {number}": K.TRANSIENT
            for number in (4, 5, 11, 32, 100, 101, 103, 104, 108, 111, 112, 113)
        },
        **{f"errno {number}": K.TIMEOUT for number in (62, 110)},
    }
)
"""Codes in lower case. A code means the same in every API that was looked at."""

EXCEPTIONS: Mapping[str, K] = MappingProxyType(
    {
        **_each(K.THROTTLED, "RateLimitError TooManyRequests Throttled ResourceExhausted OverloadedError"),
        **_each(
            K.TIMEOUT,
            "TimeoutError Timeout ConnectTimeout ReadTimeout WriteTimeout PoolTimeout APITimeoutError "
            "TimeoutException ReadTimeoutError ConnectTimeoutError ServerTimeoutError TimeoutExpired "
            "ServerSelectionTimeoutError NetworkTimeout QueryCanceled CancelledError",
        ),
        **_each(
            K.TRANSIENT,
            "ConnectionError ConnectionResetError ConnectionRefusedError ConnectionAbortedError BrokenPipeError "
            "ConnectError ReadError WriteError RemoteProtocolError APIConnectionError ServerDisconnectedError "
            "ClientConnectorError ClientOSError ClientPayloadError ChunkedEncodingError IncompleteRead "
            "InternalServerError ServiceUnavailable BadGateway EndpointConnectionError AutoReconnect "
            "NotPrimaryError RemoteDisconnected IncompleteReadError NewConnectionError NameResolutionError "
            "ProtocolError BusyLoadingError SSHException gaierror",
        ),
        **_each(
            K.PERMISSION,
            "PermissionError AuthenticationError PermissionDeniedError NoCredentialsError Forbidden "
            "Unauthorized AuthenticationException NoPermissionError InsufficientPrivilege SSLError "
            "SSLCertVerificationError PartialCredentialsError AuthorizationError",
        ),
        **_each(
            K.NOT_FOUND,
            "FileNotFoundError NotFoundError NotFound KeyError IndexError LookupError ModuleNotFoundError "
            "ProcessLookupError NoResultFound DoesNotExist UndefinedTable UnknownServiceError",
        ),
        **_each(
            K.CONFLICT,
            "FileExistsError ConflictError Conflict IntegrityError UniqueViolation DuplicateKeyError "
            "WatchError LockError StaleDataError SerializationFailure DeadlockDetected MultipleResultsFound",
        ),
        **_each(
            K.INVALID_ARGUMENTS,
            "ValidationError ValueError TypeError BadRequestError UnprocessableEntityError InvalidURL "
            "UnsupportedProtocol MissingSchema InvalidSchema ParamValidationError DataError ProgrammingError "
            "IsADirectoryError NotADirectoryError UnicodeEncodeError ZeroDivisionError OverflowError "
            "LocalProtocolError InvalidName CompileError",
        ),
        **_each(
            K.MALFORMED_ANSWER,
            "JSONDecodeError DecodeError ContentTypeError DecodingError UnicodeDecodeError BadStatusLine "
            "APIResponseValidationError InvalidResponse ResponseParserError ResponseError BadZipFile",
        ),
        **_each(K.TRUNCATED, "EOFError LengthFinishReasonError"),
        **_each(K.EXHAUSTED_BUDGET, "MemoryError OutOfMemoryError RecursionError QuotaExceeded"),
        **_each(K.POLICY_REFUSAL, "ContentFilterFinishReasonError"),
        **_each(K.PERMANENT, "NotImplementedError"),
        **_each(K.OURS, "AssertionError AttributeError NameError ImportError SyntaxError UnboundLocalError"),
    }
)
"""Names of exception classes in the standard library and in the clients that tools are written with.

Source: their own trees (httpx, requests, urllib3, aiohttp, openai, anthropic, botocore, redis, SQLAlchemy,
psycopg, pymongo, grpc, paramiko). The nearest class decides, so `JSONDecodeError` comes before `ValueError`.
"""


def _words(kind: K, *patterns: str) -> tuple[K, re.Pattern[str]]:
    return kind, re.compile("|".join(patterns), re.IGNORECASE)


PATTERNS: tuple[tuple[K, re.Pattern[str]], ...] = (
    _words(K.PROMPT_TOO_LARGE, r"context (?:length|window|size) (?:exceeded|limit)", r"maximum context length"),
    _words(
        K.EXHAUSTED_BUDGET,
        r"insufficient (?:quota|credit|balance|funds)",
        r"quota (?:has been )?(?:exceeded|exhausted|reached)",
        r"exceeded your (?:current )?quota",
        r"no space left on device",
        r"out of memory",
        r"disk (?:is )?full",
        r"payment required",
        r"too many open files",
        r"usage limit (?:reached|exceeded)",
    ),
    _words(
        K.THROTTLED,
        r"rate[- ]?limit",
        r"too many (?:requests|connections|clients)",
        r"\b429\b",
        r"throttl",
        r"slow ?down",
        r"overloaded",
        r"retry[- ]after",
    ),
    _words(
        K.POLICY_REFUSAL,
        r"content (?:policy|filter|management policy)",
        r"(?:blocked|denied|refused|rejected) by (?:\w+ )?(?:policy|guardrail|rule)",
        r"violates? (?:our |the )?(?:usage )?polic",
    ),
    _words(
        K.PERMISSION,
        r"permission denied",
        r"access (?:is )?denied",
        r"(?:is )?not (?:authori[sz]ed|allowed|permitted)",
        r"unauthori[sz]ed",
        r"forbidden",
        r"invalid (?:api[- ]?key|credentials|token|password)",
        r"authentication (?:failed|required)",
        r"\b40[13]\b",
        r"read-only file ?system",
        r"(?:token|session|credentials?) (?:has |have )?expired",
        r"insufficient (?:privileges|permissions|scope)",
        r"log ?in (?:first|required)",
        r"not (?:logged in|authenticated)",
    ),
    _words(
        K.TIMEOUT,
        r"time[d]?[- ]?out",
        r"deadline (?:was )?exceeded",
        r"took (?:too long|longer)",
        r"\b504\b",
        r"canceling statement due to",
    ),
    _words(
        K.NOT_FOUND,
        r"not[ _-]found",
        r"no such (?!luck)",
        r"does(?: not|n't) exist",
        r"unknown (?:\w+ )?(?:tool|function|method|column|table|database|host|user|key|command|file|id|path)\b",
        r"could(?: not|n't) (?:find|be found|resolve)",
        r"cannot find",
        r"\b404\b",
        r"no (?:\w+ )?(?:match(?:es)?|results?|records?|files?|users?|rows?) (?:was |were )?found",
        r"undefined (?:table|column)",
    ),
    _words(
        K.CONFLICT,
        r"already (?:exists?|in use|taken|booked|started|running|registered|a member|has)\b",
        r"conflict",
        r"duplicate (?:key|entry)",
        r"(?:is|was|been) (?:locked|modified|changed) (?:by|since|in the meantime)",
        r"(?:database|resource|file) is (?:locked|busy)",
        r"deadlock",
        r"stale",
        r"version mismatch",
        r"etag|precondition",
        r"resource busy",
        r"optimistic lock",
        r"not empty",
    ),
    _words(
        K.TRUNCATED,
        r"unexpected (?:end|eof)",
        r"unterminated string",
        r"incomplete ?read",
        r"truncated",
        r"premature(?:ly)? (?:end|clos)",
    ),
    _words(
        K.MALFORMED_ANSWER,
        r"(?:invalid|malformed|unexpected|could not (?:parse|decode)|failed to parse) (?:\w+ )?"
        r"(?:json|xml|html|response|token|character|content[- ]type)",
        r"expecting (?:value|property name|',' delimiter)",
        r"<!doctype html|<html",
        r"not valid json",
        r"can't be decoded",
    ),
    _words(
        K.TRANSIENT,
        r"connection (?:was |has been )?(?:reset|refused|aborted|closed|lost|error|broken|dropped)",
        r"(?:temporar(?:y|ily)|currently|service) (?:failure|un|not )?(?:available|unavailable)?",
        r"try again",
        r"\b50[0236]\b",
        r"internal (?:server )?error",
        r"bad gateway",
        r"service unavailable",
        r"server (?:is )?(?:busy|disconnected|error)",
        r"\bbusy\b",
        r"broken pipe",
        r"network (?:is )?(?:unreachable|error)",
        r"name (?:or service not known|resolution)",
        r"socket hang up",
        r"\bEAI_AGAIN\b|\bECONNRESET\b|\bECONNREFUSED\b",
        r"remote end closed",
    ),
    _words(
        K.INVALID_ARGUMENTS,
        r"(?:missing|required|unexpected|unknown|invalid|bad|illegal|unsupported|wrong) "
        r"(?:\d+ )?(?:required |positional |keyword ){0,3}"
        r"(?:\w+ )?(?:arg|param|value|field|property|input|type|option|format|request|key|literal|date|syntax)",
        r"(?:is|are) (?:required|missing|invalid)\b",
        r"must (?:be|have|not|match|contain)",
        r"validation (?:failed|error)",
        r"\b4(?:00|22)\b",
        r"out of (?:range|bounds)",
        r"cannot (?:convert|parse|be (?:null|empty|negative))",
        r"could not convert",
        r"not a valid",
        r"should be",
        r"syntax error",
        r"expected (?:\w+ )?(?:type|an?|str|int)",
        r"not supported",
        r"got an unexpected",
        r"invalid",
    ),
    _words(K.EMPTY, r"empty (?:response|body|answer|reply|result)", r"no (?:content|output|data) (?:was )?(?:returned|received)"),
)  # fmt: skip
"""Words by class, tried in this order: the rare and certain before the vague."""
