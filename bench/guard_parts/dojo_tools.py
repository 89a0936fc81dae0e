"""What the tools of AgentDojo's suites do to the world: what their author would declare, once."""

from typing import Any

from nebulus.core.tools import Effect, ToolSpec

OWN_DATA = frozenset({"get_current_day", "get_balance", "get_iban", "get_user_info", "get_user_information"})
"""What nobody but the user and the provider writes: the clock, and the account of the user's own."""

EFFECTS: dict[Effect, frozenset[str]] = {
    Effect.WRITE: frozenset(
        {
            "append_to_file",
            "create_file",
            "reschedule_calendar_event",
            "add_user_to_channel",
            "update_user_info",
        }
    ),
    Effect.IRREVERSIBLE: frozenset(
        {
            "delete_email",
            "delete_file",
            "cancel_calendar_event",
            "send_money",
            "schedule_transaction",
            "update_scheduled_transaction",
            "update_password",
            "remove_user_from_slack",
            "reserve_hotel",
            "reserve_car_rental",
            "reserve_restaurant",
        }
    ),
    Effect.EGRESS: frozenset(
        {
            "send_email",
            "share_file",
            "create_calendar_event",
            "add_calendar_event_participants",
            "send_direct_message",
            "send_channel_message",
            "post_webpage",
            "get_webpage",
            "invite_user_to_slack",
        }
    ),
}

CONSEQUENTIAL: dict[str, tuple[str, ...]] = {
    "create_file": ("filename",),
    "append_to_file": ("file_id",),
}
"""What stays in the user's own drive may say anything; where it goes may not come from outside."""


def effect_of(name: str) -> Effect:
    """Return what the tool does; what is not named above reads."""
    return next((effect for effect, names in EFFECTS.items() if name in names), Effect.READ)


def spec_of(name: str, parameters: dict[str, Any]) -> ToolSpec:
    """Return a tool of AgentDojo as the guard sees it."""
    effect = effect_of(name)
    return ToolSpec(
        name=name,
        parameters=parameters,
        effect=effect,
        is_untrusted=name not in OWN_DATA and (effect is Effect.READ or name == "get_webpage"),
        consequential=CONSEQUENTIAL.get(name, ()),
    )
