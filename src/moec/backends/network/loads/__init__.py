"""What ports and links carry in an exchange."""
