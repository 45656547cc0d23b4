"""Settings of a deployment: the one place where the environment is read.

How to reach Temporal is not here: that comes from Temporal's own environment profiles (`adapters/connection.py`).
"""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from tether.adapters.notifiers.receiver import Receiver, receiving_url, signing_key
from tether.adapters.providers.catalog import ProviderSettings
from tether.contents import MAX_RESULT_BYTES
from tether.errors import TetherError
from tether.records import RunSettings
from tether.values import MAX_RESULT_BYTES as MAX_CARRIED_BYTES

MAX_HEARTBEAT_SECONDS = 3_600

_POSTGRES = ("postgresql://", "postgres://")
_ENVIRONMENT = re.compile(r"[A-Za-z0-9_-]{1,64}")


class SettingsError(TetherError):
    """A setting in the environment or `.env` can't be used."""


class Settings(BaseSettings):
    """What a worker and its clients read from the environment, each as `TETHER_…` but for the providers' own names.

    Attributes:
        task_queue: The queue of workflows, and of everything where no other is given.
        model_queue: A queue of their own for model calls; empty for none.
        tool_queue: A queue of their own for tool calls; empty for none.
        heartbeat: Seconds without a beat after which an attempt counts as lost.
        unsafe_heartbeat: The same for unsafe tools.
        model_attempts: All attempts of one model call.
        model_timeout: Longest active time of one model call, in seconds.
        handler_threads: Threads for sync handlers.
        max_activities: Activities that one worker runs at once.
        drain: Seconds that a stopping worker gives to what it has begun.
        continue_after: Events of a run's history after which it continues as new; 0: when the server suggests it.
        sticky_timeout: Seconds after which a dead worker's workflows go to another.
        environment: The deployment's name, which a policy's rules may ask for; recorded in every run.
        actor: Who answers, and starts runs, at the command line; empty for the login name.
        store_url: Of the Postgres that keeps the budgets, `postgresql://…`; needed where the App has budgets.
        upkeep: How often, in seconds, runs that died are settled and people told how budgets stand.
        settle_after: Seconds for which a run has not been heard of before it is asked after.
        max_result: Bytes of a tool's result that a model is told whole where there is a store, which keeps larger ones.
        webhook_url: Where notices are posted; empty for nowhere.
        webhook_secret: Signs them; needed with `webhook_url`.
    """

    model_config = SettingsConfigDict(env_prefix="TETHER_", extra="ignore", frozen=True, hide_input_in_errors=True)

    task_queue: str = Field(default="tether", min_length=1, max_length=200)
    model_queue: str = Field(default="", max_length=200)
    tool_queue: str = Field(default="", max_length=200)
    heartbeat: float = Field(default=15.0, ge=1, le=MAX_HEARTBEAT_SECONDS)
    unsafe_heartbeat: float = Field(default=30.0, ge=1, le=MAX_HEARTBEAT_SECONDS)
    model_attempts: int = Field(default=5, ge=1, le=100)
    model_timeout: float = Field(default=600.0, gt=0, le=86_400)
    handler_threads: int = Field(default=32, ge=1, le=1_000)
    max_activities: int = Field(default=100, ge=1, le=10_000)
    drain: float = Field(default=30.0, ge=0, le=3_600)
    continue_after: int = Field(default=0, ge=0, le=50_000)
    sticky_timeout: float = Field(default=1.0, gt=0, le=60)
    environment: str = "development"
    actor: str = ""
    store_url: SecretStr = SecretStr("")
    upkeep: float = Field(default=300.0, ge=1, le=86_400)
    settle_after: float = Field(default=300.0, ge=0, le=86_400)
    max_result: int = Field(default=MAX_RESULT_BYTES, ge=4 * 1024, le=MAX_CARRIED_BYTES)
    webhook_url: SecretStr = SecretStr("")
    webhook_secret: SecretStr = Field(default=SecretStr(""), validate_default=True)

    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    anthropic_api_key: SecretStr | None = Field(default=None, validation_alias="ANTHROPIC_API_KEY")
    anthropic_base_url: str | None = Field(default=None, validation_alias="ANTHROPIC_BASE_URL")

    @field_validator("environment")
    @classmethod
    def _names_environment(cls, given: str) -> str:
        if not _ENVIRONMENT.fullmatch(given):
            raise ValueError("must be 1 to 64 letters, digits, _ or -, as in production")
        return given

    @field_validator("store_url")
    @classmethod
    def _is_postgres(cls, given: SecretStr) -> SecretStr:
        if given.get_secret_value() and not given.get_secret_value().startswith(_POSTGRES):
            raise ValueError("must be the URL of a Postgres, as in postgresql://user:password@host:5432/database")
        return given

    @field_validator("webhook_url")
    @classmethod
    def _can_be_called(cls, given: SecretStr) -> SecretStr:
        if given.get_secret_value():
            receiving_url(given.get_secret_value())
        return given

    @field_validator("webhook_secret")
    @classmethod
    def _can_sign(cls, given: SecretStr, info: ValidationInfo) -> SecretStr:
        if given.get_secret_value() or info.data.get("webhook_url"):
            signing_key(given.get_secret_value())
        return given

    @classmethod
    def load(cls, env_file: Path | None = None) -> Settings:
        """Read the environment, and below it a `.env` file where one is named.

        Raises:
            SettingsError: A value can't be used; says which and why.
        """
        try:
            return cls(_env_file=env_file)
        except ValidationError as error:
            problems = "; ".join(f"{_variable(p['loc'])}: {_problem(p)}" for p in error.errors())
            raise SettingsError(f"the settings can't be used: {problems}") from error

    @property
    def providers(self) -> ProviderSettings:
        """Keys and addresses of the model providers."""
        return ProviderSettings(
            openai_api_key=self.openai_api_key or None,
            openai_base_url=self.openai_base_url or None,
            anthropic_api_key=self.anthropic_api_key or None,
            anthropic_base_url=self.anthropic_base_url or None,
        )

    @property
    def webhook(self) -> Receiver | None:
        """Who receives notices by webhook, where somebody does."""
        url = self.webhook_url.get_secret_value()
        return Receiver.of(url, self.webhook_secret.get_secret_value()) if url else None

    def for_runs(self, *, attributes: bool) -> RunSettings:
        """What is recorded in every run.

        Args:
            attributes: Whether the namespace has Tether's search attributes.
        """
        return RunSettings(
            heartbeat_ms=round(self.heartbeat * 1000),
            unsafe_heartbeat_ms=round(max(self.heartbeat, self.unsafe_heartbeat) * 1000),
            model_queue=self.model_queue,
            tool_queue=self.tool_queue,
            model_attempts=self.model_attempts,
            model_timeout_ms=round(self.model_timeout * 1000),
            attributes=attributes,
            continue_after=self.continue_after,
            environment=self.environment,
        )


def _variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0]).upper()
    return name if name.startswith(("OPENAI_", "ANTHROPIC_")) else f"TETHER_{name.removeprefix('TETHER_')}"


def _problem(details: ErrorDetails) -> str:
    if details["type"] == "value_error":  # a validator's own words
        return str(details["ctx"]["error"])
    return details["msg"][:1].lower() + details["msg"][1:]
