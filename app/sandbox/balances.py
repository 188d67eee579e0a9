"""How the accounts of the stand-in HeyGen are billed, and what is left in them."""

from typing import Any


def balance_of(key: str) -> dict[str, Any]:
    """Return the billing type and its block; the other two are null."""
    blocks: dict[str, Any] = {"wallet": None, "subscription": None, "usage_based": None}
    if key.startswith("sandbox-subscription"):
        credits_left = {
            "premium_credits": {"remaining": 120, "resets_at": "2027-01-01T00:00:00Z"},
            "add_on_credits": None,
        }
        blocks["subscription"] = {"plan": "pro", "credits": credits_left}
    elif key.startswith("sandbox-usage"):
        blocks["usage_based"] = {"spending_current_usd": 12.5, "spending_cap_usd": 100.0}
    else:
        balance = 0.0 if key.startswith("sandbox-nocredit") else 100.0
        blocks["wallet"] = {
            "currency": "usd",
            "remaining_balance": balance,
            "auto_reload": {"enabled": False},
        }
    [billing_type] = [name for name, block in blocks.items() if block is not None]
    return {"billing_type": billing_type} | blocks
