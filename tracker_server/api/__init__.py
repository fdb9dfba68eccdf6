"""The v5 API without a network: requests in, responses out."""
