"""The settings page: a static page and the `<ai-avatar-settings>` element that any frontend can embed."""
