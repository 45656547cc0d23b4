"""The providers' own bodies for HTTP errors."""

from http import HTTPStatus

from tether.testing.wire.formats.sse import ID, Json
from tether.testing.wire.requests import Wire

# The code and type that OpenAI sends with each status: platform.openai.com/docs/guides/error-codes.
OPENAI = {
    400: (None, "invalid_request_error"),
    401: ("invalid_api_key", "invalid_request_error"),
    403: ("unsupported_country_region_territory", "request_forbidden"),
    404: ("model_not_found", "invalid_request_error"),
    429: ("rate_limit_exceeded", "rate_limit_error"),
    500: ("server_error", "server_error"),
    503: ("server_is_overloaded", "service_unavailable_error"),
}
# The type that Anthropic sends with each status: platform.claude.com/docs/en/api/errors.
ANTHROPIC = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_body(wire: Wire, code: int, kind: str | None = None, message: str | None = None) -> Json:
    """The body that the provider of `wire` sends with an HTTP error; `kind` replaces the usual one for the status."""
    words = message or f"The scripted model answers with status {code}."
    family = 500 if code >= HTTPStatus.INTERNAL_SERVER_ERROR else 400
    if wire == "anthropic":
        usual = ANTHROPIC.get(code) or ANTHROPIC[family]
        return {"type": "error", "error": {"type": kind or usual, "message": words}, "request_id": f"req_{ID}"}
    usual_code, usual_type = OPENAI.get(code) or OPENAI[family]
    type_ = kind if kind == "insufficient_quota" else usual_type
    return {"error": {"message": words, "type": type_, "param": None, "code": kind or usual_code}}
