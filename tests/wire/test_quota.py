"""The end of the money is known by the words of those who sell, and nothing else is taken for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.wire.exchange import Exchange, Fault, FaultKind, Piece, Request, Response
from conformance.wire.quota import quota_words

NOW = 1_750_000_000.0


def answer(status: int, body: Any, *headers: tuple[str, str]) -> Exchange:
    """An exchange with an answer; `body` is JSON-ready, or text."""
    data = body if isinstance(body, str) else json.dumps(body)
    return Exchange(Request(), Response(status, headers, (Piece(0.1, data.encode()),)), started=NOW)


def error(message: str, **fields: Any) -> dict[str, Any]:
    """An error as OpenAI writes it."""
    return {"error": {"message": message, "type": None, "param": None, "code": None, **fields}}


OPENAI = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: "
    "https://platform.openai.com/docs/guides/error-codes/api-errors."
)
FIREWORKS = (
    "Account pollinations is suspended, possibly due to reaching the monthly spending limit or failure to pay past invoices. "
    "Please go to https://fireworks.ai/account/billing for more information."
)
XAI = (
    "Your team 16f2151a has either used all available credits or reached its monthly spending limit. "
    "To continue making API requests, please purchase more credits or raise your spending limit."
)
OPENROUTER = (
    "This request requires more credits, or fewer max_tokens. You requested up to 64000 tokens, but can only afford 2666. "
    "To increase, visit https://openrouter.ai/settings/credits and upgrade to a paid account"
)
MOONSHOT = "Your account org-1<ak-1> is not active, organization <org-1> exceeded current quota, please check your plan and billing details"
MOONSHOT_SUSPENDED = "Your account org-1 <ak-1> is suspended due to insufficient balance, please recharge your account or check your plan and billing details"
ANTHROPIC = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."
DASHSCOPE = "Access denied, please make sure your account is in good standing."
TOGETHER = "Credit limit exceeded. Please navigate to https://api.together.xyz/settings/billing to add credit or upgrade your plan."
GROQ_DAY = (
    "Rate limit reached for model `llama-3.3-70b-versatile` in organization `org_1` service tier `on_demand` on tokens per day (TPD): "
    "Limit 100000, Used 97050, Requested 3619. Please try again in 9m38.016s."
)


@pytest.mark.parametrize(
    ("exchange", "words"),
    [
        # https://github.com/ChatGPTNextWeb/NextChat/issues/3664, and with "code": null eryajf/chatgpt-dingtalk/issues/35
        pytest.param(answer(429, error(OPENAI, type="insufficient_quota", code="insufficient_quota")), "exceeded your", id="openai"),
        pytest.param(answer(429, error(OPENAI, type="insufficient_quota")), "exceeded your", id="openai-2023"),
        # https://github.com/dfinke/PowerShellAI/issues/127
        pytest.param(
            answer(400, error("Billing hard limit has been reached", code="billing_hard_limit_reached")), "hard limit", id="openai-hard-limit"
        ),
        # https://github.com/lifan0127/ai-research-assistant/issues/174
        pytest.param(
            answer(429, error("Your account is not active, please check your billing details on our website.", code="billing_not_active")),
            "not active",
            id="openai-not-active",
        ),
        # https://github.com/Aider-AI/aider/issues/4851
        pytest.param(
            answer(402, error("Insufficient Balance", type="unknown_error", code="invalid_request_error")), "Insufficient Balance", id="deepseek"
        ),
        # https://github.com/hsliuping/TradingAgents-CN/issues/170
        pytest.param(answer(400, error(DASHSCOPE, type="Arrearage", code="Arrearage")), "good standing", id="dashscope"),
        # https://github.com/tencentmusic/supersonic/issues/1572: its own form
        pytest.param(answer(400, {"code": "Arrearage", "message": DASHSCOPE, "request_id": "8"}), "good standing", id="dashscope-own"),
        # https://github.com/RooCodeInc/Roo-Code/issues/12309
        pytest.param(answer(403, error("Access denied due to overdue account")), "overdue account", id="dashscope-overdue"),
        # https://help.aliyun.com/zh/model-studio/new-free-quota
        pytest.param(
            answer(403, error("The free tier of the model has been exhausted.", code="AllocationQuota.FreeTierOnly")), "free tier", id="dashscope-free"
        ),
        # https://github.com/QwenLM/qwen-code/issues/1742
        pytest.param(answer(429, error("Free allocated quota exceeded.")), "Free allocated", id="qwen-free"),
        # SiliconFlow: 403 is documented as a balance that is not enough; the sentence is as its users report it, without a public thread
        pytest.param(
            answer(403, {"code": 30001, "message": "Sorry, your account balance is insufficient", "data": None}), "balance", id="siliconflow"
        ),
        # https://github.com/MoonshotAI/Kimi-K2/issues/5
        pytest.param(answer(403, {"error": {"message": MOONSHOT, "type": "exceeded_current_quota_error"}}), "not active", id="moonshot"),
        # https://github.com/anomalyco/opencode/issues/24462
        pytest.param(
            answer(429, {"error": {"message": MOONSHOT_SUSPENDED, "type": "exceeded_current_quota_error"}}), "insufficient balance", id="moonshot-429"
        ),
        # https://portkey.ai/error-library/subscription-error-10572; 401 by others
        pytest.param(answer(403, {"message": "Inactive subscription or usage limit reached"}), "Inactive", id="mistral"),
        pytest.param(answer(401, {"message": "Inactive subscription or usage limit reached", "request_id": "a"}), "Inactive", id="mistral-401"),
        # https://github.com/expectedparrot/edsl/issues/2098
        pytest.param(answer(402, error(TOGETHER, type="credit_limit")), "Credit limit", id="together"),
        # https://github.com/pollinations/pollinations/issues/12136
        pytest.param(answer(412, error(FIREWORKS, code="PRECONDITION_FAILED", type="error")), "suspended", id="fireworks"),
        # https://github.com/astrio-labs/forall/issues/76
        pytest.param(answer(402, {"error": {"message": OPENROUTER, "code": 402}, "user_id": "u"}), "more credits", id="openrouter"),
        # https://console.groq.com/docs/spend-limits
        pytest.param(answer(400, error("Your organization has reached its spend limit.", code="blocked_api_access")), "spend limit", id="groq"),
        # https://github.com/continuedev/continue/issues/10373: a text, not an object
        pytest.param(answer(429, {"code": "Some resource has been exhausted", "error": XAI}), "used all available", id="xai"),
        # https://github.com/anthropics/claude-code/issues/4684
        pytest.param(
            answer(400, {"type": "error", "error": {"type": "invalid_request_error", "message": ANTHROPIC}}), "too low", id="anthropic"
        ),
        # https://github.com/songquanpeng/one-api/issues/1270
        pytest.param(
            answer(403, error("user quota is not enough", type="one_api_error", code="insufficient_user_quota")), "not enough", id="one-api"
        ),
        # https://github.com/QuantumNous/new-api/issues/6929, 6306
        pytest.param(answer(403, error("用户额度不足, 剩余额度: $-0.000002", type="new_api_error")), "用户额度不足", id="new-api"),
        pytest.param(answer(403, error("预扣费额度失败, 用户剩余额度: ¥0.230000")), "预扣费", id="new-api-reserve"),
        # Zhipu (open.bigmodel.cn), error 1113
        pytest.param(answer(429, error("余额不足或无可用资源包,请充值。", code="1113")), "余额不足", id="zhipu"),
        # https://docs.coreweave.com/support/inference/tags/quotas-rate-limits
        pytest.param(answer(402, error("You exceeded your current quota, please check your plan and billing details")), "exceeded", id="coreweave"),
        pytest.param(answer(402, ""), "status 402", id="without-a-word"),
        pytest.param(answer(402, "<html>" + "x" * 9000), "status 402", id="a-page"),
        # https://github.com/Gitlawb/openclaude/issues/936, where the headers are gone
        pytest.param(
            answer(429, error("Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day")),
            "per-day",
            id="openrouter-free-day",
        ),
    ],
)  # fmt: skip
def test_the_end_of_the_money_is_known(exchange: Exchange, words: str) -> None:
    """What vendors really send, and the vendor's own words."""
    found = quota_words(exchange)

    assert found is not None
    assert words in found


