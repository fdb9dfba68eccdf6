"""One conversation with a Tracker server: auth, budget, errors, fields, pagination."""
