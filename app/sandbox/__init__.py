"""Stand-ins for HeyGen and n8n: for `ai-avatar dev` and the tests. Nothing in production imports this."""
