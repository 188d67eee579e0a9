"""Stand-ins for providers and n8n, for `ai-avatar dev` and the tests. Production code never imports this package."""
