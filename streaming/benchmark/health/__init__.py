"""The judges of health compared on recordings of real faults: when each one alarms."""
