"""The `.moe` language: from a file to typed experiments."""
