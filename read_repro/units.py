"""Factors between units; a name ends with the unit of its value, as in ``energy_kwh`` or ``memory_gib``."""

SECONDS_PER_HOUR = 3600
SECONDS_PER_DAY = 86_400
JOULES_PER_KWH = 3.6e6
BYTES_PER_GIB = 2**30
BYTES_PER_GB = 10**9
