"""One module a command: scripts/<name> runs lib/commands/<name>.py."""