@pytest.mark.parametrize(
    "exchange",
    [
        pytest.param(answer(200, {"choices": [{"text": "insufficient balance"}]}), id="served"),
        pytest.param(answer(500, error("insufficient balance")), id="server-error"),
        # https://github.com/home-assistant/core/issues/120072
        pytest.param(
            answer(403, error("Country, region, or territory not supported", code="unsupported_country_region_territory")), id="region"
        ),
        # https://openrouter.ai/docs/errors
        pytest.param(answer(403, error("Your chosen model requires moderation and your input was flagged", code=403)), id="moderation"),
        pytest.param(answer(403, error("You are not allowed to sample from this model; check your credentials")), id="permission"),
        # https://docs.together.ai/docs/error-codes: a 403 about a parameter
        pytest.param(answer(403, error("Input token count + max_tokens parameter must be less than the context length")), id="together-403"),
        # https://github.com/clacky-ai/openclacky/issues/192
        pytest.param(answer(403, error("Access terminated. Review our Community Guidelines", type="access_terminated_error")), id="terminated"),
        pytest.param(answer(403, "<html><head><title>403 Forbidden</title></head></html>"), id="a-page"),
        # https://github.com/LLM-Red-Team/kimi-cc/issues/16
        pytest.param(
            answer(429, error("Your account reached organization max RPM: 3, please try again after 1 seconds", type="rate_limit_reached_error")),
            id="moonshot-rpm",
        ),
        # https://github.com/AIDotNet/OpenDeepWiki/issues/269
        pytest.param(answer(429, {"message": "Request was rejected due to rate limiting. Details: TPM limit reached.", "data": None}), id="siliconflow"),
        # https://github.com/raycast/extensions/issues/31107
        pytest.param(answer(429, {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"}), id="mistral"),
        # https://github.com/continuedev/continue/issues/6185
        pytest.param(answer(429, {"object": "error", "message": "Service tier capacity exceeded for this model."}), id="mistral-capacity"),
        # https://www.alibabacloud.com/help/en/model-studio/rate-limit: OpenAI's words for the tokens of a minute
        pytest.param(
            answer(
                429,
                error(
                    "You exceeded your current quota, please check your plan and billing details. For details, see: "
                    "https://help.aliyun.com/zh/model-studio/error-code#token-limit",
                    type="insufficient_quota",
                    code="insufficient_quota",
                ),
            ),
            id="dashscope-tokens-a-minute",
        ),
        # https://github.com/continuedev/continue/issues/11926
        pytest.param(
            answer(
                429,
                [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "You exceeded your current quota, please check your plan. "
                 "Head to: https://ai.google.dev/gemini-api/docs/rate-limits. Please retry in 17.30897372s."}}],
            ),
            id="gemini",
        ),
        pytest.param(answer(429, error(GROQ_DAY, type="tokens", code="rate_limit_exceeded")), id="groq-a-day-soon-over"),
        pytest.param(answer(429, "Too Many Requests"), id="429"),
        pytest.param(answer(503, error("Service is too busy")), id="busy"),
        pytest.param(answer(400, error("max_tokens is too large: 99999999", param="max_tokens")), id="parameter"),
        pytest.param(answer(400, error("Invalid value: 'credit' is not a billing option", param="model")), id="parameter-of-money"),
        pytest.param(answer(400, "{"), id="no-json"),
        pytest.param(answer(400, "[" * 100_000), id="too-deep"),
        pytest.param(answer(429, {"error": {"message": ["insufficient"], "code": {"a": 1}}}), id="odd-types"),
        pytest.param(answer(429, "[]"), id="empty"),
        pytest.param(Exchange(Request(), fault=Fault(FaultKind.DROPPED, "insufficient balance")), id="no-answer"),
    ],
)  # fmt: skip
def test_nothing_else_is_taken_for_it(exchange: Exchange) -> None:
    """Rate limits, permissions, regions, moderation, parameters."""
    assert quota_words(exchange, horizon=3600) is None


@pytest.mark.parametrize(
    ("headers", "horizon", "found"),
    [
        ((("retry-after", "7200"),), 3600, True),
        ((("retry-after", "1800"),), 3600, False),
        ((("retry-after", "7200"),), None, False),
        ((("x-ratelimit-reset", f"{(NOW + 40_000) * 1000:.0f}"),), 3600, True),
        ((("x-ratelimit-reset-requests", "23h59m"), ("x-ratelimit-remaining-requests", "0")), 3600, True),
        ((("x-ratelimit-reset-requests", "23h59m"), ("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "8s")), 3600, False),
        ((), 3600, False),
    ],
)  # fmt: skip
def test_a_limit_that_outlives_the_run_is_an_end(
    *, headers: tuple[tuple[str, str], ...], horizon: float | None, found: bool
) -> None:
    """What is lifted only after the horizon is the end for this run."""
    words = quota_words(answer(429, error("Rate limit reached"), *headers), horizon=horizon)

    assert (words is not None) == found
    assert words is None or words.startswith("Rate limit reached (it asks to wait")


def test_a_day_that_is_over_too_late_is_an_end() -> None:
    """The message may be the only place that names the time."""
    assert quota_words(answer(429, error(GROQ_DAY)), horizon=300) is not None


def test_words_are_fit_to_be_shown() -> None:
    """One line, bounded, and nothing invisible."""
    words = quota_words(answer(402, error("No\nmoney \x1b[31m\u202e" + "x" * 100_000)))

    assert words is not None
    assert words.startswith("No money \\u001b[31m\\u202e")
    assert len(words) == 300
    assert words.isprintable()
