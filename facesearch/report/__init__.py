"""Reports of stored runs: tables, CSV, JSON, Markdown, and one HTML page with charts. No numpy, no network."""
