"""The sweep's page in a headless Chromium (tools/setup.sh --browser)."""
