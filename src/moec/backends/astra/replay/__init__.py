"""Any Chakra trace set under ASTRA-sim's semantics, without ASTRA-sim: when each rank finishes."""
