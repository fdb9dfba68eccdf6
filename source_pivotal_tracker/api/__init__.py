"""One conversation with a Tracker server: auth, rate limit, errors, fields, pagination."""
