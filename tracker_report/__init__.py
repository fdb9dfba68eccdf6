"""A report on the dbt models: one HTML file, which opens without a server and without a network."""
