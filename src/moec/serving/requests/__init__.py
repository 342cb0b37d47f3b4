"""Where requests come from: made up or recorded."""
