"""ASTRA-sim's networks message by message; compiled where there is a C compiler."""
