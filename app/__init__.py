"""The AI-avatar integration service."""
